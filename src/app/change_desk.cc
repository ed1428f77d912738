#include "app/change_desk.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/json_text.h"
#include "base/log_line.h"

namespace headrace {

void ChangeDesk::on_wish(std::function<void()> stop) {
  std::lock_guard lock(mutex_);
  stop_ = std::move(stop);
}

ChangeOverDoor ChangeDesk::door() {
  return {[this](bool allow_loss) { return begin(allow_loss); }, [this] { return outcome(); }};
}

Result<std::string> ChangeDesk::begin(bool allow_loss) {
  CheckedProject project = check_project(options_.pipeline());
  if (!project.errors.empty()) return project.errors.front();
  ApplyOptions how{options_.pipeline(project.project), allow_loss, [](const std::string& text) {
                     log_line(LogLevel::info, "reading_again", {{"progress", text}});
                   }};
  HEADRACE_ASSIGN(const Change change, plan_change(how.pipeline, project));
  HEADRACE_TRY(check_loss(change, how));
  std::lock_guard lock(mutex_);
  if (state_ == "running") return environment_error(Code::stopping, "another change is under way; ask again later");
  text_ = change.text();
  error_.clear();
  state_ = change.any() ? "running" : "done";
  if (!change.any()) return change.json();
  wanted_.emplace(std::move(how), std::move(project));
  stop_();
  return change.json();
}

std::optional<WantedChange> ChangeDesk::take() {
  std::lock_guard lock(mutex_);
  return std::exchange(wanted_, std::nullopt);
}

void ChangeDesk::done(const Result<Change>& change) {
  std::lock_guard lock(mutex_);
  state_ = change.ok() ? "done" : "failed";
  if (change.ok())
    text_ = change->text();
  else
    error_ = change.error().text();
}

std::string ChangeDesk::outcome() const {
  std::lock_guard lock(mutex_);
  return fmt::format("{{\"state\":\"{}\",\"text\":{},\"error\":{}}}", state_, json_string(text_), json_string(error_));
}

}  // namespace headrace
