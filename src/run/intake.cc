#include "run/intake.h"

#include <algorithm>
#include <cstdlib>

#include "base/json_text.h"
#include "codec/encoder.h"
#include "connect/spec.h"
#include "ops/times.h"

namespace headrace {
namespace {

std::string option_or(const SourceNode& node, const std::string& name, const std::string& fallback) {
  auto found = node.options.find(name);
  return found == node.options.end() || found->second.empty() ? fallback : found->second;
}

/// The rows that are not in `taken` (ascending).
std::vector<uint32_t> all_but(int64_t rows, const std::vector<uint32_t>& taken) {
  std::vector<uint32_t> out;
  size_t at = 0;
  for (uint32_t row = 0; row < rows; ++row) {
    if (at < taken.size() && taken[at] == row)
      ++at;
    else
      out.push_back(row);
  }
  return out;
}

}  // namespace

SchemaRef delivered_schema(const SourceNode& node) {
  std::vector<Field> fields;
  for (size_t column : node.delivered) fields.push_back(node.declared[column]);
  return std::make_shared<Schema>(std::move(fields));
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
  if (format == "ndjson" || format == "json" || format == "csv" || format == "changelog-ndjson") {
    DecoderConfig config;
    config.format = format;
    config.schema = delivered_schema(node);
    config.declared = std::make_shared<Schema>(node.declared);
    config.header = option_or(node, "header", "true") == "true";
    config.delimiter = option_or(node, "delimiter", ",")[0];
    config.null_text = option_or(node, "null", "");
    config.reject_extra_fields = node.reject_extra_fields;
    HEADRACE_ASSIGN(decoder, make_decoder(config));
  }
  return std::unique_ptr<Intake>(new Intake(node, context, std::move(decoder)));
}

Intake::Intake(const SourceNode& node, EvaluationContext& context, std::unique_ptr<Decoder> decoder)
    : node_(node), schema_(delivered_schema(node)), decoder_(std::move(decoder)) {
  for (const BoundExpectation& expectation : node.expectations)
    violations_.emplace_back(context, std::vector<Expr>{expectation.violation});
  if (node.watermark) watermark_.emplace(context, std::vector<Expr>{node.watermark->expression});
}

/// Gives the rows that meet the contract.
Result<Batch> Intake::apply_contract(Batch batch, const std::string& origin, std::vector<Rejected>& rejected,
                                     int64_t& dropped) {
  for (size_t i = 0; i < violations_.size() && batch.rows() > 0; ++i) {
    const BoundExpectation& expectation = node_.expectations[i];
    auto refuse = [&](uint32_t row, Code code, const std::string& reason) {
      rejected.push_back({origin, row_json(batch, row), code, reason, row});
    };
    std::vector<uint32_t> broken, failed;
    HEADRACE_TRY(violations_[i].select(batch, broken, [&](uint32_t row, const Error& reason) {
      refuse(row, reason.code, "expectation '" + expectation.name + "' could not be checked: " + reason.message);
      failed.push_back(row);
    }));
    if (broken.empty() && failed.empty()) continue;
    if (expectation.action == ExpectationAction::fail && !broken.empty())
      return user_error(Code::expectation_failed, "a row breaks expectation '" + expectation.name + "' (" +
                                                      expectation.condition + "): " + row_json(batch, broken[0]));
    if (expectation.action == ExpectationAction::warn) broken.clear();
    if (expectation.action == ExpectationAction::drop) dropped += static_cast<int64_t>(broken.size());
    if (expectation.action == ExpectationAction::quarantine)
      for (uint32_t row : broken)
        refuse(row, Code::expectation_failed,
               "breaks expectation '" + expectation.name + "': " + expectation.condition);
    broken.insert(broken.end(), failed.begin(), failed.end());
    std::sort(broken.begin(), broken.end());
    if (!broken.empty()) batch = batch.slice(all_but(batch.rows(), broken));
  }
  return batch;
}

Result<> Intake::check(std::vector<Batch>& batches, std::vector<Rejected>& rejected, int64_t& dropped) {
  for (Batch& batch : batches) {
    HEADRACE_ASSIGN(batch, apply_contract(std::move(batch), node_.name, rejected, dropped));
  }
  return {};
}

Result<> Intake::compute_watermarks(TakenIn& taken, int64_t now_us, const std::string& origin) {
  if (!watermark_) return {};
  const int64_t bound = node_.max_future_ms > 0 ? now_us / 1000 + node_.max_future_ms : INT64_MAX;
  const std::string& time_name = (*schema_)[node_.watermark->column].name;
  for (Batch& batch : taken.batches) {
    std::vector<int64_t> times;
    read_times(batch, node_.watermark->column, times);
    std::vector<uint32_t> refused;
    for (uint32_t row = 0; row < times.size(); ++row) {
      if (times[row] != no_time && times[row] <= bound) continue;
      refused.push_back(row);
      if (times[row] == no_time)
        taken.rejected.push_back(
            {origin, row_json(batch, row), Code::missing_field, "the event time '" + time_name + "' is NULL", row});
      else
        taken.rejected.push_back({origin, row_json(batch, row), Code::future_time,
                                  "the time '" + time_name + "' lies more than max_future = " +
                                      std::to_string(node_.max_future_ms) + " ms ahead of the clock",
                                  row});
    }
    if (!refused.empty()) batch = batch.slice(all_but(batch.rows(), refused));
    Batch input = batch.share();
    auto schema = std::make_shared<Schema>(std::vector<Field>{{"watermark", node_.watermark->expression.type()}});
    std::vector<uint32_t> failed;
    HEADRACE_ASSIGN(Batch result,
                    watermark_->project(input, schema, [&](uint32_t row, const Error&) { failed.push_back(row); }));
    std::vector<int64_t> marks;
    read_times(result, 0, marks);
    // A row whose watermark cannot be computed makes none.
    for (uint32_t row : failed) marks.insert(marks.begin() + row, EventTime::min().ms);
    for (int64_t mark : marks) taken.highest = std::max(taken.highest, EventTime{mark});
    taken.watermarks_ms.push_back(std::move(marks));
  }
  return {};
}

Result<TakenIn> Intake::take(Morsel& morsel, int64_t now_us) {
  TakenIn out;
  std::vector<Batch> batches;
  if (morsel.bytes) {
    if (!decoder_) return Error{Code::internal, Blame::engine, Retry::never, "bytes came from a source of rows"};
    Decoded decoded = decoder_->decode(morsel.text(), morsel.origin, morsel.first_record);
    batches = std::move(decoded.batches);
    out.rejected = std::move(decoded.rejected);
    out.records = decoded.records;
  } else {
    batches = std::move(morsel.rows);
    out.rejected = std::move(morsel.rejected);
    out.records = morsel.records_read;
  }
  for (Batch& batch : batches) {
    HEADRACE_ASSIGN(Batch kept, apply_contract(std::move(batch), morsel.origin.empty() ? node_.name : morsel.origin,
                                               out.rejected, out.dropped));
    if (kept.rows() > 0) out.batches.push_back(std::move(kept));
  }
  HEADRACE_TRY(compute_watermarks(out, now_us, morsel.origin.empty() ? node_.name : morsel.origin));
  return out;
}

}  // namespace headrace
