// The pipeline's status as JSON: whole for GET, and as merge patches for the console's stream.
#pragma once

#include <boost/json/value.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "run/pipeline.h"
#include "serve/message.h"

namespace headrace {

/// In milliseconds, or null.
boost::json::value time_ms(const std::optional<EventTime>& time);

/// The status with its nodes, sources and sinks as objects by id or name, so that a merge patch touches only what
/// changed.
boost::json::object status_document(const PipelineStatus& status);

/// {"name", "tick", ..., "nodes": [...], "edges": [...], "sources": [...], "sinks": [...], "plan": {...}}
std::string pipeline_json(const PipelineStatus& status, const std::string& plan);
/// The same without edges and plan.
std::string status_json(const PipelineStatus& status);

/// The JSON merge patch (RFC 7396) that makes `to` of `from`; empty when they are equal.
boost::json::object merge_patch(const boost::json::object& from, const boost::json::object& to);

/// Asks the pipeline for its status at most four times a second, however many look.
class StatusBoard {
 public:
  StatusBoard(Pipeline& pipeline, const Clock& clock) : pipeline_(pipeline), clock_(clock) {}
  std::shared_ptr<const boost::json::object> document();

  static constexpr int64_t refresh_ms = 250;

 private:
  Pipeline& pipeline_;
  const Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<const boost::json::object> document_;
  int64_t read_ns_ = 0;
};

/// `event: status`: first the whole document, then patches.
std::unique_ptr<EventFeed> make_status_feed(StatusBoard& board);

}  // namespace headrace
