// `headrace plan` and `headrace apply`: from one version of a pipeline to the next.
#include <unistd.h>

#include <cstdio>

#include "app/command.h"
#include "base/file.h"
#include "run/apply.h"

namespace headrace {

namespace {

/// The engine that runs over the state directory does it itself, when its door is open.
int ask_engine(const ApplyOptions& how) {
  Result<std::string> address = read_file(address_file(how.pipeline.state_directory));
  if (!address)
    return report_failure(user_error(Code::state_locked, "another process uses the state directory " +
                                                             how.pipeline.state_directory + ", and listens nowhere")
                              .with_remedy("stop it, then run headrace apply again"));
  std::vector<std::string> words{"--url", "http://" + address->substr(0, address->find('\n'))};
  if (how.allow_loss) words.push_back("--allow-loss");
  return python_command("headrace.develop.apply", words);
}

}  // namespace

int plan_command(ProjectOptions options, bool json) {
  CheckedProject project = check_project(options.pipeline());
  if (!project.errors.empty()) return report(project.errors);
  options.take_state(project.project);
  Result<Change> change = plan_change(options.pipeline(project.project), project);
  if (!change) return report_failure(change.error());
  std::printf("%s\n", json ? change->json().c_str() : change->text().c_str());
  return exit_ok;
}

int apply_command(ProjectOptions options, bool allow_loss) {
  CheckedProject project = check_project(options.pipeline());
  if (!project.errors.empty()) return report(project.errors);
  options.take_state(project.project);
  ApplyOptions how{options.pipeline(project.project), allow_loss,
                   [](const std::string& text) { std::fprintf(stderr, "reading again: %s\n", text.c_str()); }};
  Result<Change> change = apply_change(how, project);
  if (!change && change.error().code == Code::state_locked) return ask_engine(how);
  if (!change) return report_failure(change.error());
  std::fputs(change->text().c_str(), stdout);
  return exit_ok;
}

}  // namespace headrace
