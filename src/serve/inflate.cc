#include "serve/inflate.h"

#include <fmt/format.h>
#include <zlib.h>

namespace headrace {
namespace {

constexpr size_t step_bytes = 256 << 10;
constexpr int gzip_window_bits = 15 + 16;

struct Stream : z_stream {
  Stream() : z_stream{} { inflateInit2(this, gzip_window_bits); }
  ~Stream() { inflateEnd(this); }
};

}  // namespace

Result<std::string> gunzip(std::string_view bytes, int64_t bytes_max) {
  Stream stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  size_t filled = 0;
  for (;;) {
    out.resize(filled + step_bytes);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
    stream.avail_out = static_cast<uInt>(step_bytes);
    int status = inflate(&stream, Z_NO_FLUSH);
    filled = out.size() - stream.avail_out;
    if (static_cast<int64_t>(filled) > bytes_max)
      return user_error(Code::too_large, fmt::format("the body unpacks to more than {} bytes", bytes_max))
          .with_remedy("send it in smaller parts");
    if (status == Z_STREAM_END) {
      if (stream.avail_in == 0) break;
      inflateReset(&stream);  // A gzip file may consist of several members.
    } else if (status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && stream.avail_out > 0)) {
      return user_error(Code::truncated_input, "the gzip body ends in the middle");
    } else if (status != Z_OK) {
      return user_error(Code::bad_request, "the body is not gzip, although its Content-Encoding says so");
    }
  }
  out.resize(filled);
  return out;
}

}  // namespace headrace
