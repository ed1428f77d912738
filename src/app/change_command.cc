// `headrace plan` and `headrace apply`: from one version of a pipeline to the next.
#include <unistd.h>

#include <cstdio>

#include "app/command.h"
#include "run/apply.h"

namespace headrace {

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
  Result<Change> change = apply_change(how, std::move(project));
  if (!change) return report_failure(change.error());
  std::fputs(change->text().c_str(), stdout);
  return exit_ok;
}

}  // namespace headrace
