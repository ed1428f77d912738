#include "lake/lake_fixture.h"

#include "duck/adhoc.h"

namespace headrace {

std::vector<int64_t> LakeTest::visible() const {
  auto files = lake_data_files(folder, "t");
  EXPECT_TRUE(files.ok()) << files.error().text();
  std::vector<int64_t> keys;
  if (!files.ok() || files->empty()) return keys;
  auto database = AdhocDatabase::open({});
  AdhocTables tables{.table = [](const std::string&) { return nullptr; },
                     .lake_files = [&](const std::string& name) { return lake_data_files(folder, name); },
                     .names = {}};
  auto result = (*database)->run({.sql = "SELECT k FROM lake.t ORDER BY k",
                                  .parameters = {},
                                  .timeout_ms = 60'000,
                                  .rows_max = 1'000'000,
                                  .bytes_max = 1LL << 30},
                                 tables);
  EXPECT_TRUE(result.ok()) << result.error().text();
  if (!result.ok()) return keys;
  for (const auto& chunk : result->chunks)
    for (size_t row = 0; row < chunk->size(); ++row) keys.push_back(chunk->GetValue(0, row).GetValue<int64_t>());
  return keys;
}

size_t LakeTest::files_on_disk() const {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(warehouse() + "/lake/t/data"))
    count += entry.is_regular_file();
  return count;
}

}  // namespace headrace
