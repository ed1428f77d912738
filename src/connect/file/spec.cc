// The file connector's row: its options and how its source and sink are made.
#include "connect/spec.h"

#include "connect/file/parquet_sink.h"
#include "connect/file/parquet_source.h"
#include "connect/file/replay.h"
#include "connect/file/sink.h"
#include "connect/file/source.h"

namespace headrace {
namespace {

constexpr ConfigField own_source_fields[] = {
    {"path", FieldKind::text, "",
     "File to read, relative to the project; the matches of a glob are read in name order.", true},
    {"format", FieldKind::choice, "ndjson",
     "ndjson | changelog-ndjson | debezium-json | maxwell-json | canal-json | csv | parquet: how a record is written."},
    {"mode", FieldKind::choice, "bounded",
     "bounded | follow | replay: read once to the end, go on as the files grow, or play at the pace of event time. "
     "Where a run ends (--until-end) a last line counts as whole, with or without its line end: write lines whole.",
     false, true},
    {"speed", FieldKind::real, "",
     "replay: seconds of event time per second; 1 if not given, and no pacing at all with --until-end.", false, true},
    {"splits", FieldKind::choice, "one",
     "one | file: one split in name order, or one per file, each with its own watermark."},
    {"header", FieldKind::boolean, "true", "csv: the first record of each file names the columns."},
    {"delimiter", FieldKind::delimiter, ",", "csv: the character between two fields."},
    {"null", FieldKind::text, "",
     "csv: an unquoted field with this text is NULL. With one column, an empty line is an empty field; else it is "
     "skipped."},
    {"poll_wait_ms", FieldKind::duration_ms, "500", "follow: wait between two looks for new records, in milliseconds.",
     false, true},
};
constexpr auto source_fields = with_common_source_fields(own_source_fields);

constexpr ConfigField sink_fields[] = {
    {"path", FieldKind::text, "", "File to write, relative to the project.", true},
    {"format", FieldKind::choice, "ndjson", "ndjson | csv | parquet | debezium-json: how a record is written."},
    {"changes", FieldKind::choice, "append",
     "append | upsert | retract: rows only, one operation per key, or every change."},
    {"key", FieldKind::columns, "", "upsert: the key's columns, separated by commas."},
    {"op_column", FieldKind::text, "op", "upsert, retract: name of the first field, which holds the operation."},
    {"header", FieldKind::boolean, "true", "csv: the first record names the columns."},
    {"delimiter", FieldKind::delimiter, ",", "csv: the character between two fields."},
};

Result<std::unique_ptr<Source>> make_source(const SourceContext& context) {
  const bool parquet = context.options->text("format") == "parquet";
  HEADRACE_ASSIGN(std::unique_ptr<Source> files, parquet ? ParquetSource::make(context) : FileSource::make(context));
  bool paced = context.options->text("mode") == "replay" && (!context.until_end || context.options->has("speed"));
  if (context.end) {
    HEADRACE_ASSIGN(const FilePlaces end, FilePlaces::parse(context.end->text));
    paced = end.within_morsel();
  }
  return paced ? ReplaySource::make(context, std::move(files)) : std::move(files);
}

Result<std::unique_ptr<Sink>> make_sink(const SinkContext& context) {
  return context.options->text("format") == "parquet" ? ParquetSink::make(context) : FileSink::make(context);
}

Result<> check_columns(const Options& options, const Schema& schema) {
  if (options.text("format") != "parquet") return {};
  for (const Field& field : schema.fields()) HEADRACE_TRY(check_parquet_holds({field.name, field.type}));
  return {};
}

}  // namespace

extern const ConnectorSpec file_connector;
const ConnectorSpec file_connector{.name = "file",
                                   .summary = "Records in local files, read or written.",
                                   .source_fields = source_fields,
                                   .sink_fields = sink_fields,
                                   .guarantee = Guarantee::exactly_once,
                                   .bounded_by_default = true,
                                   .make_source = &make_source,
                                   .make_sink = &make_sink,
                                   .check_columns = &check_columns,
                                   .past = &past_of_files};

}  // namespace headrace
