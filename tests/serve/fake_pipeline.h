// A pipeline for tests of the doors: views that the test publishes, an admission that the test decides about. A test
// double because the faults and instants of these tests cannot be had from a real engine on demand; the Python tests
// run the real one.
#pragma once

#include <algorithm>
#include <functional>
#include <mutex>

#include "run/pipeline.h"

namespace headrace {

/// A snapshot over batches.
class BatchSnapshot final : public ViewSnapshot {
 public:
  BatchSnapshot(SchemaRef schema, std::vector<Batch> batches)
      : schema_(std::move(schema)), batches_(std::move(batches)) {}
  const SchemaRef& schema() const override { return schema_; }
  int64_t rows() const override {
    int64_t out = 0;
    for (const Batch& batch : batches_) out += batch.rows();
    return out;
  }
  size_t blocks() const override { return batches_.size(); }
  void scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const override {
    auto& chunk = const_cast<DataChunk&>(batches_[block].chunk);
    for (size_t i = 0; i < columns.size(); ++i) out.data[i].Reference(chunk.data[columns[i]]);
    out.SetCardinality(chunk.size());
  }

 private:
  SchemaRef schema_;
  std::vector<Batch> batches_;
};

class FakePipeline final : public Pipeline {
 public:
  FakePipeline() : published_(std::make_shared<Published>()) {}

  void add_view(ViewInfo view) { views_.push_back(std::move(view)); }
  void add_source(SourceInfo source) { sources_.push_back(std::move(source)); }

  /// Shows `batches` as the whole of `view` at the next tick, and sends `changes` to its subscribers.
  void publish(const std::string& view, std::vector<Batch> batches, std::vector<std::shared_ptr<const Batch>> changes) {
    std::vector<std::function<void(const ViewChanges&)>> receivers;
    ViewChanges sent;
    {
      std::lock_guard lock(mutex_);
      auto next = std::make_shared<Published>(*published_);
      ++next->tick.value;
      next->durable_tick = Tick{next->tick.value - 1};
      next->views[view] = std::make_shared<BatchSnapshot>(view_schema(view), std::move(batches));
      published_ = next;
      sent.tick = next->tick;
      sent.durable_tick = next->durable_tick;
      sent.batches = std::move(changes);
      for (auto& [id, subscriber] : subscribers_)
        if (subscriber.first == view) receivers.push_back(subscriber.second);
    }
    for (auto& receiver : receivers) receiver(sent);
  }
  size_t subscribers() const {
    std::lock_guard lock(mutex_);
    return subscribers_.size();
  }

  std::function<Result<Admitted>(const std::string&, std::string_view, const std::string&, const std::string&)>
      on_admit;
  PipelineStatus status_now;
  std::vector<QuarantineRow> quarantine_rows;
  std::vector<ReplayRequest> replays;
  std::vector<AlertRow> alert_rows;

  Result<> start() override { return {}; }
  Result<> stop() override { return {}; }
  Result<> wait() override { return {}; }
  PipelineStatus status() const override {
    std::lock_guard lock(mutex_);
    return status_now;
  }
  void set_status(const std::function<void(PipelineStatus&)>& change) {
    std::lock_guard lock(mutex_);
    change(status_now);
  }
  std::string plan_json() const override { return R"({"nodes":[]})"; }
  std::string summary() const override { return ""; }
  const std::vector<ViewInfo>& views() const override { return views_; }
  const std::vector<SourceInfo>& sources() const override { return sources_; }
  std::shared_ptr<const Published> published() const override {
    std::lock_guard lock(mutex_);
    return published_;
  }
  Result<std::shared_ptr<void>> subscribe(const std::string& name, std::optional<Tick> since,
                                          std::function<void(const ViewChanges&)> on_changes) override {
    std::string view = name;
    for (char& c : view) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    ViewChanges first;
    int64_t id;
    {
      std::lock_guard lock(mutex_);
      first.tick = published_->tick;
      first.durable_tick = published_->durable_tick;
      first.whole = !since;
      auto found = published_->views.find(view);
      if (!since && found != published_->views.end()) {
        const ViewSnapshot& snapshot = *found->second;
        for (size_t block = 0; block < snapshot.blocks(); ++block) {
          Batch batch = Batch::make(snapshot.schema());
          std::vector<size_t> columns;
          for (size_t i = 0; i < snapshot.schema()->size(); ++i) columns.push_back(i);
          snapshot.scan(block, columns, batch.chunk);
          first.batches.push_back(std::make_shared<const Batch>(std::move(batch)));
        }
      }
      id = ++last_id_;
      subscribers_[id] = {view, on_changes};
    }
    if (!since) on_changes(first);
    return std::shared_ptr<void>(this, [id](FakePipeline* self) {
      std::lock_guard lock(self->mutex_);
      self->subscribers_.erase(id);
    });
  }
  Result<Admitted> admit(const std::string& source, std::string_view body, const std::string& format,
                         const std::string& key) override {
    return on_admit(source, body, format, key);
  }
  Result<WhyOpen> why_open(const std::string& view, const std::string&) override {
    WhyOpen out;
    out.view = view;
    out.reasons.push_back({"not_held", "nothing waits"});
    return out;
  }
  std::vector<QuarantineRow> quarantine(int64_t after_id, int64_t rows_max) const override {
    std::vector<QuarantineRow> out;
    for (const QuarantineRow& row : quarantine_rows)
      if (row.id > after_id && static_cast<int64_t>(out.size()) < rows_max) out.push_back(row);
    return out;
  }
  Result<Replayed> replay(const ReplayRequest& request) override {
    replays.push_back(request);
    return Replayed{1, {{9, "it was put back already"}}, Tick{4}};
  }
  Result<std::vector<std::string>> reload_functions() override { return std::vector<std::string>{"risk"}; }
  std::vector<AlertRow> alerts() const override { return alert_rows; }
  std::vector<AlertDelivery> undelivered() const override { return {}; }
  void delivered(uint64_t) override {}
  void delivery_failed(uint64_t) override {}
  std::string functions_json() const override { return R"({"functions":[]})"; }

 private:
  SchemaRef view_schema(const std::string& name) const {
    for (const ViewInfo& view : views_)
      if (same_name(view.name, name)) return view.schema;
    return nullptr;
  }

  mutable std::mutex mutex_;
  std::shared_ptr<const Published> published_;
  std::vector<ViewInfo> views_;
  std::vector<SourceInfo> sources_;
  std::map<int64_t, std::pair<std::string, std::function<void(const ViewChanges&)>>> subscribers_;
  int64_t last_id_ = 0;
};

}  // namespace headrace
