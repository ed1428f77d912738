// Going over to another version while the engine runs: asked for over HTTP, done by the run command.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "app/command.h"
#include "run/apply.h"
#include "serve/server.h"

namespace headrace {

/// A project that was checked and is to replace the one that runs.
struct WantedChange {
  ApplyOptions how;
  CheckedProject project;
};

/// Safe from any thread.
class ChangeDesk {
 public:
  explicit ChangeDesk(const ProjectOptions& options) : options_(options) {}

  /// What stops the engine that runs now, and lets the run command look for a wish.
  void on_wish(std::function<void()> stop);
  ChangeOverDoor door();
  /// The wish that stopped the engine, if one did.
  std::optional<WantedChange> take();
  void done(const Result<Change>& change);

 private:
  Result<std::string> begin(bool allow_loss);
  std::string outcome() const;

  const ProjectOptions options_;
  mutable std::mutex mutex_;
  std::function<void()> stop_;
  std::optional<WantedChange> wanted_;
  std::string state_ = "none", text_, error_;
};

}  // namespace headrace
