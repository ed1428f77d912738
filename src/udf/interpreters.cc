#include "udf/interpreters.h"

#include "udf/describe.h"

namespace headrace {

Result<std::vector<FunctionDescription>> Interpreters::describe() {
  if (parent_output_ < 0) HEADRACE_TRY(open_output());
  return describe_functions(parent(options_.python), describer_output_);
}

Result<> Interpreters::open_output() {
  HEADRACE_ASSIGN(parent_output_, output_.add("(parent of the function workers)"));
  HEADRACE_ASSIGN(describer_output_, output_.add("(loading)"));
  return output_.start();
}

WorkerParent& Interpreters::parent_of(const FunctionDescription& function) {
  return parent(function.python.empty() ? options_.python : function.python);
}

WorkerParent& Interpreters::parent(const std::string& python) {
  std::unique_ptr<WorkerParent>& found = parents_[python];
  if (found == nullptr) {
    FunctionHostOptions options = options_;
    options.python = python;
    found = std::make_unique<WorkerParent>(std::move(options), parent_output_);
  }
  return *found;
}

Result<> Interpreters::start() {
  for (auto& [python, parent] : parents_) HEADRACE_TRY(parent->start());
  return {};
}

Result<> Interpreters::refresh() {
  for (auto& [python, parent] : parents_) HEADRACE_TRY(parent->refresh());
  return {};
}

}  // namespace headrace
