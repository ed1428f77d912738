// One source as the tick loop drives it: the connector's source, its watermark, its books.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connect/spec.h"
#include "run/checkpoint.h"
#include "run/pipeline.h"
#include "run/shard.h"

namespace headrace {

/// What all inputs are opened with.
struct InputContext {
  std::string project_directory, state_directory;
  bool until_end = false;
  double speed = 0;
  const Clock* clock = nullptr;
  FunctionHost* functions = nullptr;
  std::function<void()> wake;
  /// Set: sources are read again to these places, by name, and no further.
  const std::map<std::string, SourceCheckpoint>* until = nullptr;
};

/// The connector of a source, and what it is made with.
struct SourcePlan {
  const ConnectorSpec* spec = nullptr;
  Options options;
  SourceContext context;  ///< Refers to `options`.
};
/// Checks a source's options. Errors: bad_config, unknown_option.
Result<std::unique_ptr<SourcePlan>> plan_source(const SourceNode& node, const InputContext& context);
/// True when an option of a connector says which data it is about.
bool names_data(const std::string& connector, const std::string& option);
/// What can be read again of what a source had read at `end`.
Result<Past> past_of(const SourceNode& node, const InputContext& context, const SourceCheckpoint& end);

/// Used by the tick loop only, but for status().
class SourceInput {
 public:
  /// Makes the connector's source with checked options; opens nothing yet. Errors: bad_config, unknown_option.
  static Result<std::unique_ptr<SourceInput>> make(const SourceNode& node, const InputContext& context);

  /// Starts where the checkpoint left it.
  Result<> open(const SourceCheckpoint* from);
  /// Reads again to where `until` stands; a source whose past is gone brings nothing but its watermark.
  Result<> open_again(const SourceCheckpoint& until, bool is_there);
  /// Brings nothing: what it has will be read later, from its beginning.
  void leave_out();
  /// Leaves alone, in the polls to come, the splits ahead of `limit`: some where the source can, else all or none.
  void pause_ahead_of(EventTime limit);
  /// Takes what is there, as jobs of the tick, numbered from `ordinal`. Not while it is paused.
  Result<> poll(int64_t bytes_max, TickWork& work);
  /// After intake: gives each job of this source the watermark before it.
  void stamp(TickWork& work);
  /// Raises the watermark of every split (tests).
  void advance_to(EventTime time);
  /// Records that were refused before come again: they are no longer among those read.
  void take_back(int64_t records);
  /// After intake: the books.
  void account(const TickWork& work);

  /// Whether a split has more to come, and how far its rows have got.
  struct Split {
    std::string name;  ///< Such as its file; "" = the source has but one.
    EventTime watermark = EventTime::min();
    bool ended = false;
    bool backlog = true;  ///< The last poll left some of what was there; so it is taken to be before the first.
    bool paused = false;  ///< Polls leave it alone.
    // Since the engine started:
    int64_t rows = 0;
    std::optional<EventTime> latest_time;  ///< The greatest event time.
    std::optional<EventTime> last_time;    ///< Of the last row.
    int64_t last_us = 0;                   ///< When that came.
  };

  const SourceNode& node() const { return node_; }
  Source& source() { return *source_; }
  bool ended() const { return ended_; }
  /// True when no split is to be read now, though some have more.
  bool paused() const { return paused_; }
  int64_t splits_paused() const;
  int64_t wait_us() const { return wait_us_; }
  /// Nothing will come below this.
  EventTime watermark() const;
  /// The same without the end: up to where its rows have brought it.
  EventTime reached() const;
  const std::vector<Split>& splits() const { return splits_; }
  /// "source clicks", "split 2 of source clicks (day_2.ndjson)": for people.
  std::string title(uint32_t split) const;
  SourceCheckpoint checkpoint() const;
  SourceStatus status() const;

 private:
  SourceInput(const SourceNode& node, std::unique_ptr<Source> source) : node_(node), source_(std::move(source)) {}

  void take_splits(const SourceCheckpoint& from);
  void number_splits();
  void find_splits();
  Split later_split(uint32_t number) const;

  const SourceNode node_;
  std::unique_ptr<Source> source_;
  std::vector<Split> splits_;
  bool ended_ = false, caught_up_ = false, paused_ = false;
  bool time_ends_ = true;  ///< The end of input is the end of time.
  int64_t wait_us_ = 0;
  int64_t records_read_ = 0, records_accepted_ = 0, records_quarantined_ = 0;
};

}  // namespace headrace
