// Takes everything and keeps nothing: for measuring a pipeline without its output.
#include "connect/spec.h"

namespace headrace {
namespace {

constexpr ConfigField sink_fields[] = {
    {"changes", FieldKind::choice, "retract",
     "append | upsert | retract: accepted for the sake of other sinks' options; all are taken."},
};

class BlackholeSink final : public Sink {
 public:
  Result<> open(const SinkRestore&) override { return {}; }
  Result<> write(const Batch&) override { return {}; }
  Result<std::string> prepare(const CommitIdentity&) override { return std::string(); }
  Result<> commit(const CommitIdentity&, const std::string&) override { return {}; }
};

Result<std::unique_ptr<Sink>> make_sink(const SinkContext&) {
  return std::unique_ptr<Sink>(std::make_unique<BlackholeSink>());
}

}  // namespace

extern const ConnectorSpec blackhole_connector;
const ConnectorSpec blackhole_connector{.name = "blackhole",
                                        .summary = "Takes every row and keeps none.",
                                        .source_fields = {},
                                        .sink_fields = sink_fields,
                                        .make_sink = &make_sink};

}  // namespace headrace
