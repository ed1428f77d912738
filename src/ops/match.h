// MATCH_RECOGNIZE. The rows of a partition wait until the watermark has passed them; then they are in their order for
// good, and are searched for the pattern from one start after the other. A start that cannot become a match lets its
// row go. What is kept is rows alone: the runs of a search are found again from them after a restore.
#pragma once

#include <deque>
#include <memory>
#include <queue>
#include <vector>

#include "duck/aggregate.h"
#include "expr/row_evaluator.h"
#include "ops/operator.h"
#include "ops/pattern.h"
#include "plan/nodes.h"
#include "state/keyed_rows.h"

namespace headrace {

/// State: the rows "waiting", by partition. Gives a row's output when the watermark passes the last row of the match.
class MatchOperator final : public Operator {
 public:
  MatchOperator(const MatchNode& node, const OperatorContext& context);
  ~MatchOperator() override;

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  Result<EventTime> on_time_end(Emitter& out) override;
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override { return kept_.tables(); }
  Result<> restored(EventTime watermark) override;

 private:
  struct Row {
    int64_t time_ms;
    Slot slot;
  };
  /// The rows from the start of the search on; the first `due` are passed by the watermark, and in order.
  struct Partition {
    std::deque<Row> rows;
    size_t due = 0;
    int64_t wake_ms = INT64_MAX;   ///< The watermark at which there is something to do.
    int64_t known_ms = INT64_MIN;  ///< The watermark at which what the search found so far was known.
    PatternSearch search;
  };
  struct Match {
    std::vector<Slot> rows;
    std::vector<PatternSearch::Rows> variables;
    int64_t known_ms = 0;
  };
  /// One of the partitions that are searched in this tick, with what was found in it.
  struct Searched {
    Partition* partition;
    std::vector<Match> matches;
  };
  struct Condition;
  struct Aggregator;
  struct Wake {
    int64_t time_ms;
    Slot group;
    bool operator>(const Wake& other) const { return time_ms > other.time_ms; }
  };

  void add(Slot group, Slot row);
  void wake_at(Slot group, int64_t time_ms);
  std::vector<Slot> take_due();
  void order_rows(Partition& partition);
  Result<> search(std::vector<Searched>& all, Emitter& out);
  void search_until_asked(Searched& searched);
  bool can_go_on(const Partition& partition) const;
  Match match_of(const Partition& partition) const;
  size_t rows_to_skip(const PatternSearch& search) const;
  void let_go(Partition& partition, size_t rows);
  Result<> answer(Condition& condition, Emitter& out);
  void reject(Partition& partition, const Error& reason, Emitter& out);
  Result<> give_out(std::vector<const Match*> matches, Emitter& out);
  Result<> emit(const Match* const* matches, size_t count, Emitter& out);
  void settle(const std::vector<Slot>& groups, Emitter& out);
  Result<> aggregate(Aggregator& aggregator, const std::vector<Slot>& rows, Vector& out, size_t place);
  void gather(size_t column, const std::vector<Slot>& slots, Vector& out) const;
  bool is_true(Slot slot, size_t column) const;
  int64_t time_of(Slot slot) const;
  std::string_view sort_key(Slot slot) const;

  const MatchNode node_;
  SchemaRef input_schema_, schema_;
  std::vector<PatternSearch::Variable> pattern_;
  bool by_row_ = true;  ///< No condition reads earlier rows.
  KeyedRows kept_;
  std::vector<char> null_row_;                          ///< Stands where there is no row.
  std::vector<std::unique_ptr<Partition>> partitions_;  ///< By group.
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wakes_;
  std::vector<std::unique_ptr<Condition>> conditions_;    ///< By variable; null where there is nothing to evaluate.
  std::vector<std::unique_ptr<Aggregator>> aggregators_;  ///< Of node_.read, then of node_.outputs.
  std::vector<Slot> gone_;                                ///< Rows to be erased when the outputs are made.
  EventTime passed_ = EventTime::min();                   ///< The watermark that was seen last.
};

}  // namespace headrace
