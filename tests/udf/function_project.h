// A project with one function file, in a folder of its own.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "udf/function.h"

namespace headrace {

/// The clone, which has the Python package.
inline std::filesystem::path repository() {
  return HEADRACE_ROOT;
}

/// HEADRACE_PYTHON, or the environment that tools/setup made.
inline std::string interpreter() {
  if (const char* given = std::getenv("HEADRACE_PYTHON")) return given;
  const std::filesystem::path ours = repository() / ".venv/bin/python";
  return std::filesystem::exists(ours) ? ours.string() : "python3";
}

/// Tests over the functions of one file that begins with `prelude`.
class FunctionProjectTest : public ::testing::Test {
 protected:
  explicit FunctionProjectTest(std::string prelude) : prelude_(std::move(prelude)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "headrace_udf_XXXXXX").string();
    project_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(project_ / "functions");
  }
  ~FunctionProjectTest() override { std::filesystem::remove_all(project_); }

  Result<std::unique_ptr<FunctionHost>> try_start(const std::string& code) {
    std::ofstream(project_ / "functions/f.py") << prelude_ << code;
    return start_function_host({.python = interpreter(),
                                .project_directory = project_.string(),
                                .python_path = {(repository() / "python").string()}});
  }
  void start(const std::string& code) {
    auto started = try_start(code);
    ASSERT_TRUE(started.ok()) << started.error().text();
    host_ = std::move(*started);
  }

  size_t index_of(const std::string& name) const {
    for (size_t i = 0; i < host_->functions().size(); ++i)
      if (host_->functions()[i].name == name) return i;
    ADD_FAILURE() << "no function " << name;
    return 0;
  }

  std::filesystem::path project_;
  std::unique_ptr<FunctionHost> host_;

 private:
  const std::string prelude_;
};

}  // namespace headrace
