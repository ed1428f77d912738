#include "app/fed_source.h"

#include <memory>

#include "base/text.h"
#include "connect/spec.h"

namespace headrace {
namespace {

class FedSource final : public Source {
 public:
  explicit FedSource(std::string name) : name_(std::move(name)) {}
  Result<> open(const std::optional<Position>& from) override {
    next_ = from ? std::stoul(from->text) : 0;
    return {};
  }
  Result<Polled> poll(int64_t) override {
    FedLog& log = fed_logs()[name_];
    Polled out;
    if (next_ < log.pieces.size()) {
      Morsel morsel;
      morsel.bytes = std::make_shared<std::string>(log.pieces[next_++]);
      morsel.origin = "feed " + name_;
      out.morsels.push_back(std::move(morsel));
    }
    out.caught_up = next_ == log.pieces.size();
    if (!out.caught_up) out.backlog = {0};
    out.end_of_input = log.ended && out.caught_up;
    return out;
  }
  Position position() const override { return {std::to_string(next_)}; }
  Result<> committed(const Position&) override { return {}; }

 private:
  std::string name_;
  size_t next_ = 0;
};

constexpr ConfigField fed_own_fields[] = {
    {"format", FieldKind::text, "ndjson", "ndjson | changelog-ndjson | debezium-json | maxwell-json | canal-json"}};
constexpr auto fed_fields = with_common_source_fields(fed_own_fields);
const ConnectorSpec fed_connector{.name = "fed",
                                  .summary = "Rows that a test feeds.",
                                  .source_fields = fed_fields,
                                  .sink_fields = {},
                                  .make_source = [](const SourceContext& context) -> Result<std::unique_ptr<Source>> {
                                    return std::unique_ptr<Source>(new FedSource(lower_case(context.name)));
                                  }};

}  // namespace

std::map<std::string, FedLog>& fed_logs() {
  static std::map<std::string, FedLog> logs;
  return logs;
}

void register_fed_connector() {
  register_connector(fed_connector);
}

}  // namespace headrace
