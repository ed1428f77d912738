// Why a view's result is not out yet, as the doors tell it. Times are event times where nothing else is said.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/named.h"
#include "data/batch.h"

namespace headrace {

struct WhyOpen {
  /// Named precisely, for programs by `code`, for people by `text`.
  struct Reason {
    std::string code;
    std::string text;
    std::string source = {};  ///< "" = it is no source's doing.
    std::optional<uint32_t> split = {};
  };
  struct Split {
    uint32_t number = 0;
    std::string name;  ///< Such as its file; "" = the source has but one.
    bool ended = false;
    bool paused = false;  ///< It is not read now: its time is too far ahead of another split's.
    std::optional<EventTime> watermark;
    // Of the rows since the engine started:
    int64_t rows = 0;
    std::optional<EventTime> latest_time, last_time;  ///< The greatest event time, and that of the last row.
    int64_t last_us = 0;                              ///< When the last row came; wall time, microseconds since 1970.
  };
  struct Source {
    std::string name, connector;
    std::optional<EventTime> watermark;
    int64_t records_read = 0, records_quarantined = 0;
    bool caught_up = false, ended = false;
    std::vector<Split> splits;
  };
  /// A window that is open; or, in operators without windows, all rows that wait.
  struct Part {
    std::optional<EventTime> start, end;
    std::optional<EventTime> due;  ///< It comes out when the watermark reaches this.
    int64_t rows = 0;              ///< Rows of the operator's input in it.
    int64_t results = 0;           ///< Rows that it would give now.
    std::vector<Reason> reasons;
    std::vector<Batch> now;  ///< The first of the results.
  };
  /// An operator that waits for the watermark.
  struct Operator {
    NodeId node;
    std::string kind, name;
    std::optional<EventTime> watermark;
    SchemaRef columns;  ///< Of Part::now.
    int64_t parts_open = 0;
    std::vector<Part> parts;  ///< Those that come out first.
  };

  std::string view;
  std::optional<EventTime> window;  ///< Asked for: its start.
  Tick tick;
  int64_t now_us = 0;
  std::vector<Reason> reasons;  ///< What holds for the view, or for the window asked for, as a whole.
  std::vector<Operator> operators;
  std::vector<Source> sources;  ///< All that time comes from.
};

}  // namespace headrace
