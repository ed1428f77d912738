// What the outside sees of the views: all views at one tick, and the changes of each to those who subscribed.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "ops/view.h"
#include "run/pipeline.h"

namespace headrace {

/// A view's tables of all shards at one tick. What costs by the row is done when first asked for: most ticks are never
/// read.
class TablesSnapshot final : public ViewSnapshot {
 public:
  TablesSnapshot(SchemaRef schema, std::vector<std::shared_ptr<const TableSnapshot>> tables)
      : schema_(std::move(schema)), tables_(std::move(tables)) {}
  const SchemaRef& schema() const override { return schema_; }
  int64_t rows() const override;
  size_t blocks() const override;
  void scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const override;

 private:
  /// Rows of one table, each as often as it is there; at most rows_per_batch.
  struct Piece {
    uint32_t table = 0;
    std::vector<const char*> rows;
  };
  void cut() const;

  SchemaRef schema_;
  std::vector<std::shared_ptr<const TableSnapshot>> tables_;
  mutable std::once_flag once_;
  mutable std::vector<Piece> pieces_;
  mutable int64_t rows_ = 0;
};

/// Safe from any thread; the tick loop publishes.
///
/// A view that is shown shares its blocks with those who read, so that each tick has to copy every block that it
/// changes. Where nobody reads that is waste: such a tick withdraws what was shown before, and who asks meanwhile waits
/// for its end.
class ViewFeeds {
 public:
  explicit ViewFeeds(const Plan& plan);

  /// The tick loop is about to change the views. They go on being shown unless `quick` ticks are expected and nobody
  /// has asked for a while.
  void change(int64_t steady_ns, bool quick);

  void publish(Tick tick, Tick durable_tick, std::map<std::string, std::shared_ptr<const ViewSnapshot>> views,
               std::map<std::string, std::vector<std::shared_ptr<const Batch>>> changes);
  /// A checkpoint was made durable: what is shown says so from now on.
  void durable(Tick tick);
  /// Waits for the end of a tick that has withdrawn the views.
  std::shared_ptr<const Published> published() const;
  /// No tick will end any more: nobody waits for one from now on.
  void close();
  Result<std::shared_ptr<void>> subscribe(const std::string& view, std::optional<Tick> since,
                                          std::function<void(const ViewChanges&)> on_changes);
  /// A restored pipeline goes on from `durable`; its own ticks come after `base`. What was shown between the two is not
  /// known any more.
  void start_at(Tick durable, Tick base);

 private:
  struct Subscriber {
    std::function<void(const ViewChanges&)> on_changes;
  };
  struct Feed {
    std::deque<ViewChanges> recent;  ///< For those who come back; bounded.
    int64_t recent_bytes = 0;
    Tick complete_since;  ///< Every change after this tick is in `recent`.
    std::vector<std::weak_ptr<Subscriber>> subscribers;
  };
  void first_call(const Feed& feed, const std::string& view, std::optional<Tick> since, Subscriber& subscriber) const;
  void wait_until_shown(std::unique_lock<std::mutex>& lock) const;

  mutable std::mutex mutex_;
  mutable std::condition_variable shown_;
  mutable bool asked_ = false;  ///< Since the last tick began.
  int64_t asked_ns_ = 0;        ///< When a tick last found that somebody had asked.
  bool withdrawn_ = false;
  Tick durable_at_start_, base_;
  std::shared_ptr<const Published> published_;
  std::map<std::string, Feed> feeds_;
};

}  // namespace headrace
