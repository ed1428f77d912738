// The sources over the embedded log: `http` keeps what a checkpoint still needs, `log` keeps its records for a
// retention time and can be read again from its beginning. Both are fed through their door.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connect/http/door.h"
#include "connect/source.h"
#include "connect/spec.h"

namespace headrace {

class HttpSource final : public Source {
 public:
  static Result<std::unique_ptr<Source>> make_http(const SourceContext& context);
  static Result<std::unique_ptr<Source>> make_log(const SourceContext& context);
  static Result<Past> past(const SourceContext& context);
  ~HttpSource() override { door_->close(); }

  Result<> open(const std::optional<Position>& from) override;
  Result<Polled> poll(int64_t bytes_max) override;
  Position position() const override;
  Result<> committed(const Position& position) override;
  std::optional<int64_t> lag_bytes() const override { return door_->lag_bytes(); }

  /// Where requests come in. Shared, because a request may still be in the door when the source goes.
  const std::shared_ptr<HttpDoor>& door() const { return door_; }

 private:
  HttpSource(const SourceContext& context, DoorOptions door);
  static Result<std::unique_ptr<Source>> make(const SourceContext& context, int64_t retention_us);
  /// Appends one request's rows and refusals to the morsel.
  Result<> unpack(const LogRecord& record, Morsel& morsel);
  Result<std::vector<size_t>> columns_of(const std::vector<std::string>& names) const;
  void append_rows(DataChunk& chunk, std::vector<Batch>& out) const;

  SchemaRef schema_;
  bool until_end_ = false;
  std::optional<Position> end_;  ///< It is read again, and to here only.
  std::function<void()> wake_;
  std::shared_ptr<HttpDoor> door_;
  LogPlace next_;
  int64_t end_number_ = 0;               ///< until_end: where the log ended when it was opened; or what `end_` says.
  std::vector<std::string> names_seen_;  ///< Columns of the last request, and where our columns stand in them.
  std::vector<size_t> columns_;
};

/// The door of a source of connector http or log; nullptr for any other source.
std::shared_ptr<HttpDoor> door_of(Source& source);

extern const ConnectorSpec http_connector;
extern const ConnectorSpec log_connector;

}  // namespace headrace
