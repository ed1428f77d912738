#include "connect/http/record.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <zstd.h>

#include "connect/http/bytes.h"
#include "duck/serialize.h"

namespace headrace {
namespace {

constexpr uint8_t format_version = 1;
constexpr int zstd_level = 1;  // The disk is the limit, but so is the core: level 1 packs rows at about 400 MB/s.
constexpr uint64_t unpacked_bytes_max = 4ULL << 30;

Error unreadable(std::string_view what) {
  return Error{Code::corrupt_state,
               Blame::environment,
               Retry::never,
               fmt::format("a request in the log cannot be read: {}", what),
               {},
               {}};
}

Result<std::string> packed(std::string_view bytes) {
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), zstd_level);
  if (ZSTD_isError(size)) return Error{Code::internal, Blame::engine, Retry::never, ZSTD_getErrorName(size), {}, {}};
  out.resize(size);
  return out;
}

Result<std::string> unpacked(std::string_view bytes) {
  unsigned long long size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size > unpacked_bytes_max) return unreadable("its compressed part has no size");
  std::string out(size, '\0');
  size_t got = ZSTD_decompress(out.data(), out.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got)) return unreadable(ZSTD_getErrorName(got));
  out.resize(got);
  return out;
}

}  // namespace

Digest digest_of(std::string_view first, std::string_view second) {
  unsigned char full[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  uint64_t first_size = first.size();  // So that "a" + "bc" is not "ab" + "c".
  EVP_DigestInit_ex(context, EVP_sha256(), nullptr);
  EVP_DigestUpdate(context, &first_size, sizeof first_size);
  EVP_DigestUpdate(context, first.data(), first.size());
  EVP_DigestUpdate(context, second.data(), second.size());
  EVP_DigestFinal_ex(context, full, &size);
  EVP_MD_CTX_free(context);
  Digest out;
  std::memcpy(out.data(), full, out.size());
  return out;
}

void append_verdict(std::string& out, const RequestVerdict& verdict) {
  put_number(out, format_version);
  put_number(out, static_cast<uint8_t>(verdict.has_key));
  put_number(out, verdict.time_us);
  put_number(out, verdict.key);
  put_number(out, verdict.body);
  put_number(out, verdict.accepted);
  put_number(out, static_cast<uint32_t>(verdict.refused.size()));
  for (const Refusal& refusal : verdict.refused) {
    put_number(out, refusal.index);
    put_number(out, static_cast<uint16_t>(refusal.code));
    put_text(out, refusal.reason);
  }
}

Result<RequestVerdict> take_verdict(std::string_view& bytes) {
  ByteReader in(bytes);
  if (in.number<uint8_t>() != format_version) return unreadable("it was written by another version");
  RequestVerdict out;
  out.has_key = in.number<uint8_t>() != 0;
  out.time_us = in.number<int64_t>();
  out.key = in.number<Digest>();
  out.body = in.number<Digest>();
  out.accepted = in.number<int64_t>();
  uint32_t refused = in.number<uint32_t>();
  for (uint32_t i = 0; i < refused && in.ok(); ++i) {
    Refusal& refusal = out.refused.emplace_back();
    refusal.index = in.number<int64_t>();
    refusal.code = static_cast<Code>(in.number<uint16_t>());
    refusal.reason = in.text();
  }
  if (!in.ok()) return unreadable("it ends in its verdict");
  bytes = in.rest();
  return out;
}

Result<std::string> encode_request(const RequestVerdict& verdict, const Schema& schema,
                                   const std::vector<Batch>& batches, const std::vector<Rejected>& rejected) {
  std::string rows;
  put_number(rows, static_cast<uint32_t>(schema.size()));
  for (const Field& field : schema.fields()) put_text(rows, field.name);
  for (const Rejected& record : rejected) put_text(rows, record.bytes);
  put_number(rows, static_cast<uint32_t>(batches.size()));
  for (const Batch& batch : batches) {
    std::string chunk;
    serialize_chunk(batch.chunk, chunk);
    put_text(rows, chunk);
  }
  HEADRACE_ASSIGN(std::string compressed, packed(rows));
  std::string out;
  append_verdict(out, verdict);
  out += compressed;
  return out;
}

Result<RequestVerdict> decode_verdict(std::string_view record) {
  return take_verdict(record);
}

Result<RequestRows> decode_rows(std::string_view record) {
  HEADRACE_ASSIGN(RequestVerdict verdict, take_verdict(record));
  HEADRACE_ASSIGN(std::string rows, unpacked(record));
  ByteReader in(rows);
  RequestRows out;
  uint32_t columns = in.number<uint32_t>();
  for (uint32_t i = 0; i < columns && in.ok(); ++i) out.names.emplace_back(in.text());
  for (size_t i = 0; i < verdict.refused.size() && in.ok(); ++i) out.refused.emplace_back(in.text());
  uint32_t chunks = in.number<uint32_t>();
  for (uint32_t i = 0; i < chunks && in.ok(); ++i) {
    std::string_view bytes = in.text();
    if (!in.ok()) break;
    HEADRACE_TRY(deserialize_chunk(bytes, out.chunks.emplace_back()));
  }
  if (!in.ok()) return unreadable("it ends in its rows");
  return out;
}

}  // namespace headrace
