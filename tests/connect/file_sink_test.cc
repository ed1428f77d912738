// The file sink: what is visible is what is committed, whenever the process ends.
#include "connect/source_reader.h"

namespace headrace {
namespace {

const SchemaRef kv = schema_of({{"k", LogicalType::VARCHAR, true}, {"v", LogicalType::BIGINT, true}});

Batch batch_of(const std::vector<std::tuple<std::string, int64_t, int32_t>>& rows) {
  Batch batch = Batch::make(kv);
  for (const auto& [k, v, diff] : rows) {
    const auto row = batch.chunk.size();
    batch.chunk.data[0].SetValue(row, duckdb::Value(k));
    batch.chunk.data[1].SetValue(row, duckdb::Value::BIGINT(v));
    batch.chunk.SetCardinality(row + 1);
    batch.diffs.push_back(diff);
  }
  return batch;
}

struct SinkWriter {
  const TestFolder& folder;
  std::map<std::string, std::string> options;
  bool append_only = true;
  std::unique_ptr<Sink> sink = {};

  Result<> open(const SinkRestore& restore = {}) {
    HEADRACE_ASSIGN(const ConnectorSpec* spec, find_connector("file"));
    HEADRACE_ASSIGN(Options checked, check_options("sink out", spec->sink_fields, options));
    SinkContext context;
    context.name = "out";
    context.options = &checked;
    context.schema = kv;
    context.append_only = append_only;
    context.project_directory = folder.path();
    context.state_directory = folder.path() + "/.state";
    context.clock = &system_clock();
    HEADRACE_ASSIGN(sink, spec->make_sink(context));
    return sink->open(restore);
  }
  CommitIdentity identity(uint64_t epoch) const { return {"lineage", "out", 1, Epoch{epoch}}; }
  std::string commit(uint64_t epoch) {
    auto prepared = sink->prepare(identity(epoch));
    EXPECT_TRUE(prepared.ok()) << prepared.error().text();
    EXPECT_TRUE(sink->commit(identity(epoch), *prepared).ok());
    return *prepared;
  }
};

TEST(FileSink, ShowsWhatIsCommitted) {
  TestFolder folder;
  SinkWriter writer{folder, {{"path", "out.ndjson"}}};
  ASSERT_TRUE(writer.open().ok());
  ASSERT_TRUE(writer.sink->write(batch_of({{"a", 1, 1}, {"b", 2, 2}})).ok());
  EXPECT_EQ(folder.read("out.ndjson"), "");
  const std::string prepared = *writer.sink->prepare(writer.identity(1));
  EXPECT_EQ(folder.read("out.ndjson"), "");
  const std::string rows = "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}\n{\"k\":\"b\",\"v\":2}\n";

  // The process ends between prepare and commit; after that, after each of the next steps.
  for (int again = 0; again < 3; ++again) {
    ASSERT_TRUE(writer.open({writer.identity(1), prepared}).ok());
    EXPECT_EQ(folder.read("out.ndjson"), rows);
    ASSERT_TRUE(writer.sink->commit(writer.identity(1), prepared).ok());
    EXPECT_EQ(folder.read("out.ndjson"), rows);
    ASSERT_TRUE(writer.sink->write(batch_of({{"lost", 9, 1}})).ok());
    if (again == 1) {
      ASSERT_TRUE(writer.sink->prepare(writer.identity(2)).ok());
    }
    if (again == 2) folder.write("out.ndjson", "{\"half", true);
  }
  ASSERT_TRUE(writer.open({writer.identity(1), prepared}).ok());
  writer.commit(2);
  ASSERT_TRUE(writer.sink->write(batch_of({{"c", 3, 1}})).ok());
  writer.commit(3);
  EXPECT_EQ(folder.read("out.ndjson"), rows + "{\"k\":\"c\",\"v\":3}\n");
  ASSERT_TRUE(writer.open().ok());  // A new state directory: written anew.
  EXPECT_EQ(folder.read("out.ndjson"), "");
}

TEST(FileSink, CsvHasAHeaderAndQuotes) {
  TestFolder folder;
  SinkWriter writer{folder, {{"path", "deep/er/out.csv"}, {"format", "csv"}}};
  ASSERT_TRUE(writer.open().ok());
  EXPECT_EQ(folder.read("deep/er/out.csv"), "k,v\n");
  ASSERT_TRUE(writer.sink->write(batch_of({{"a,\"b\"\n", 1, 1}, {"", 2, 1}})).ok());
  const std::string prepared = writer.commit(1);
  ASSERT_TRUE(writer.open({writer.identity(1), prepared}).ok());
  writer.commit(2);
  EXPECT_EQ(folder.read("deep/er/out.csv"), "k,v\n\"a,\"\"b\"\"\n\",1\n\"\",2\n");
}

TEST(FileSink, UpsertWritesOneOperationPerKey) {
  TestFolder folder;
  SinkWriter writer{folder, {{"path", "out"}, {"changes", "upsert"}, {"key", "K"}}, false};
  ASSERT_TRUE(writer.open().ok());
  ASSERT_TRUE(writer.sink->write(batch_of({{"a", 1, 1}, {"b", 1, 1}, {"gone", 1, 1}})).ok());
  ASSERT_TRUE(writer.sink->write(batch_of({{"a", 2, 1}, {"a", 1, -1}, {"gone", 1, -1}})).ok());
  writer.commit(1);
  EXPECT_EQ(folder.read("out"), "{\"op\":\"+I\",\"k\":\"a\",\"v\":2}\n{\"op\":\"+I\",\"k\":\"b\",\"v\":1}\n");
  ASSERT_TRUE(writer.sink->write(batch_of({{"a", 2, -1}, {"a", 3, 1}, {"b", 1, -1}})).ok());
  writer.commit(2);
  EXPECT_TRUE(
      folder.read("out").ends_with("{\"op\":\"+U\",\"k\":\"a\",\"v\":3}\n{\"op\":\"-D\",\"k\":\"b\",\"v\":1}\n"));
}

TEST(FileSink, RefusesWhatCannotBeRight) {
  TestFolder folder;
  EXPECT_EQ((SinkWriter{folder, {{"path", "o"}}, false}).open().error().code, Code::changelog_mismatch);
  EXPECT_EQ((SinkWriter{folder, {{"path", "o"}, {"changes", "upsert"}}, false}).open().error().code, Code::bad_config);
  EXPECT_EQ((SinkWriter{folder, {{"path", "o"}, {"changes", "upsert"}, {"key", "zz"}}, false}).open().error().code,
            Code::key_mismatch);
  const Error error =
      (SinkWriter{folder, {{"path", "o"}, {"changes", "retract"}, {"op_column", "v"}}, false}).open().error();
  EXPECT_NE(error.remedy.find("op_column"), std::string::npos);
}

}  // namespace
}  // namespace headrace
