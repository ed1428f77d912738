#include "serve/static_files.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <filesystem>

#include "base/file.h"

namespace headrace {
namespace {

/// Nothing from other hosts, no inline scripts, no framing.
constexpr const char* content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

std::string type_of(const std::string& path) {
  static const std::map<std::string, std::string> types = {{".html", "text/html; charset=utf-8"},
                                                           {".js", "text/javascript; charset=utf-8"},
                                                           {".css", "text/css; charset=utf-8"},
                                                           {".svg", "image/svg+xml"},
                                                           {".png", "image/png"},
                                                           {".ico", "image/x-icon"},
                                                           {".json", "application/json"},
                                                           {".woff2", "font/woff2"},
                                                           {".webmanifest", "application/manifest+json"},
                                                           {".txt", "text/plain; charset=utf-8"},
                                                           {".wasm", "application/wasm"},
                                                           {".map", "application/json"}};
  auto found = types.find(std::filesystem::path(path).extension().string());
  return found == types.end() ? "application/octet-stream" : found->second;
}

std::string etag_of(const std::string& bytes) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), hash, &size, EVP_sha256(), nullptr);
  std::string out = "\"";
  for (int i = 0; i < 12; ++i) out += fmt::format("{:02x}", hash[i]);
  return out + "\"";
}

}  // namespace

Result<std::unique_ptr<StaticFiles>> StaticFiles::read(const std::string& root) {
  auto out = std::make_unique<StaticFiles>();
  if (root.empty()) return out;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(root, error), end; !error && entry != end;
       entry.increment(error)) {
    if (!entry->is_regular_file(error)) continue;
    std::string path = "/" + std::filesystem::relative(entry->path(), root, error).generic_string();
    HEADRACE_ASSIGN(std::string bytes, read_file(entry->path().string()));
    Page page{std::move(bytes), type_of(path), {}, path.starts_with("/assets/")};
    page.etag = etag_of(page.bytes);
    out->pages_[path] = std::move(page);
  }
  if (error) return errno_error("read the console's files in " + root, error.value());
  return out;
}

std::optional<Response> StaticFiles::get(const Request& request) const {
  if (request.path.starts_with("/v1/")) return std::nullopt;
  auto found = pages_.find(request.path == "/" ? "/index.html" : request.path);
  bool is_file_name = request.path.find('.', request.path.rfind('/')) != std::string::npos;
  bool wants_page = request.header("accept").find("text/html") != std::string::npos;
  if (found == pages_.end() && !is_file_name && wants_page) found = pages_.find("/index.html");
  if (found == pages_.end()) return std::nullopt;
  const Page& page = found->second;
  Response out;
  out.content_type = page.content_type;
  out.headers.emplace_back("ETag", page.etag);
  out.headers.emplace_back("Cache-Control", page.named_by_content ? "public, max-age=31536000, immutable" : "no-cache");
  out.headers.emplace_back("Content-Security-Policy", content_security_policy);
  out.headers.emplace_back("X-Frame-Options", "DENY");
  if (request.header("if-none-match") == page.etag)
    out.status = 304;
  else
    out.body = page.bytes;
  return out;
}

}  // namespace headrace
