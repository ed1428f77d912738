#include "run/view_feed.h"

#include <algorithm>

#include "base/text.h"

namespace headrace {
namespace {

constexpr int64_t recent_bytes_max = 16 << 20;  // Of each view.
constexpr int64_t shown_unasked_ns = 1'000'000'000;

/// What changes take of memory, about: few rows are mostly what their vectors need themselves.
int64_t bytes_of(const Batch& batch) {
  constexpr int64_t vector_bytes = 512;
  const auto columns = static_cast<int64_t>(batch.chunk.ColumnCount());
  return static_cast<int64_t>(batch.chunk.GetAllocationSize()) + (columns + 1) * vector_bytes;
}

}  // namespace

void TablesSnapshot::cut() const {
  for (uint32_t table = 0; table < tables_.size(); ++table) {
    const TableSnapshot& source = *tables_[table];
    const bool appended = source.layout().key_columns == 0;
    std::vector<const char*> rows;
    for (size_t block = 0; block < source.blocks(); ++block) {
      source.addresses(block, rows);
      Piece piece{table, {}};
      for (const char* row : rows) {
        const int64_t copies = appended ? 1 : ViewOperator::copies(row + source.layout().plain_offset);
        for (int64_t i = 0; i < copies; ++i) {
          piece.rows.push_back(row);
          ++rows_;
          if (static_cast<int64_t>(piece.rows.size()) < rows_per_batch) continue;
          pieces_.push_back(std::exchange(piece, {table, {}}));
        }
      }
      if (!piece.rows.empty()) pieces_.push_back(std::move(piece));
    }
  }
}

int64_t TablesSnapshot::rows() const {
  std::call_once(once_, [&] { cut(); });
  return rows_;
}

size_t TablesSnapshot::blocks() const {
  std::call_once(once_, [&] { cut(); });
  return pieces_.size();
}

void TablesSnapshot::scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const {
  std::call_once(once_, [&] { cut(); });
  const Piece& piece = pieces_[block];
  for (size_t i = 0; i < columns.size(); ++i)
    gather_column(tables_[piece.table]->layout(), columns[i], piece.rows.data(), piece.rows.size(), out.data[i]);
  out.SetCardinality(piece.rows.size());
}

ViewFeeds::ViewFeeds(const Plan& plan) : published_(std::make_shared<Published>()) {
  for (const Node& node : plan.nodes)
    if (std::holds_alternative<ViewNode>(node)) feeds_[lower_case(base_of(node).name)];
}

void ViewFeeds::start_at(Tick durable, Tick base) {
  std::lock_guard lock(mutex_);
  durable_at_start_ = durable;
  base_ = base;
  for (auto& [name, feed] : feeds_) feed.complete_since = durable;
}

void ViewFeeds::change(int64_t steady_ns, bool quick) {
  std::shared_ptr<const Published> withdrawn;  // Let go of after the lock: that may be the end of many blocks.
  std::lock_guard lock(mutex_);
  if (std::exchange(asked_, false)) asked_ns_ = steady_ns;
  if (!quick || steady_ns - asked_ns_ < shown_unasked_ns) return;
  auto without = std::make_shared<Published>(*published_);
  without->views.clear();
  withdrawn = std::exchange(published_, std::move(without));
  withdrawn_ = true;
}

void ViewFeeds::close() {
  std::lock_guard lock(mutex_);
  withdrawn_ = false;
  shown_.notify_all();
}

void ViewFeeds::wait_until_shown(std::unique_lock<std::mutex>& lock) const {
  asked_ = true;
  shown_.wait(lock, [&] { return !withdrawn_; });
}

void ViewFeeds::publish(Tick tick, Tick durable_tick, std::map<std::string, std::shared_ptr<const ViewSnapshot>> views,
                        std::map<std::string, std::vector<std::shared_ptr<const Batch>>> changes) {
  std::lock_guard lock(mutex_);
  auto next = std::make_shared<Published>();
  next->tick = tick;
  next->durable_tick = std::max(durable_tick, published_->durable_tick);
  next->views = std::move(views);
  published_ = next;
  withdrawn_ = false;
  shown_.notify_all();
  for (auto& [name, batches] : changes) {
    if (batches.empty()) continue;
    Feed& feed = feeds_.at(name);
    ViewChanges change{tick, next->durable_tick, false, false, std::move(batches)};
    std::erase_if(feed.subscribers, [](const std::weak_ptr<Subscriber>& s) { return s.expired(); });
    for (const std::weak_ptr<Subscriber>& waiting : feed.subscribers)
      if (std::shared_ptr<Subscriber> subscriber = waiting.lock()) subscriber->on_changes(change);
    for (const auto& batch : change.batches) feed.recent_bytes += bytes_of(*batch);
    feed.recent.push_back(std::move(change));
    while (feed.recent_bytes > recent_bytes_max && !feed.recent.empty()) {
      feed.complete_since = feed.recent.front().tick;
      for (const auto& batch : feed.recent.front().batches) feed.recent_bytes -= bytes_of(*batch);
      feed.recent.pop_front();
    }
  }
}

void ViewFeeds::durable(Tick tick) {
  std::lock_guard lock(mutex_);
  auto next = std::make_shared<Published>(*published_);
  next->durable_tick = std::max(tick, next->durable_tick);
  published_ = std::move(next);
}

std::shared_ptr<const Published> ViewFeeds::published() const {
  std::unique_lock lock(mutex_);
  wait_until_shown(lock);
  return published_;
}

/// What a subscriber missed since `since`, or the whole view.
void ViewFeeds::first_call(const Feed& feed, const std::string& view, std::optional<Tick> since,
                           Subscriber& subscriber) const {
  // A tick of an earlier life beyond the durable one may have shown something else than what came instead.
  const bool lost = since && *since > durable_at_start_ && *since <= base_;
  if (since && !lost && *since >= feed.complete_since && *since <= std::max(published_->tick, base_)) {
    for (const ViewChanges& change : feed.recent)
      if (change.tick > *since) subscriber.on_changes(change);
    return;
  }
  ViewChanges whole{published_->tick, published_->durable_tick, true, since.has_value(), {}};
  auto found = published_->views.find(view);
  if (found != published_->views.end()) {
    const ViewSnapshot& snapshot = *found->second;
    std::vector<size_t> columns(snapshot.schema()->size());
    for (size_t i = 0; i < columns.size(); ++i) columns[i] = i;
    for (size_t block = 0; block < snapshot.blocks(); ++block) {
      auto batch = std::make_shared<Batch>(Batch::make(snapshot.schema()));
      snapshot.scan(block, columns, batch->chunk);
      whole.batches.push_back(std::move(batch));
    }
  }
  subscriber.on_changes(whole);
}

Result<std::shared_ptr<void>> ViewFeeds::subscribe(const std::string& view, std::optional<Tick> since,
                                                   std::function<void(const ViewChanges&)> on_changes) {
  std::unique_lock lock(mutex_);
  wait_until_shown(lock);
  auto feed = feeds_.find(lower_case(view));
  if (feed == feeds_.end()) return user_error(Code::not_found, "there is no materialized view '" + view + "'");
  auto subscriber = std::make_shared<Subscriber>(Subscriber{std::move(on_changes)});
  first_call(feed->second, feed->first, since, *subscriber);
  feed->second.subscribers.push_back(subscriber);
  return std::shared_ptr<void>(subscriber);
}

}  // namespace headrace
