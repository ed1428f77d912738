#include "codec/changelog.h"

#include "codec/canal.h"
#include "codec/debezium.h"
#include "codec/json_record.h"
#include "codec/maxwell.h"
#include "codec/records.h"

namespace headrace {
namespace {

/// A row a line, with what it is in a field "_op".
class ChangelogNdjsonDecoder final : public Decoder {
 public:
  explicit ChangelogNdjsonDecoder(const DecoderConfig& config)
      : keyed_(!config.key.empty()), reader_(config, JsonScalars::strict, true), rows_(config.schema) {}

  Decoded decode(std::string_view bytes, std::string_view origin, int64_t first_record) override {
    rows_.begin(origin);
    const char* const end = bytes.data() + bytes.size();
    const bool utf8 = simdjson::validate_utf8(bytes.data(), bytes.size());
    for_each_line(bytes, first_record, [&](std::string_view record, int64_t line) {
      const PaddedRecord padded(record, end, copy_);
      if (!reader_.read(padded.text, padded.readable, utf8, rows_))
        return rows_.reject_record(record, reader_.fault().code, std::move(reader_.fault().reason), line);
      const Operation operation = reader_.operation();
      const bool comes = operation == Operation::insert || operation == Operation::update_after;
      if (keyed_ && operation == Operation::update_before)
        rows_.drop_row();
      else
        rows_.add_row(comes ? 1 : -1, line);
      rows_.end_record();
    });
    return rows_.finish();
  }

 private:
  const bool keyed_;
  JsonRecordReader reader_;
  RowWriter rows_;
  std::string copy_;
};

/// What Debezium writes for a large value that an update left as it was.
constexpr std::string_view unavailable = "__debezium_unavailable_value";

/// An envelope a line.
class EnvelopeDecoder final : public Decoder {
 public:
  EnvelopeDecoder(const DecoderConfig& config, std::unique_ptr<Envelope> envelope, JsonScalars scalars)
      : keyed_(!config.key.empty()),
        envelope_(std::move(envelope)),
        schema_(config.schema),
        reader_(config, scalars, false),
        rows_(config.schema) {}

  Decoded decode(std::string_view bytes, std::string_view origin, int64_t first_record) override {
    rows_.begin(origin);
    const char* const end = bytes.data() + bytes.size();
    utf8_ = simdjson::validate_utf8(bytes.data(), bytes.size());
    for_each_line(bytes, first_record, [&](std::string_view record, int64_t line) {
      const PaddedRecord padded(record, end, copy_);
      readable_end_ = padded.text.data() + padded.readable;
      line_ = line;
      changes_.clear();
      fault_ = ValueFault{};
      bool whole = envelope_->read(padded.text, padded.readable, changes_, fault_);
      for (size_t i = 0; whole && i < changes_.size(); ++i) whole = write(changes_[i]);
      if (whole)
        rows_.end_record();
      else
        rows_.reject_record(record, fault_.code, std::move(fault_.reason), line);
    });
    return rows_.finish();
  }

 private:
  size_t readable(std::string_view text) const { return static_cast<size_t>(readable_end_ - text.data()); }

  bool write(const RowChange& change) {
    if (change.kind == RowChange::Kind::remove)
      return add(reader_.read_removed(change.row, readable(change.row), rows_), -1);
    if (change.kind == RowChange::Kind::update && !write_before(change)) return false;
    const bool read = reader_.read(change.row, readable(change.row), utf8_, rows_);
    if (read && change.row.find(unavailable) != std::string_view::npos && !all_available()) return false;
    return add(read, 1);
  }

  /// False when the row has a text that the database did not log, as it did not change.
  bool all_available() {
    for (size_t column = 0; column < schema_->size(); ++column) {
      if ((*schema_)[column].type.id() != LogicalTypeId::VARCHAR) continue;
      const auto cell = duckdb::FlatVector::GetData<duckdb::string_t>(rows_.vector(column))[rows_.row()];
      if (duckdb::FlatVector::IsNull(rows_.vector(column), static_cast<duckdb::idx_t>(rows_.row()))) continue;
      if (std::string_view(cell.GetData(), cell.GetSize()) != unavailable) continue;
      fault_ = {Code::unsupported_change, "field \"" + (*schema_)[column].name +
                                              "\" was not logged, as it did not change; set REPLICA IDENTITY FULL"};
      return false;
    }
    return true;
  }

  /// The old row of an update, where it is needed.
  bool write_before(const RowChange& change) {
    const size_t bytes = readable(change.row);
    if (keyed_) {
      const bool moves =
          change.only_changed && !change.before.empty() && reader_.names_key(change.before, readable(change.before));
      return !moves || add(reader_.read_before(change.row, change.before, bytes, rows_), -1);
    }
    if (change.before.empty()) {
      fault_ = {Code::unsupported_change,
                "an update without its old row; have the database log it (REPLICA IDENTITY FULL), or declare a PRIMARY "
                "KEY"};
      return false;
    }
    if (change.only_changed) return add(reader_.read_before(change.row, change.before, bytes, rows_), -1);
    return add(reader_.read(change.before, readable(change.before), utf8_, rows_), -1);
  }

  bool add(bool read, int32_t diff) {
    if (read)
      rows_.add_row(diff, line_);
    else
      fault_ = std::move(reader_.fault());
    return read;
  }

  const bool keyed_;
  const std::unique_ptr<Envelope> envelope_;
  const SchemaRef schema_;
  JsonRecordReader reader_;
  RowWriter rows_;
  std::vector<RowChange> changes_;
  std::string copy_;
  const char* readable_end_ = nullptr;  ///< Of the record that is being read.
  int64_t line_ = 0;                    ///< The same.
  bool utf8_ = false;
  ValueFault fault_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_changelog_decoder(const DecoderConfig& config) {
  HEADRACE_TRY(check_json_columns(config));
  if (config.format == "changelog-ndjson")
    return std::unique_ptr<Decoder>(std::make_unique<ChangelogNdjsonDecoder>(config));
  std::unique_ptr<Envelope> envelope;
  JsonScalars scalars = JsonScalars::loose;
  if (config.format == "debezium-json") {
    envelope = std::make_unique<DebeziumEnvelope>();
    scalars = JsonScalars::strict;
  } else if (config.format == "maxwell-json") {
    envelope = std::make_unique<MaxwellEnvelope>();
  } else {
    envelope = std::make_unique<CanalEnvelope>();
  }
  return std::unique_ptr<Decoder>(std::make_unique<EnvelopeDecoder>(config, std::move(envelope), scalars));
}

}  // namespace headrace
