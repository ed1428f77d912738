#include "run/input.h"

#include <fmt/format.h>

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
  // The contract may say so as well. A Parquet file is read by its columns: there is nothing to say of others.
  if (node.reject_extra_fields && !(given.count("format") && given["format"] == "parquet"))
    given["extra_fields"] = "quarantine";
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
    take_splits(*from);
    records_read_ = from->records_read;
    records_accepted_ = from->records_accepted;
    records_quarantined_ = from->records_quarantined;
  }
  Result<> opened = source_->open(position);
  if (!opened) return Error(std::move(opened).error()).with_location(node_.at);
  number_splits();
  return {};
}

void SourceInput::take_splits(const SourceCheckpoint& from) {
  for (const SplitCheckpoint& split : from.splits) {
    splits_.emplace_back().name = split.name;
    splits_.back().watermark = split.watermark;
    splits_.back().ended = split.ended;
  }
}

/// The source's numbers may be others than they were before a restart: splits are known by their names.
void SourceInput::number_splits() {
  std::vector<Split> numbered;
  for (uint32_t number = 0; number < source_->splits(); ++number) {
    const std::string name = source_->split_name(number);
    const auto known =
        std::find_if(splits_.begin(), splits_.end(), [&](const Split& split) { return split.name == name; });
    numbered.push_back(known == splits_.end() ? later_split(number) : *known);
  }
  splits_ = std::move(numbered);
}

void SourceInput::find_splits() {
  std::vector<Split> found;
  for (auto number = static_cast<uint32_t>(splits_.size()); number < source_->splits(); ++number)
    found.push_back(later_split(number));
  splits_.insert(splits_.end(), found.begin(), found.end());
}

/// A split that shows up later begins where the others are: time does not go back.
SourceInput::Split SourceInput::later_split(uint32_t number) const {
  Split out;
  out.name = source_->split_name(number);
  out.watermark = reached();
  return out;
}

Result<> SourceInput::open_again(const SourceCheckpoint& until, bool is_there) {
  time_ends_ = until.ended;
  if (is_there) return open(nullptr);
  take_splits(until);
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

void SourceInput::pause_ahead_of(EventTime limit) {
  std::vector<bool> ahead;
  bool any = false, all = true;
  for (Split& split : splits_) {
    split.paused = !ended_ && !split.ended && split.watermark > limit;
    ahead.push_back(split.paused);
    any = any || split.paused;
    all = all && (split.paused || split.ended);
  }
  paused_ = any && all;
  if (paused_ || splits_.size() == 1 || source_->pause(ahead)) return;
  for (Split& split : splits_) split.paused = false;
}

int64_t SourceInput::splits_paused() const {
  return std::count_if(splits_.begin(), splits_.end(), [](const Split& split) { return split.paused; });
}

std::string SourceInput::title(uint32_t split) const {
  const std::string source = "source " + node_.name;
  if (splits_.size() == 1) return source;
  const std::string& name = splits_[split].name;
  return fmt::format("split {} of {}{}", split, source, name.empty() ? "" : " (" + name + ")");
}

Result<> SourceInput::poll(int64_t bytes_max, TickWork& work) {
  if (ended_ || paused_) return {};
  Result<Polled> polled = source_->poll(bytes_max);
  if (!polled) return Error(std::move(polled).error()).with_location(node_.at);
  find_splits();
  for (Split& split : splits_) split.backlog = false;
  for (const uint32_t split : polled->backlog) splits_[split].backlog = true;
  uint64_t number = 0;
  for (Morsel& morsel : polled->morsels) {
    MorselJob job;
    job.source = node_.id;
    job.ordinal = ordinal_of(node_.id, number++);
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
    Split& own = splits_[job.morsel.split];
    job.own_before = own.watermark;
    for (const Split& split : splits_)
      if (&split != &own && !split.ended) job.others = std::min(job.others, split.watermark);
    own.watermark = std::max(own.watermark, job.taken.highest);
    own.ended = own.ended || job.morsel.ends_split;
    if (!job.taken.last_time) continue;
    for (const Batch& batch : job.taken.batches) own.rows += batch.rows();
    own.latest_time = std::max(own.latest_time, job.taken.latest_time);
    own.last_time = job.taken.last_time;
    own.last_us = work.info.now_us;
  }
}

void SourceInput::advance_to(EventTime time) {
  if (!node_.watermark) return;
  for (Split& split : splits_) split.watermark = std::max(split.watermark, time);
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
  EventTime low = EventTime::max(), high = EventTime::min();
  for (const Split& split : splits_) {
    high = std::max(high, split.watermark);
    if (!split.ended) low = std::min(low, split.watermark);
  }
  return low == EventTime::max() ? high : low;
}

SourceCheckpoint SourceInput::checkpoint() const {
  SourceCheckpoint out;
  out.position = source_->position().text;
  for (const Split& split : splits_) out.splits.push_back({split.name, split.watermark, split.ended});
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
  out.splits_paused = splits_paused();
  out.lag_bytes = source_->lag_bytes();
  if (node_.watermark) out.watermark = watermark();
  return out;
}

}  // namespace headrace
