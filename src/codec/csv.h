// CSV records (RFC 4180) to columns.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "codec/decoder.h"

namespace headrace {

/// Errors: bad_config (a column of a type that text cannot fill).
Result<std::unique_ptr<Decoder>> make_csv_decoder(const DecoderConfig& config);

/// The fields of one record (with or without its line end), unquoted. Errors as a broken record: false.
bool split_csv_record(std::string_view record, char delimiter, std::vector<std::string>& fields);

}  // namespace headrace
