// The intake of a source: bytes to rows, the contract, the watermark of each row. One per thread that takes records in
// (shards, doors).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "codec/decoder.h"
#include "connect/source.h"
#include "expr/row_evaluator.h"
#include "plan/nodes.h"

namespace headrace {

/// A morsel after its intake.
struct TakenIn {
  std::vector<Batch> batches;  ///< Rows that were accepted.
  std::vector<std::vector<int64_t>>
      watermarks_ms;  ///< Beside each batch: the watermark that each row's time makes (EventTime::min: none).
  std::vector<Rejected> rejected;
  int64_t records = 0;  ///< = rows accepted + rejected + dropped by the contract.
  int64_t dropped = 0;
  EventTime highest = EventTime::min();  ///< The greatest of watermarks_ms.
  std::optional<EventTime> latest_time;  ///< The greatest event time of the rows accepted.
  std::optional<EventTime> last_time;    ///< The event time of the last one.
};

class Intake {
 public:
  /// Errors: bad_config (a format that does not fit).
  static Result<std::unique_ptr<Intake>> make(const SourceNode& node, EvaluationContext& context);

  /// Decodes (if the morsel holds bytes), checks, computes watermarks. `now_us` judges max_future. Errors: an
  /// expectation whose action is fail.
  Result<TakenIn> take(Morsel& morsel, int64_t now_us);
  /// Only the contract and the event times, over rows that a door has decoded. Errors: as take().
  Result<> check(Decoded& decoded, int64_t now_us);

 private:
  /// A batch with the places of its rows, while rows are refused.
  struct Rows {
    Batch batch;
    std::vector<RecordPlace> places;  ///< Empty: not known.
    const std::string& origin;
    std::vector<Rejected>& rejected;

    void refuse(uint32_t row, Code code, const std::string& reason) const;
    /// Takes the rows `gone` (ascending) out.
    void drop(const std::vector<uint32_t>& gone);
  };

  Intake(const SourceNode& node, EvaluationContext& context, std::unique_ptr<Decoder> decoder);
  Result<> apply_contract(Rows& rows, int64_t& dropped);
  void judge_times(Rows& rows, int64_t now_us) const;
  void note_times(const Batch& batch, TakenIn& taken) const;
  Result<> compute_watermarks(TakenIn& taken);

  const SourceNode node_;
  SchemaRef schema_;
  std::unique_ptr<Decoder> decoder_;
  std::vector<RowEvaluator> violations_;  ///< One per expectation.
  std::optional<RowEvaluator> watermark_;
};

/// A source's delivered columns, with what must not be NULL.
SchemaRef delivered_schema(const SourceNode& node);
/// The primary key, in the delivered columns.
std::vector<size_t> delivered_key(const SourceNode& node);
/// One row as a JSON object, for the quarantine.
std::string row_json(const Batch& batch, int64_t row);

}  // namespace headrace
