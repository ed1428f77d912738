// `headrace test`: golden tests, each in every way that must not make a difference.
#include <cstdio>
#include <filesystem>

#include "app/command.h"
#include "app/fed_source.h"
#include "app/slt_run.h"
#include "base/log_line.h"

namespace headrace {

int test_command(const std::vector<std::string>& files, const std::vector<std::string>& ways) {
  register_fed_connector();
  set_log(LogLevel::error, true);
  std::vector<std::string> found;
  for (const std::string& file : files) {
    if (!std::filesystem::is_directory(file)) {
      found.push_back(file);
      continue;
    }
    Result<std::vector<std::string>> inside = glob_files(file + "/*.slt");
    if (inside) found.insert(found.end(), inside->begin(), inside->end());
  }
  const std::vector<SltWay> all = {{"whole", 1, false, false, 60'000},
                                   {"rows", 1, true, false, 0},
                                   {"shards", 2, false, false, -1},
                                   {"shards", 7, false, false, 0},
                                   {"restore", 1, false, true, 0}};
  SltFunctions functions;
  int passed = 0, failed = 0;
  for (const std::string& file : found) {
    Result<std::string> text = read_file(file);
    Result<std::vector<SltStep>> steps = text ? parse_slt(*text, file) : Result<std::vector<SltStep>>(text.error());
    if (!steps) {
      std::printf("%s\n", steps.error().text().c_str());
      ++failed;
      continue;
    }
    std::vector<std::string> failures;
    for (const SltWay& way : all) {
      if (!ways.empty() && std::find(ways.begin(), ways.end(), way.name) == ways.end()) continue;
      for (std::string& failure : run_slt(*steps, file, way, functions)) failures.push_back(std::move(failure));
      // One way's failures say enough.
      if (!failures.empty()) break;
    }
    for (const std::string& failure : failures) std::printf("%s\n", failure.c_str());
    ++(failures.empty() ? passed : failed);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? exit_ok : exit_failed;
}

}  // namespace headrace
