#include "run/intake.h"

#include <algorithm>
#include <cstdlib>

#include "base/json_text.h"
#include "codec/encoder.h"
#include "connect/spec.h"
#include "data/format.h"
#include "data/time_bounds.h"
#include "ops/failing.h"
#include "ops/times.h"

namespace headrace {
namespace {

std::string option_or(const SourceNode& node, const std::string& name, const std::string& fallback) {
  auto found = node.options.find(name);
  return found == node.options.end() || found->second.empty() ? fallback : found->second;
}

/// Why a row is refused whose event time is `time_ms`.
std::pair<Code, std::string> time_fault(const SourceNode& node, const Batch& batch, uint32_t row, int64_t time_ms) {
  const size_t column = node.watermark->column;
  const std::string& name = (*batch.schema)[column].name;
  if (time_ms == no_time) return {Code::missing_field, "the event time '" + name + "' is NULL"};
  if (!in_bounds(EventTime{time_ms}))
    return {Code::out_of_range, "the event time '" + name + "' = " + batch.chunk.GetValue(column, row).ToString() +
                                    " lies more than 250'000 years from 1970"};
  return {Code::future_time, "the time '" + name + "' lies more than max_future = " +
                                 std::to_string(node.max_future_ms) + " ms ahead of the clock"};
}

}  // namespace

SchemaRef delivered_schema(const SourceNode& node) {
  std::vector<Field> fields;
  for (size_t column : node.delivered) fields.push_back(node.declared[column]);
  return std::make_shared<Schema>(std::move(fields));
}

std::vector<size_t> delivered_key(const SourceNode& node) {
  std::vector<size_t> out;
  for (size_t column : node.primary_key)
    out.push_back(
        static_cast<size_t>(std::find(node.delivered.begin(), node.delivered.end(), column) - node.delivered.begin()));
  return out;
}

std::string row_json(const Batch& batch, int64_t row) {
  std::string out = "{";
  for (size_t column = 0; column < batch.schema->size(); ++column) {
    if (column) out += ",";
    append_json_string(out, (*batch.schema)[column].name);
    out += ":";
    append_json_value(out, batch.chunk.data[column], row);
  }
  return out + "}";
}

Result<std::unique_ptr<Intake>> Intake::make(const SourceNode& node, EvaluationContext& context) {
  const std::string format = option_or(node, "format", "ndjson");
  std::unique_ptr<Decoder> decoder;
  if (format == "ndjson" || format == "json" || format == "csv" || tells_changes(format)) {
    DecoderConfig config;
    config.format = format;
    config.schema = delivered_schema(node);
    config.declared = std::make_shared<Schema>(node.declared);
    config.key = delivered_key(node);
    config.header = option_or(node, "header", "true") == "true";
    config.delimiter = option_or(node, "delimiter", ",")[0];
    config.null_text = option_or(node, "null", "");
    config.reject_extra_fields = node.reject_extra_fields;
    config.null_on_error = node.on_error == OnError::null;
    HEADRACE_ASSIGN(decoder, make_decoder(config));
  }
  return std::unique_ptr<Intake>(new Intake(node, context, std::move(decoder)));
}

Intake::Intake(const SourceNode& node, EvaluationContext& context, std::unique_ptr<Decoder> decoder)
    : node_(node), schema_(delivered_schema(node)), decoder_(std::move(decoder)) {
  for (const BoundExpectation& expectation : node.expectations)
    violations_.emplace_back(context, std::vector<Expr>{expectation.violation}, failing_of(node));
  if (node.watermark) watermark_.emplace(context, std::vector<Expr>{node.watermark->expression});
}

/// A row that goes meets the verdict of its coming, which was told then.
void Intake::Rows::refuse(uint32_t row, Code code, const std::string& reason) const {
  if (batch.diff(row) < 0) return;
  Rejected out{origin, row_json(batch, row), code, reason, row};
  if (!places.empty()) {
    out.origin += ":" + std::to_string(places[row].line);
    out.index = places[row].index;
  }
  rejected.push_back(std::move(out));
}

void Intake::Rows::drop(const std::vector<uint32_t>& gone) {
  if (gone.empty()) return;
  const std::vector<uint32_t> kept = all_but(static_cast<size_t>(batch.rows()), gone);
  batch = batch.slice(kept);
  if (places.empty()) return;
  for (size_t i = 0; i < kept.size(); ++i) places[i] = places[kept[i]];
  places.resize(kept.size());
}

/// Leaves the rows that meet the contract.
Result<> Intake::apply_contract(Rows& rows, int64_t& dropped) {
  for (size_t i = 0; i < violations_.size() && rows.batch.rows() > 0; ++i) {
    const BoundExpectation& expectation = node_.expectations[i];
    // What goes by its key is not looked into.
    const bool keyed = !node_.primary_key.empty();
    auto comes = [&](uint32_t row) { return rows.batch.diff(row) > 0; };
    std::vector<uint32_t> broken, failed;
    HEADRACE_TRY(violations_[i].select(rows.batch, broken, [&](uint32_t row, const Error& reason) {
      if (keyed && !comes(row)) return;
      rows.refuse(row, reason.code, "expectation '" + expectation.name + "' could not be checked: " + reason.message);
      failed.push_back(row);
    }));
    if (keyed) std::erase_if(broken, [&](uint32_t row) { return !comes(row); });
    if (broken.empty() && failed.empty()) continue;
    if (expectation.action == ExpectationAction::fail && !broken.empty())
      return user_error(Code::expectation_failed, "a row breaks expectation '" + expectation.name + "' (" +
                                                      expectation.condition + "): " + row_json(rows.batch, broken[0]));
    if (expectation.action == ExpectationAction::warn) broken.clear();
    if (expectation.action == ExpectationAction::drop) dropped += std::count_if(broken.begin(), broken.end(), comes);
    if (expectation.action == ExpectationAction::quarantine)
      for (uint32_t row : broken)
        rows.refuse(row, Code::expectation_failed,
                    "breaks expectation '" + expectation.name + "': " + expectation.condition);
    broken.insert(broken.end(), failed.begin(), failed.end());
    std::sort(broken.begin(), broken.end());
    rows.drop(broken);
  }
  return {};
}

/// Leaves the rows that have an event time, and one that can be reckoned with and that max_future allows.
void Intake::judge_times(Rows& rows, int64_t now_us) const {
  if (!node_.watermark) return;
  int64_t bound = event_time_ms_max;
  if (node_.max_future_ms > 0) bound = std::min(bound, now_us / 1000 + node_.max_future_ms);
  std::vector<int64_t> times;
  read_times(rows.batch, node_.watermark->column, times);
  std::vector<uint32_t> refused;
  for (uint32_t row = 0; row < times.size(); ++row) {
    if (times[row] >= -event_time_ms_max && times[row] <= bound) continue;
    // What goes by its key needs no time, and makes no watermark.
    if (times[row] == no_time && rows.batch.diff(row) < 0 && !node_.primary_key.empty()) continue;
    refused.push_back(row);
    const auto [code, reason] = time_fault(node_, rows.batch, row, times[row]);
    rows.refuse(row, code, reason);
  }
  rows.drop(refused);
}

void Intake::note_times(const Batch& batch, TakenIn& taken) const {
  std::vector<int64_t> times;
  read_times(batch, node_.watermark->column, times);
  for (int64_t time : times) {
    if (time == no_time) continue;
    taken.latest_time = std::max(taken.latest_time.value_or(EventTime{time}), EventTime{time});
    taken.last_time = EventTime{time};
  }
}

Result<> Intake::compute_watermarks(TakenIn& taken) {
  if (!watermark_) return {};
  auto schema = std::make_shared<Schema>(std::vector<Field>{{"watermark", node_.watermark->expression.type()}});
  for (Batch& batch : taken.batches) {
    Batch input = batch.share();
    std::vector<uint32_t> failed;
    HEADRACE_ASSIGN(Batch result,
                    watermark_->project(input, schema, [&](uint32_t row, const Error&) { failed.push_back(row); }));
    std::vector<int64_t> marks;
    read_times(result, 0, marks);
    // A row whose watermark cannot be computed makes none.
    for (uint32_t row : failed) marks.insert(marks.begin() + row, EventTime::min().ms);
    note_times(batch, taken);
    for (int64_t mark : marks) taken.highest = std::max(taken.highest, EventTime{mark});
    taken.watermarks_ms.push_back(std::move(marks));
  }
  return {};
}

Result<> Intake::check(Decoded& decoded, int64_t now_us) {
  int64_t dropped = 0;
  for (size_t i = 0; i < decoded.batches.size(); ++i) {
    Rows rows{std::move(decoded.batches[i]), std::move(decoded.places[i]), node_.name, decoded.rejected};
    HEADRACE_TRY(apply_contract(rows, dropped));
    judge_times(rows, now_us);
    decoded.batches[i] = std::move(rows.batch);
    decoded.places[i] = std::move(rows.places);
  }
  return {};
}

Result<TakenIn> Intake::take(Morsel& morsel, int64_t now_us) {
  TakenIn out;
  Decoded decoded;
  if (morsel.bytes) {
    if (!decoder_) return Error{Code::internal, Blame::engine, Retry::never, "bytes came from a source of rows"};
    decoded = decoder_->decode(morsel.text(), morsel.origin, morsel.first_record);
  } else {
    decoded.batches = std::move(morsel.rows);
    decoded.rejected = std::move(morsel.rejected);
    decoded.places = std::move(morsel.places);
    decoded.records = morsel.records_read;
  }
  out.rejected = std::move(decoded.rejected);
  out.records = decoded.records;
  const std::string& origin = morsel.origin.empty() ? node_.name : morsel.origin;
  decoded.places.resize(decoded.batches.size());
  for (size_t i = 0; i < decoded.batches.size(); ++i) {
    Rows rows{std::move(decoded.batches[i]), std::move(decoded.places[i]), origin, out.rejected};
    HEADRACE_TRY(apply_contract(rows, out.dropped));
    judge_times(rows, now_us);
    if (rows.batch.rows() > 0) out.batches.push_back(std::move(rows.batch));
  }
  HEADRACE_TRY(compute_watermarks(out));
  return out;
}

}  // namespace headrace
