// Bytes to columns. A decoder takes whole records and gives batches; a broken record is data, not an error.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/batch.h"

namespace headrace {

/// Where a row's record stood: what is said of a row that is refused after it was decoded.
struct RecordPlace {
  int64_t line = 0;   ///< The number of its first line in the origin.
  int64_t index = 0;  ///< Its place among the records, from 0.
};

struct Decoded {
  std::vector<Batch> batches;                    ///< Rows in the order of their records; full batches but for the last.
  std::vector<std::vector<RecordPlace>> places;  ///< Beside `batches`: one per row.
  std::vector<Rejected> rejected;                ///< `index` and `origin` are filled from the record's number.
  /// What was read, blank lines not counted: each record gave its rows (one, but of formats that tell changes also none
  /// or several) or is rejected.
  int64_t records = 0;
};

/// What a decoder is made for.
struct DecoderConfig {
  std::string format;    ///< A source's format, or json (one array).
  SchemaRef schema;      ///< The columns to deliver, in order.
  SchemaRef declared;    ///< All declared columns (csv without a header: the order of fields; extra_fields).
  bool header = true;    ///< csv: the bytes of every decode() begin with the header, which gives the fields' order (the
                         ///< file source repeats it).
  char delimiter = ',';  ///< csv
  std::string null_text;  ///< csv: an unquoted field equal to this is NULL.
  /// The columns of the primary key; none: no key. With a key a record that changes a row gives the new row only, and
  /// one that removes it needs nothing but the key.
  std::vector<size_t> key;
  bool reject_extra_fields = false;  ///< A field that is not declared breaks the record.
  bool null_on_error = false;        ///< A value that does not fit its column is NULL, and does not break the record.
};

/// One per thread: keeps scratch memory between calls. Deterministic: the same bytes give the same rows.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Decodes whole records. `first_record` is the number of the first one in `origin`.
  virtual Decoded decode(std::string_view bytes, std::string_view origin, int64_t first_record) = 0;
};

/// Errors: bad_config (unknown format; a type that the format cannot hold).
Result<std::unique_ptr<Decoder>> make_decoder(const DecoderConfig& config);

}  // namespace headrace
