#include "serve/view_feed.h"

#include <fmt/format.h>

#include <deque>
#include <mutex>
#include <unordered_map>

#include "codec/encoder.h"
#include "serve/render.h"

namespace headrace {
namespace {

constexpr int64_t changes_per_event = 5000;

/// What lies between the engine's thread and the subscriber's. Outlives both.
struct Mailbox {
  std::mutex mutex;
  std::deque<ViewChanges> waiting;
  int64_t rows = 0;
  bool overflowed = false;
  std::function<void()> wake;
};

int64_t rows_of(const ViewChanges& changes) {
  int64_t out = 0;
  for (const auto& batch : changes.batches) out += batch->rows();
  return out;
}

/// The engine's side: never waits.
void deliver(Mailbox& box, const ViewChanges& changes, int64_t rows_max) {
  std::lock_guard lock(box.mutex);
  if (box.overflowed) return;
  int64_t rows = rows_of(changes);
  // One delivery always fits: it may be the whole view.
  if (!box.waiting.empty() && box.rows + rows > rows_max) {
    box.overflowed = true;
    box.waiting.clear();
    box.rows = 0;
  } else {
    box.rows += rows;
    box.waiting.push_back(changes);
  }
  box.wake();
}

class ViewFeed final : public EventFeed {
 public:
  ViewFeed(Pipeline& pipeline, const ViewInfo& view, std::optional<Tick> since, int64_t rows_max)
      : pipeline_(pipeline), view_(view), since_(since), rows_max_(rows_max) {}

  Result<> start(std::function<void()> wake) override {
    wake_ = std::move(wake);
    snapshot_next_ = !since_;
    return subscribe(since_);
  }

  std::optional<std::string> take() override {
    std::deque<ViewChanges> taken;
    bool overflowed = false;
    {
      std::lock_guard lock(box_->mutex);
      taken.swap(box_->waiting);
      box_->rows = 0;
      overflowed = box_->overflowed;
    }
    if (overflowed) {
      subscription_.reset();
      snapshot_next_ = reset_next_ = true;
      if (Result<> again = subscribe(std::nullopt); !again.ok()) return std::nullopt;
      return "";
    }
    std::string out;
    for (const ViewChanges& changes : taken) append_events(changes, out);
    return out;
  }

 private:
  Result<> subscribe(std::optional<Tick> since) {
    box_ = std::make_shared<Mailbox>();
    box_->wake = wake_;
    HEADRACE_ASSIGN(subscription_, pipeline_.subscribe(view_.name, since,
                                                       [box = box_, rows_max = rows_max_](const ViewChanges& changes) {
                                                         deliver(*box, changes, rows_max);
                                                       }));
    return {};
  }

  void append_events(const ViewChanges& changes, std::string& out) {
    bool snapshot = std::exchange(snapshot_next_, false) || changes.whole;
    bool reset = std::exchange(reset_next_, false) || changes.reset || (changes.whole && since_.has_value());
    const std::unordered_map<std::string, int> both = updated_keys(changes);
    std::string list;
    int64_t in_event = 0;
    auto end_event = [&](bool more) {
      out +=
          fmt::format("event: {}\ndata: {{\"tick\":{},\"durable_tick\":{},{}{}\"changes\":[",
                      std::exchange(reset, false) ? "reset" : "changes", changes.tick.value, changes.durable_tick.value,
                      std::exchange(snapshot, false) ? "\"snapshot\":true," : "", more ? "\"more\":true," : "");
      out += list;
      out += more ? "]}\n\n" : fmt::format("]}}\nid: {}\n\n", changes.tick.value);
      list.clear();
      in_event = 0;
    };
    for (const auto& batch : changes.batches)
      for (int64_t row = 0; row < batch->rows(); ++row) {
        int32_t diff = batch->diff(row);
        bool updated = !both.empty() && both.contains(key_of(*batch, row));
        std::string_view kind = diff > 0 ? (updated ? "+U" : "+I") : (updated ? "-U" : "-D");
        for (int32_t copy = 0; copy < std::abs(diff); ++copy) {
          if (in_event == changes_per_event) end_event(true);
          if (in_event++) list.push_back(',');
          list += fmt::format("[\"{}\",", kind);
          append_row_object(list, *batch->schema, batch->chunk, row);
          list.push_back(']');
        }
      }
    end_event(false);
  }

  std::string key_of(const Batch& batch, int64_t row) const {
    std::string out;
    for (size_t column : view_.key) {
      append_json_value(out, batch.chunk.data[column], row);
      out.push_back(',');
    }
    return out;
  }

  /// Keys that are both taken away and put back in this tick: their changes are updates.
  std::unordered_map<std::string, int> updated_keys(const ViewChanges& changes) const {
    std::unordered_map<std::string, int> signs;
    if (view_.key.empty()) return signs;
    bool any_retracts = false;
    for (const auto& batch : changes.batches)
      for (int32_t diff : batch->diffs) any_retracts |= diff < 0;
    if (!any_retracts) return signs;
    for (const auto& batch : changes.batches)
      for (int64_t row = 0; row < batch->rows(); ++row) signs[key_of(*batch, row)] |= batch->diff(row) > 0 ? 1 : 2;
    std::erase_if(signs, [](const auto& entry) { return entry.second != 3; });
    return signs;
  }

  Pipeline& pipeline_;
  const ViewInfo& view_;
  std::optional<Tick> since_;
  int64_t rows_max_;
  std::function<void()> wake_;
  std::shared_ptr<Mailbox> box_;
  std::shared_ptr<void> subscription_;
  bool snapshot_next_ = false, reset_next_ = false;
};

}  // namespace

std::unique_ptr<EventFeed> make_view_feed(Pipeline& pipeline, const ViewInfo& view, std::optional<Tick> since,
                                          int64_t rows_max) {
  return std::make_unique<ViewFeed>(pipeline, view, since, rows_max);
}

}  // namespace headrace
