#include "lake/data_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <optional>

#include "base/file.h"

namespace headrace {
namespace {

constexpr std::string_view waiting_suffix = ".waiting";

struct NameParts {
  uint64_t generation = 0, epoch = 0;
};

/// Reads "g1.e7.0.parquet"; anything else is not ours.
std::optional<NameParts> parse_name(std::string_view rest) {
  NameParts parts;
  const char* end = rest.data() + rest.size();
  if (!rest.starts_with("g")) return std::nullopt;
  auto generation = std::from_chars(rest.data() + 1, end, parts.generation);
  if (generation.ec != std::errc() || end - generation.ptr < 2 || std::string_view(generation.ptr, 2) != ".e")
    return std::nullopt;
  auto epoch = std::from_chars(generation.ptr + 2, end, parts.epoch);
  if (epoch.ec != std::errc() || epoch.ptr == end || *epoch.ptr != '.' || !rest.ends_with(".parquet"))
    return std::nullopt;
  return parts;
}

}  // namespace

std::string file_name_part(const std::string& text) {
  std::string out;
  for (unsigned char c : text) {
    if (std::isalnum(c) || c == '_' || c == '-') {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("~{:02X}", c);
    }
  }
  return out;
}

DataFolder::DataFolder(std::string folder, const std::string& lineage, const std::string& sink)
    : folder_(std::move(folder)), prefix_(file_name_part(lineage) + "." + file_name_part(sink) + ".") {}

std::string DataFolder::waiting_path(uint64_t ordinal) const {
  return fmt::format("{}/{}{}{}", folder_, prefix_, ordinal, waiting_suffix);
}

Result<std::string> DataFolder::publish(const std::string& waiting, uint64_t generation, Epoch epoch,
                                        uint64_t ordinal) const {
  std::string path = fmt::format("{}/{}g{}.e{}.{}.parquet", folder_, prefix_, generation, epoch.value, ordinal);
  std::error_code error;
  std::filesystem::create_hard_link(waiting, path, error);  // Unlike a rename it fails when the name is taken.
  if (error == std::errc::file_exists) {
    return Error{Code::state_mismatch,
                 Blame::user,
                 Retry::never,
                 fmt::format("{} was written by another process", path),
                 "another process runs on a copy of this state directory: keep one of them",
                 {}};
  }
  if (error) return errno_error(fmt::format("name {}", path), error.value());
  HEADRACE_TRY(remove_file(waiting));
  HEADRACE_TRY(sync_directory(folder_));
  return path;
}

Result<> DataFolder::remove_orphans(uint64_t generation, Epoch last, const std::vector<PreparedFile>& kept) const {
  HEADRACE_ASSIGN(std::vector<std::string> names, list_directory(folder_));
  for (const std::string& name : names) {
    if (!name.starts_with(prefix_)) continue;
    std::string path = folder_ + "/" + name;
    if (std::any_of(kept.begin(), kept.end(), [&](const PreparedFile& file) { return file.path == path; })) continue;
    std::optional<NameParts> parts = parse_name(std::string_view(name).substr(prefix_.size()));
    bool orphan =
        name.ends_with(waiting_suffix) || (parts && parts->generation == generation && parts->epoch > last.value);
    if (orphan) HEADRACE_TRY(remove_file(path));
  }
  return sync_directory(folder_);
}

}  // namespace headrace
