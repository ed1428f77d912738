// Reads a source to its end as the engine does: poll, decode, and remember what came.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "connect/spec.h"

namespace headrace {

inline SchemaRef schema_of(std::vector<Field> fields) {
  return std::make_shared<const Schema>(std::move(fields));
}

/// A folder of a test's own, gone at its end.
class TestFolder {
 public:
  TestFolder() {
    char text[] = "/tmp/headrace_connect_XXXXXX";
    path_ = ::mkdtemp(text);
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  void write(const std::string& name, std::string_view bytes, bool append = false) const {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    std::ofstream file(path_ + "/" + name, append ? std::ios::app | std::ios::binary : std::ios::binary);
    file << bytes;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path_ + "/" + name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

 private:
  std::string path_;
};

struct SourceReader {
  SchemaRef schema;
  std::map<std::string, std::string> options;
  std::string directory;
  bool until_end = false;
  std::optional<size_t> time_column = {};
  const Clock* clock = &system_clock();
  std::function<void()> wake = {};

  std::unique_ptr<Source> source = {};
  std::string rows = {};      ///< As NDJSON.
  std::string rejected = {};  ///< "origin code\n" each.
  int64_t records = 0;
  std::unique_ptr<Decoder> decoder = {};
  std::unique_ptr<Encoder> encoder = {};

  Result<> open(const std::string& connector, const std::optional<Position>& from = {}) {
    HEADRACE_ASSIGN(const ConnectorSpec* spec, find_connector(connector));
    HEADRACE_ASSIGN(Options checked, check_options("source t", spec->source_fields, options));
    SourceContext context;
    context.name = "t";
    context.options = &checked;
    context.schema = context.declared = schema;
    context.project_directory = directory;
    context.state_directory = directory + "/.state";
    context.time_column = time_column;
    context.until_end = until_end;
    context.clock = clock;
    context.wake = wake;
    HEADRACE_ASSIGN(source, spec->make_source(context));
    DecoderConfig config;
    config.format = checked.text("format").empty() ? "ndjson" : checked.text("format");
    config.schema = config.declared = schema;
    config.header = checked.boolean("header");
    config.delimiter = checked.text("delimiter").empty() ? ',' : checked.text("delimiter")[0];
    config.null_text = checked.text("null");
    if (auto made = make_decoder(config); made.ok()) decoder = std::move(made).value();
    EncoderConfig encoding;
    encoding.schema = schema;
    HEADRACE_ASSIGN(encoder, make_encoder(encoding));
    return source->open(from);
  }

  void take(const Morsel& morsel) {
    if (morsel.bytes) {
      take(decoder->decode(morsel.text(), morsel.origin, morsel.first_record));
    } else {
      for (const Batch& batch : morsel.rows) encoder->encode(batch, rows);
      for (const Rejected& r : morsel.rejected) refuse(r);
      records += morsel.records_read;
    }
  }
  void take(const Decoded& decoded) {
    for (const Batch& batch : decoded.batches) encoder->encode(batch, rows);
    for (const Rejected& r : decoded.rejected) refuse(r);
    records += decoded.records;
  }
  void refuse(const Rejected& r) { rejected += r.origin + " " + std::to_string(static_cast<int>(r.code)) + "\n"; }

  /// One poll.
  Result<Polled> poll(int64_t bytes_max = 1 << 20) {
    HEADRACE_ASSIGN(Polled polled, source->poll(bytes_max));
    for (const Morsel& morsel : polled.morsels) take(morsel);
    return polled;
  }
  /// Polls until the end of input.
  Result<> finish(int64_t bytes_max = 1 << 20) {
    while (true) {
      HEADRACE_ASSIGN(const Polled polled, poll(bytes_max));
      if (polled.end_of_input) return {};
    }
  }
};

}  // namespace headrace
