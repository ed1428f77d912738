// One request as one record of the log: the verdict in clear (so that keys are found again without unpacking rows), the
// rows and the refused bytes as compressed columns.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/batch.h"

namespace headrace {

/// The first half of a SHA-256.
using Digest = std::array<uint8_t, 16>;
Digest digest_of(std::string_view first, std::string_view second);

/// Why a record of a request was refused; what the answer tells, without the record's bytes.
struct Refusal {
  int64_t index = 0;
  Code code = Code::malformed_record;
  std::string reason;
};

/// What was decided about a request.
struct RequestVerdict {
  int64_t time_us = 0;  ///< When it came.
  bool has_key = false;
  Digest key{}, body{};  ///< Of the idempotency key; of format and body.
  int64_t accepted = 0;
  std::vector<Refusal> refused;

  int64_t records() const { return accepted + static_cast<int64_t>(refused.size()); }
};

/// A request's rows, as they were decoded.
struct RequestRows {
  std::vector<std::string> names;    ///< Of the columns.
  std::deque<DataChunk> chunks;      ///< A deque, because chunks do not move.
  std::vector<std::string> refused;  ///< Bytes of the refused records, in the verdict's order.
};

/// Errors: internal (zstd).
Result<std::string> encode_request(const RequestVerdict& verdict, const Schema& schema,
                                   const std::vector<Batch>& batches, const std::vector<Rejected>& rejected);
/// Errors: corrupt_state.
Result<RequestVerdict> decode_verdict(std::string_view record);
/// Errors: corrupt_state.
Result<RequestRows> decode_rows(std::string_view record);

/// A verdict alone, as kept beyond the life of its record.
void append_verdict(std::string& out, const RequestVerdict& verdict);
/// Reads a verdict from the front of `bytes` and removes it. Errors: corrupt_state.
Result<RequestVerdict> take_verdict(std::string_view& bytes);

}  // namespace headrace
