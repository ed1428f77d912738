#include "connect/file/input.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "base/file.h"

namespace headrace {
namespace {

Error shorter_than(const std::string& path, uint64_t offset, uint64_t size) {
  return environment_error(Code::source_unavailable,
                           fmt::format("{} has {} bytes, but {} were read from it before: it was truncated or replaced",
                                       path, size, offset))
      .with_remedy("put the file back, or start with a new state directory");
}

class PlainInput final : public FileInput {
 public:
  PlainInput(File file, uint64_t identity, uint64_t offset)
      : file_(std::move(file)), identity_(identity), offset_(offset) {}

  Result<> read(std::string& out, size_t bytes_max) override {
    const size_t begin = out.size();
    out.resize(begin + bytes_max);
    HEADRACE_ASSIGN(const size_t got, file_.read_into(offset_, out.data() + begin, bytes_max));
    out.resize(begin + got);
    offset_ += got;
    return {};
  }
  std::optional<uint64_t> bytes_left() const override {
    const Result<uint64_t> size = file_.size();
    if (!size.ok()) return std::nullopt;
    return *size > offset_ ? *size - offset_ : 0;
  }
  std::string shrunk() const override {
    const Result<uint64_t> size = file_.size();
    return size.ok() && *size < offset_ ? shorter_than(file_.path(), offset_, *size).message : "";
  }
  uint64_t identity() const override { return identity_; }

 private:
  File file_;
  const uint64_t identity_;
  uint64_t offset_;
};

class GzipInput final : public FileInput {
 public:
  GzipInput(File file, uint64_t identity) : file_(std::move(file)), identity_(identity) {
    constexpr int gzip_or_zlib = 15 + 32;
    inflateInit2(&stream_, gzip_or_zlib);
  }
  ~GzipInput() override { inflateEnd(&stream_); }

  Result<> read(std::string& out, size_t bytes_max) override {
    const size_t begin = out.size();
    out.resize(begin + bytes_max);
    size_t filled = 0;
    while (filled < bytes_max && fault_.empty()) {
      if (stream_.avail_in == 0) {
        HEADRACE_ASSIGN(packed_, file_.read_at(packed_offset_, packed_bytes));
        packed_offset_ += packed_.size();
        stream_.next_in = reinterpret_cast<Bytef*>(packed_.data());
        stream_.avail_in = static_cast<uInt>(packed_.size());
        if (packed_.empty()) {
          if (inside_member_) fault_ = "the gzip file ends in the middle";
          break;
        }
      }
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + begin + filled);
      stream_.avail_out = static_cast<uInt>(bytes_max - filled);
      inside_member_ = true;
      const int answer = inflate(&stream_, Z_NO_FLUSH);
      filled = bytes_max - stream_.avail_out;
      if (answer == Z_STREAM_END) {  // Another member may follow: gzip files may be put one behind the other.
        inside_member_ = false;
        inflateReset(&stream_);
      } else if (answer != Z_OK && answer != Z_BUF_ERROR) {
        fault_ = fmt::format("the gzip file is damaged: {}", stream_.msg ? stream_.msg : "no reason given");
      }
    }
    out.resize(begin + filled);
    return {};
  }
  std::optional<uint64_t> bytes_left() const override { return std::nullopt; }
  std::string fault() const override { return fault_; }
  uint64_t identity() const override { return identity_; }

 private:
  static constexpr size_t packed_bytes = 256 * 1024;

  File file_;
  const uint64_t identity_;
  z_stream stream_{};
  std::string packed_;
  uint64_t packed_offset_ = 0;
  bool inside_member_ = false;
  std::string fault_;
};

}  // namespace

Result<std::unique_ptr<FileInput>> open_file_input(const std::string& path, uint64_t offset) {
  HEADRACE_ASSIGN(const uint64_t identity, file_identity(path));
  HEADRACE_ASSIGN(File file, File::open(path, File::Mode::read));
  HEADRACE_ASSIGN(const std::string magic, file.read_at(0, 2));
  if (magic != "\x1f\x8b") {
    HEADRACE_ASSIGN(const uint64_t size, file.size());
    if (size < offset) return shorter_than(path, offset, size);
    return std::unique_ptr<FileInput>(std::make_unique<PlainInput>(std::move(file), identity, offset));
  }
  auto input = std::make_unique<GzipInput>(std::move(file), identity);
  constexpr uint64_t piece_bytes = 1 << 20;
  std::string passed_over;
  for (uint64_t left = offset; left > 0; left -= passed_over.size()) {
    passed_over.clear();
    HEADRACE_TRY(input->read(passed_over, std::min(left, piece_bytes)));
    if (passed_over.empty()) return shorter_than(path, offset, offset - left);
  }
  return std::unique_ptr<FileInput>(std::move(input));
}

}  // namespace headrace
