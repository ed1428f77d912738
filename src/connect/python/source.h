// Rows from a user's async generator (@hr.source). A thread asks for the next ones, so that the engine never waits.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "connect/python/functions.h"

namespace headrace {

class PythonSource final : public Source {
 public:
  static Result<std::unique_ptr<Source>> make(const SourceContext& context);
  ~PythonSource() override;

  Result<> open(const std::optional<Position>& from) override;
  Result<Polled> poll(int64_t bytes_max) override;
  Position position() const override { return {position_}; }
  Result<> committed(const Position&) override { return {}; }

 private:
  /// What the generator gave in one step, and where it stands behind it.
  struct Piece {
    std::shared_ptr<std::string> records;
    std::string position;
    bool ended = false;
  };

  PythonSource(UserFunction function, std::function<void()> wake) : function_(function), wake_(std::move(wake)) {}
  void read();
  Result<Piece> ask(const std::string& position) const;

  const UserFunction function_;
  const std::function<void()> wake_;
  std::string position_;  ///< Behind what was polled; the engine's thread only, once open.
  bool ended_ = false;

  std::mutex mutex_;
  std::condition_variable change_;
  std::deque<Piece> pieces_;
  size_t waiting_bytes_ = 0;
  std::optional<Error> failure_;
  bool leaving_ = false;
  std::thread reader_;
};

}  // namespace headrace
