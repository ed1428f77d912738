#include "run/input.h"

#include <algorithm>

namespace headrace {

Result<std::unique_ptr<SourcePlan>> plan_source(const SourceNode& node, const InputContext& context) {
  Result<const ConnectorSpec*> spec = find_connector(node.connector);
  if (!spec) return Error(std::move(spec).error()).with_location(node.at);
  if ((*spec)->make_source == nullptr)
    return user_error(Code::bad_config, "connector '" + node.connector + "' has no source").with_location(node.at);
  std::map<std::string, std::string> given = node.options;
  if (context.speed > 0 && given.count("mode") && given["mode"] == "replay")
    given["speed"] = std::to_string(context.speed);
  Result<Options> options = check_options("source '" + node.name + "'", (*spec)->source_fields, given);
  if (!options) return Error(std::move(options).error()).with_location(node.at);
  auto out = std::make_unique<SourcePlan>();
  out->spec = *spec;
  out->options = *std::move(options);
  SourceContext& source = out->context;
  source.name = node.name;
  source.options = &out->options;
  source.schema = delivered_schema(node);
  source.declared = std::make_shared<Schema>(node.declared);
  source.key = delivered_key(node);
  source.project_directory = context.project_directory;
  source.state_directory = context.state_directory;
  if (node.watermark) source.time_column = node.watermark->column;
  source.until_end = context.until_end;
  source.clock = context.clock;
  source.functions = context.functions;
  source.wake = context.wake;
  return out;
}

Result<Past> past_of(const SourceNode& node, const InputContext& context, const SourceCheckpoint& end) {
  HEADRACE_ASSIGN(std::unique_ptr<SourcePlan> source, plan_source(node, context));
  if (source->spec->past == nullptr)
    return Past{Past::Kept::none, "connector '" + node.connector + "' cannot read its input again"};
  source->context.end = Position{end.position};
  return source->spec->past(source->context);
}

Result<std::unique_ptr<SourceInput>> SourceInput::make(const SourceNode& node, const InputContext& context) {
  HEADRACE_ASSIGN(std::unique_ptr<SourcePlan> source, plan_source(node, context));
  if (context.until != nullptr && !node.is_static)
    if (auto until = context.until->find(node.name); until != context.until->end())
      source->context.end = Position{until->second.position};
  Result<std::unique_ptr<Source>> made = source->spec->make_source(source->context);
  if (!made) return Error(std::move(made).error()).with_location(node.at);
  return std::unique_ptr<SourceInput>(new SourceInput(node, *std::move(made)));
}

Result<> SourceInput::open(const SourceCheckpoint* from) {
  std::optional<Position> position;
  if (from != nullptr && !node_.is_static) {
    position = Position{from->position};
    for (int64_t mark : from->watermarks_ms) splits_.push_back(EventTime{mark});
    records_read_ = from->records_read;
    records_accepted_ = from->records_accepted;
    records_quarantined_ = from->records_quarantined;
  }
  Result<> opened = source_->open(position);
  if (!opened) return Error(std::move(opened).error()).with_location(node_.at);
  return {};
}

Result<> SourceInput::open_again(const SourceCheckpoint& until, bool is_there) {
  time_ends_ = until.ended;
  if (is_there) return open(nullptr);
  for (int64_t mark : until.watermarks_ms) splits_.push_back(EventTime{mark});
  ended_ = true;
  return {};
}

void SourceInput::leave_out() {
  time_ends_ = false;
  ended_ = true;
}

bool names_data(const std::string& connector, const std::string& option) {
  const Result<const ConnectorSpec*> spec = find_connector(connector);
  if (!spec.ok()) return true;
  for (const std::span<const ConfigField> fields : {(*spec)->source_fields, (*spec)->sink_fields})
    for (const ConfigField& field : fields)
      if (field.name == option && field.tunes) return false;
  return true;
}

Result<> SourceInput::poll(int64_t bytes_max, TickWork& work) {
  if (ended_) return {};
  Result<Polled> polled = source_->poll(bytes_max);
  if (!polled) return Error(std::move(polled).error()).with_location(node_.at);
  uint64_t number = 0;
  for (Morsel& morsel : polled->morsels) {
    if (morsel.split >= splits_.size()) splits_.resize(morsel.split + 1, EventTime::min());
    MorselJob job;
    job.source = node_.id;
    job.ordinal = Ordinal{(uint64_t{node_.id.value} << 32) | number++};
    job.morsel = std::move(morsel);
    work.jobs.push_back(std::move(job));
  }
  ended_ = polled->end_of_input;
  caught_up_ = polled->caught_up;
  wait_us_ = polled->wait_us;
  return {};
}

void SourceInput::stamp(TickWork& work) {
  for (MorselJob& job : work.jobs) {
    if (job.source != node_.id) continue;
    if (splits_.empty()) splits_.push_back(EventTime::min());
    EventTime& own = splits_[job.morsel.split];
    job.own_before = own;
    for (size_t split = 0; split < splits_.size(); ++split)
      if (split != job.morsel.split) job.others = std::min(job.others, splits_[split]);
    own = std::max(own, job.taken.highest);
  }
}

void SourceInput::advance_to(EventTime time) {
  if (!node_.watermark) return;
  if (splits_.empty()) splits_.push_back(EventTime::min());
  for (EventTime& split : splits_) split = std::max(split, time);
}

void SourceInput::take_back(int64_t records) {
  records_read_ -= records;
  records_quarantined_ -= records;
}

void SourceInput::account(const TickWork& work) {
  for (const MorselJob& job : work.jobs) {
    if (job.source != node_.id) continue;
    records_read_ += job.taken.records;
    records_quarantined_ += static_cast<int64_t>(job.taken.rejected.size());
    records_accepted_ += job.taken.records - static_cast<int64_t>(job.taken.rejected.size());
  }
}

EventTime SourceInput::watermark() const {
  return ended_ && time_ends_ ? EventTime::max() : reached();
}

EventTime SourceInput::reached() const {
  return splits_.empty() ? EventTime::min() : *std::min_element(splits_.begin(), splits_.end());
}

SourceCheckpoint SourceInput::checkpoint() const {
  SourceCheckpoint out;
  out.position = source_->position().text;
  for (EventTime split : splits_) out.watermarks_ms.push_back(split.ms);
  out.records_read = records_read_;
  out.records_accepted = records_accepted_;
  out.records_quarantined = records_quarantined_;
  out.ended = ended_;
  return out;
}

SourceStatus SourceInput::status() const {
  SourceStatus out;
  out.name = node_.name;
  out.connector = node_.connector;
  out.records_read = records_read_;
  out.records_accepted = records_accepted_;
  out.records_quarantined = records_quarantined_;
  out.caught_up = caught_up_;
  out.ended = ended_;
  out.lag_bytes = source_->lag_bytes();
  if (node_.watermark) out.watermark = watermark();
  return out;
}

}  // namespace headrace
