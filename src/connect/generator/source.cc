// Synthetic rows: the same seed gives the same rows, whenever and in whatever portions they are asked for.
#include <fmt/format.h>

#include <algorithm>

#include "connect/generator/column.h"
#include "connect/spec.h"

namespace headrace {
namespace {

constexpr ConfigField own_source_fields[] = {
    {"rows", FieldKind::integer, "", "Rows to make; without it rows come for ever."},
    {"rows_per_second", FieldKind::real, "0", "Pace by the wall clock; 0 = as fast as they are taken.", false, true},
    {"seed", FieldKind::integer, "1", "Another seed gives other rows."},
    {"column.*", FieldKind::text, "",
     "How a column's values are made: sequence(start, step), uniform(low, high), normal(mean, deviation), choice(a, b, "
     "...), step(start, interval)."},
};
constexpr auto source_fields = with_common_source_fields(own_source_fields);

/// What a row is taken to weigh when a poll asks for bytes.
constexpr int64_t row_bytes = 64;

class GeneratorSource final : public Source {
 public:
  static Result<std::unique_ptr<Source>> make(const SourceContext& context) {
    auto source = std::unique_ptr<GeneratorSource>(new GeneratorSource(context));
    if (context.end) {
      int64_t rows = 0;
      HEADRACE_TRY(read_position(*context.end, rows));
      source->rows_ = rows;
    }
    if (context.until_end && !source->rows_) {
      return user_error(Code::bad_config, fmt::format("generator source {} has no end", context.name))
          .with_remedy("give it rows = '1000'");
    }
    for (const auto& [key, value] : context.options->values()) {
      if (key.starts_with("column.") && !context.declared->find(key.substr(7))) {
        return user_error(Code::bad_config, fmt::format("generator source {} has no column '{}'; its columns are ({})",
                                                        context.name, key.substr(7), context.declared->text()));
      }
    }
    const uint64_t seed = static_cast<uint64_t>(context.options->integer("seed"));
    for (const Field& field : context.schema->fields()) {
      std::string rule;
      for (const auto& [key, value] : context.options->values()) {
        if (key.starts_with("column.") && same_name(key.substr(7), field.name)) rule = value;
      }
      // By its place among the declared columns, so that a projection does not change the values.
      const uint64_t place = *context.declared->find(field.name) + 1;
      HEADRACE_ASSIGN(GeneratedColumn column,
                      GeneratedColumn::make(field, (seed << 32) * 0x9E3779B1 + (place << 56), rule));
      source->columns_.push_back(std::move(column));
    }
    return std::unique_ptr<Source>(std::move(source));
  }

  Result<> open(const std::optional<Position>& from) override {
    if (from) HEADRACE_TRY(read_position(*from, next_));
    opened_at_ = next_;
    opened_ns_ = clock_->steady_ns();
    return {};
  }

  Result<Polled> poll(int64_t bytes_max) override {
    Polled polled;
    const int64_t room = std::max<int64_t>(bytes_max / row_bytes, 1);
    int64_t wanted = room;
    if (rows_) wanted = std::min(wanted, *rows_ - next_);
    if (rows_per_second_ > 0) wanted = std::min(wanted, due() - next_);
    Morsel morsel;
    for (int64_t left = wanted; left > 0; left -= morsel.rows.back().rows()) {
      HEADRACE_ASSIGN(Batch batch, next_batch(std::min(left, rows_per_batch)));
      morsel.rows.push_back(std::move(batch));
    }
    if (wanted > 0) {
      morsel.records_read = wanted;
      polled.morsels.push_back(std::move(morsel));
    }
    polled.end_of_input = rows_ && next_ >= *rows_;
    polled.caught_up = polled.end_of_input || rows_per_second_ > 0;
    if (wanted == room && !polled.end_of_input) polled.backlog = {0};
    if (rows_per_second_ > 0)
      polled.wait_us = std::clamp<int64_t>(static_cast<int64_t>(1e6 / rows_per_second_), 1'000, 100'000);
    return polled;
  }

  Position position() const override { return {fmt::format("{}", next_)}; }
  Result<> committed(const Position&) override { return {}; }

 private:
  explicit GeneratorSource(const SourceContext& context)
      : schema_(context.schema),
        rows_per_second_(context.end ? 0 : context.options->real("rows_per_second")),
        clock_(context.clock) {
    if (context.options->has("rows")) rows_ = context.options->integer("rows");
  }

  static Result<> read_position(const Position& position, int64_t& rows) {
    if (parse_int64(position.text, rows) == Parse::ok) return {};
    return Error{Code::corrupt_state, Blame::environment, Retry::never,
                 "not a position of a generator: " + position.text};
  }

  /// Rows that should have come by now.
  int64_t due() const {
    return opened_at_ +
           static_cast<int64_t>(static_cast<double>(clock_->steady_ns() - opened_ns_) * 1e-9 * rows_per_second_);
  }

  Result<Batch> next_batch(int64_t rows) {
    Batch batch = Batch::make(schema_);
    for (size_t column = 0; column < columns_.size(); ++column)
      HEADRACE_TRY(columns_[column].fill(batch.chunk.data[column], next_, rows));
    batch.chunk.SetCardinality(static_cast<duckdb::idx_t>(rows));
    next_ += rows;
    return batch;
  }

  const SchemaRef schema_;
  const double rows_per_second_;
  const Clock* clock_;
  std::optional<int64_t> rows_;
  std::vector<GeneratedColumn> columns_;
  int64_t next_ = 0, opened_at_ = 0, opened_ns_ = 0;
};

}  // namespace

extern const ConnectorSpec generator_connector;
const ConnectorSpec generator_connector{.name = "generator",
                                        .summary = "Synthetic rows, the same for the same seed.",
                                        .source_fields = source_fields,
                                        .sink_fields = {},
                                        .make_source = &GeneratorSource::make,
                                        .past = [](const SourceContext&) -> Result<Past> {
                                          return Past{Past::Kept::all, ""};
                                        }};

}  // namespace headrace
