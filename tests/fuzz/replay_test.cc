// Gives every fuzzer its corpus once: seeds, and what it has found (tests/fuzz/corpus/<fuzzer>).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/file.h"

// Each is the LLVMFuzzerTestOneInput of its file, renamed by tests/CMakeLists.txt.
extern "C" {
using FuzzerInput = int(const uint8_t* data, size_t size);
FuzzerInput statement_fuzz, rewrite_fuzz, ndjson_fuzz, csv_fuzz, changelog_fuzz, state_fuzz, log_fuzz;
}

namespace headrace {
namespace {

struct Fuzzer {
  const char* name;
  FuzzerInput* run;
};

class Corpus : public ::testing::TestWithParam<Fuzzer> {};

TEST_P(Corpus, Holds) {
  std::vector<std::filesystem::path> inputs;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(HEADRACE_ROOT "/tests/fuzz/corpus/") + GetParam().name))
    inputs.push_back(entry.path());
  std::sort(inputs.begin(), inputs.end());
  ASSERT_FALSE(inputs.empty());
  for (const std::filesystem::path& input : inputs) {
    std::printf("%s\n", input.c_str());  // The last one named is the one that ends the process.
    std::fflush(stdout);
    const std::string bytes = read_file(input).value();
    GetParam().run(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus,
                         ::testing::Values(Fuzzer{"statement", statement_fuzz}, Fuzzer{"rewrite", rewrite_fuzz},
                                           Fuzzer{"ndjson", ndjson_fuzz}, Fuzzer{"csv", csv_fuzz},
                                           Fuzzer{"changelog", changelog_fuzz}, Fuzzer{"state", state_fuzz},
                                           Fuzzer{"log", log_fuzz}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace headrace
