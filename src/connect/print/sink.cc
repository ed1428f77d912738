// Writes every change as a line on standard output: +I {"a":1}. A terminal cannot take lines back, so a crash between
// the checkpoint and the commit may print an epoch twice.
#include <cstdio>

#include "base/json_text.h"
#include "codec/encoder.h"
#include "connect/spec.h"

namespace headrace {
namespace {

constexpr ConfigField sink_fields[] = {
    {"prefix", FieldKind::text, "", "Text before every line, to tell several sinks apart."},
};

class PrintSink final : public Sink {
 public:
  PrintSink(std::string prefix, SchemaRef schema) : prefix_(std::move(prefix)), schema_(std::move(schema)) {}

  Result<> open(const SinkRestore&) override { return {}; }

  Result<> write(const Batch& batch) override {
    for (int64_t row = 0; row < batch.rows(); ++row) {
      for (int32_t copy = 0; copy < std::abs(batch.diff(row)); ++copy) append_line(batch, row);
    }
    return {};
  }

  Result<std::string> prepare(const CommitIdentity&) override {
    prepared_ += lines_;
    lines_.clear();
    return std::string();
  }

  Result<> commit(const CommitIdentity&, const std::string&) override {
    const bool written =
        std::fwrite(prepared_.data(), 1, prepared_.size(), stdout) == prepared_.size() && std::fflush(stdout) == 0;
    prepared_.clear();
    if (!written) return environment_error(Code::sink_unavailable, "cannot write to standard output");
    return {};
  }

 private:
  void append_line(const Batch& batch, int64_t row) {
    lines_ += prefix_;
    lines_ += batch.diff(row) > 0 ? "+I {" : "-D {";
    for (size_t column = 0; column < schema_->size(); ++column) {
      if (column > 0) lines_ += ',';
      append_json_string(lines_, (*schema_)[column].name);
      lines_ += ':';
      append_json_value(lines_, batch.chunk.data[column], row);
    }
    lines_ += "}\n";
  }

  const std::string prefix_;
  const SchemaRef schema_;
  std::string lines_, prepared_;
};

Result<std::unique_ptr<Sink>> make_sink(const SinkContext& context) {
  return std::unique_ptr<Sink>(std::make_unique<PrintSink>(context.options->text("prefix"), context.schema));
}

}  // namespace

extern const ConnectorSpec print_connector;
const ConnectorSpec print_connector{.name = "print",
                                    .summary = "Every change as a line on standard output.",
                                    .source_fields = {},
                                    .sink_fields = sink_fields,
                                    .guarantee = Guarantee::at_least_once,
                                    .make_sink = &make_sink};

}  // namespace headrace
