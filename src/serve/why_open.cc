#include "serve/why_open.h"

#include <boost/json.hpp>

#include "serve/render.h"
#include "serve/status.h"

namespace headrace {
namespace {

namespace json = boost::json;

template <class List, class Fn>
json::array array_of(const List& list, Fn one) {
  json::array out;
  for (const auto& item : list) out.push_back(one(item));
  return out;
}

json::object reason_json(const WhyOpen::Reason& reason) {
  json::object out{{"code", reason.code}, {"text", reason.text}};
  out["source"] = reason.source.empty() ? json::value(nullptr) : json::value(reason.source);
  out["split"] = reason.split ? json::value(*reason.split) : json::value(nullptr);
  return out;
}

json::object split_json(const WhyOpen::Split& split) {
  return {{"split", split.number},
          {"name", split.name},
          {"ended", split.ended},
          {"paused", split.paused},
          {"watermark_ms", time_ms(split.watermark)},
          {"rows", split.rows},
          {"latest_time_ms", time_ms(split.latest_time)},
          {"last_time_ms", time_ms(split.last_time)},
          {"last_row_us", split.rows > 0 ? json::value(split.last_us) : json::value(nullptr)}};
}

json::object source_json(const WhyOpen::Source& source) {
  return {{"name", source.name},
          {"connector", source.connector},
          {"watermark_ms", time_ms(source.watermark)},
          {"records_read", source.records_read},
          {"records_quarantined", source.records_quarantined},
          {"caught_up", source.caught_up},
          {"ended", source.ended},
          {"splits", array_of(source.splits, split_json)}};
}

/// The object with one more member, whose value is JSON text already.
std::string with_member(const json::object& object, const std::string& name, const std::string& value) {
  std::string out = json::serialize(object);
  out.pop_back();
  return out + ",\"" + name + "\":" + value + "}";
}

/// The rows that would be given now, as an array of objects.
std::string rows_text(const Schema& columns, const std::vector<Batch>& batches) {
  std::string out = "[";
  for (const Batch& batch : batches)
    for (int64_t row = 0; row < batch.rows(); ++row) {
      if (out.back() != '[') out.push_back(',');
      append_row_object(out, columns, batch.chunk, row);
    }
  return out + "]";
}

std::string part_text(const WhyOpen::Part& part, const Schema& columns) {
  return with_member({{"start_ms", time_ms(part.start)},
                      {"end_ms", time_ms(part.end)},
                      {"due_ms", time_ms(part.due)},
                      {"rows", part.rows},
                      {"results", part.results},
                      {"reasons", array_of(part.reasons, reason_json)}},
                     "now", rows_text(columns, part.now));
}

std::string operator_text(const WhyOpen::Operator& op) {
  std::string windows = "[";
  for (const WhyOpen::Part& part : op.parts)
    windows += (windows.back() == '[' ? "" : ",") + part_text(part, *op.columns);
  return with_member({{"node", std::to_string(op.node.value)},
                      {"kind", op.kind},
                      {"name", op.name},
                      {"watermark_ms", time_ms(op.watermark)},
                      {"open", op.parts_open}},
                     "windows", windows + "]");
}

}  // namespace

std::string why_open_json(const WhyOpen& why) {
  std::string operators = "[";
  for (const WhyOpen::Operator& op : why.operators)
    operators += (operators.back() == '[' ? "" : ",") + operator_text(op);
  return with_member({{"view", why.view},
                      {"window_ms", time_ms(why.window)},
                      {"tick", why.tick.value},
                      {"now_us", why.now_us},
                      {"reasons", array_of(why.reasons, reason_json)},
                      {"sources", array_of(why.sources, source_json)}},
                     "operators", operators + "]");
}

}  // namespace headrace
