#include "connect/http/keys.h"

#include <fmt/format.h>

#include <charconv>

#include "base/file.h"
#include "connect/http/bytes.h"
#include "log/crc32c.h"

namespace headrace {
namespace {

constexpr std::string_view magic = "HRKEYS01";

int64_t bytes_of(const KnownRequest& request) {
  int64_t bytes = sizeof(KnownRequest) + 64;  // 64: about what the map takes for an entry.
  for (const Refusal& refusal : request.verdict.refused)
    bytes += sizeof(Refusal) + static_cast<int64_t>(refusal.reason.size());
  return bytes;
}

std::string path_of(const std::string& directory, int64_t end) {
  return fmt::format("{}/{:020}.keys", directory, end);
}

std::optional<int64_t> end_of(std::string_view name) {
  int64_t end = 0;
  if (name.size() != 25 || name.substr(20) != ".keys") return std::nullopt;
  auto [stop, error] = std::from_chars(name.data(), name.data() + 20, end);
  if (error != std::errc{} || stop != name.data() + 20) return std::nullopt;
  return end;
}

}  // namespace

size_t KeyIndex::DigestHash::operator()(const Digest& digest) const {
  size_t out;  // A digest is as good as random already.
  std::memcpy(&out, digest.data(), sizeof out);
  return out;
}

Result<> KeyIndex::open(const std::string& directory) {
  directory_ = directory;
  HEADRACE_TRY(make_directories(directory));
  HEADRACE_ASSIGN(std::vector<std::string> names, list_directory(directory));
  for (const std::string& name : names)
    if (std::optional<int64_t> end = end_of(name)) HEADRACE_TRY(read_file_of_keys(directory + "/" + name, *end));
  return {};
}

Result<> KeyIndex::read_file_of_keys(const std::string& path, int64_t end) {
  HEADRACE_ASSIGN(std::string text, read_file(path));
  Error damaged{Code::corrupt_state,
                Blame::environment,
                Retry::never,
                fmt::format("the key file {} is not as it was written", path),
                "restore the state directory from a copy",
                {}};
  if (text.size() < magic.size() + sizeof(uint32_t) || !text.starts_with(magic)) return damaged;
  std::string_view body = std::string_view(text).substr(magic.size() + sizeof(uint32_t));
  ByteReader head(std::string_view(text).substr(magic.size()));
  if (head.number<uint32_t>() != crc32c(0, body)) return damaged;
  ByteReader in(body);
  int64_t records = in.number<int64_t>();
  uint32_t count = in.number<uint32_t>();
  std::string_view rest = in.rest();
  for (uint32_t i = 0; i < count; ++i) {
    ByteReader entry(rest);
    KnownRequest request;
    request.number = entry.number<int64_t>();
    request.position = entry.number<int64_t>();
    if (!entry.ok()) return damaged;
    rest = entry.rest();
    HEADRACE_ASSIGN(request.verdict, take_verdict(rest));
    add(std::move(request));
  }
  files_.push_back({path, end});
  saved_end_ = end;
  saved_records_ = records;
  return {};
}

void KeyIndex::add(KnownRequest request) {
  if (!request.verdict.has_key) return;
  bytes_ += bytes_of(request);
  known_[request.verdict.key] = first_ + static_cast<int64_t>(requests_.size());
  requests_.push_back(std::move(request));
  while (over_size()) forget_oldest();
}

bool KeyIndex::over_size() const {
  return static_cast<int64_t>(requests_.size()) > limits_.keys_max || bytes_ > limits_.bytes_max;
}

const KnownRequest* KeyIndex::find(const Digest& key) const {
  auto found = known_.find(key);
  return found == known_.end() ? nullptr : &requests_[found->second - first_];
}

void KeyIndex::forget_oldest() {
  const KnownRequest& oldest = requests_.front();
  bytes_ -= bytes_of(oldest);
  auto found = known_.find(oldest.verdict.key);
  if (found != known_.end() && found->second == first_) known_.erase(found);
  requests_.pop_front();
  ++first_;
}

Result<> KeyIndex::expire(int64_t now_us) {
  while (!requests_.empty() && requests_.front().verdict.time_us < now_us - limits_.age_us_max) forget_oldest();
  // The newest file stays: it carries the count of records on.
  while (files_.size() > 1 && (requests_.empty() || files_.front().end <= requests_.front().number)) {
    HEADRACE_TRY(remove_file(files_.front().path));
    files_.pop_front();
  }
  return {};
}

Result<> KeyIndex::save(int64_t end, int64_t records) {
  if (end <= saved_end_) return {};
  std::string entries;
  uint32_t count = 0;
  for (const KnownRequest& request : requests_) {
    if (request.number < saved_end_ || request.number >= end) continue;
    put_number(entries, request.number);
    put_number(entries, request.position);
    append_verdict(entries, request.verdict);
    ++count;
  }
  std::string body;
  put_number(body, records);
  put_number(body, count);
  body += entries;
  std::string text(magic);
  put_number(text, crc32c(0, body));
  text += body;
  std::string path = path_of(directory_, end);
  HEADRACE_TRY(write_file_atomically(path, text));
  files_.push_back({path, end});
  saved_end_ = end;
  saved_records_ = records;
  return {};
}

}  // namespace headrace
