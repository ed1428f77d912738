// What the lake's tests share: a warehouse in a temporary folder, the real steward, and a sink driven as the engine
// drives it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "lake/iceberg_sink.h"
#include "lake/lake.h"

namespace headrace {

/// The folder that holds python/headrace.
inline std::filesystem::path repository() {
  std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe");
  while (folder.has_relative_path() && !std::filesystem::exists(folder / "python/headrace"))
    folder = folder.parent_path();
  return folder;
}

/// An interpreter with PyIceberg: HEADRACE_PYTHON, the repository's environment, or python3.
inline std::string interpreter() {
  if (const char* chosen = std::getenv("HEADRACE_PYTHON")) return chosen;
  std::filesystem::path own = repository() / ".venv/bin/python";
  return std::filesystem::exists(own) ? own.string() : "python3";
}

class FakeClock final : public Clock {
 public:
  int64_t now_us() const override { return 0; }
  int64_t steady_ns() const override { return now_ns; }
  int64_t now_ns = 0;
};

/// What is durable of a pipeline with one sink: the checkpoint.
struct Checkpoint {
  uint64_t epoch = 0;
  uint64_t generation = 1;
  std::string prepared;
};

class LakeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "lake_test_XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    use_lake_python(interpreter(), {(repository() / "python").string()});
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string warehouse() const { return folder + "/lake"; }
  IcebergSinkOptions options() const { return {.table = "lake.t", .warehouse = warehouse(), .partitioned_by = {}}; }

  std::unique_ptr<IcebergSink> make_sink(const IcebergSinkOptions& chosen, SchemaRef columns) {
    SinkContext context;
    context.name = "out";
    context.schema = std::move(columns);
    context.clock = &clock;
    auto sink = IcebergSink::make(chosen, context);
    EXPECT_TRUE(sink.ok()) << sink.error().text();
    return sink.ok() ? std::move(sink).value() : nullptr;
  }
  std::unique_ptr<IcebergSink> make_sink() { return make_sink(options(), schema); }

  CommitIdentity identity(const Checkpoint& checkpoint) const {
    return {.lineage = lineage, .sink = "out", .generation = checkpoint.generation, .epoch = Epoch{checkpoint.epoch}};
  }
  Result<> open(IcebergSink& sink, const Checkpoint& checkpoint) const {
    return sink.open({.last = identity(checkpoint), .prepared = checkpoint.prepared});
  }

  /// Rows (k, 'v<k>').
  Batch rows(const std::vector<int64_t>& keys) const {
    Batch batch = Batch::make(schema);
    for (size_t i = 0; i < keys.size(); ++i) {
      batch.chunk.SetValue(0, i, duckdb::Value::BIGINT(keys[i]));
      batch.chunk.SetValue(1, i, duckdb::Value("v" + std::to_string(keys[i])));
    }
    batch.chunk.SetCardinality(keys.size());
    return batch;
  }

  /// Writes and prepares the next epoch, and makes the checkpoint durable.
  Checkpoint prepare(IcebergSink& sink, const Checkpoint& before, const std::vector<int64_t>& keys) {
    Checkpoint next{before.epoch + 1, before.generation, ""};
    if (!keys.empty()) {
      EXPECT_TRUE(sink.write(rows(keys)).ok());
    }
    Result<std::string> prepared = sink.prepare(identity(next));
    EXPECT_TRUE(prepared.ok()) << prepared.error().text();
    if (prepared.ok()) next.prepared = *prepared;
    return next;
  }
  Result<> commit(IcebergSink& sink, const Checkpoint& checkpoint) {
    return sink.commit(identity(checkpoint), checkpoint.prepared);
  }

  /// The first column of what a reader sees, sorted.
  std::vector<int64_t> visible() const;
  size_t files_on_disk() const;

  FakeClock clock;
  std::string folder;
  std::string lineage = "11111111-aaaa-4bbb-8ccc-222222222222";
  SchemaRef schema =
      std::make_shared<const Schema>(std::vector<Field>{{"k", LogicalType::BIGINT}, {"v", LogicalType::VARCHAR}});
};

}  // namespace headrace
