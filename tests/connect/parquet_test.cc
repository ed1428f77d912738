// Parquet in and out: rows in order, casts that lose nothing, damaged files said at open, commits exactly once.
#include "duck/parquet.h"

#include "connect/source_reader.h"

namespace headrace {
namespace {

const SchemaRef typed = schema_of({{"id", LogicalType::BIGINT, true},
                                   {"ts", LogicalType::TIMESTAMP, true},
                                   {"name", LogicalType::VARCHAR, true},
                                   {"tags", LogicalType::LIST(LogicalType::VARCHAR), true}});

/// Rows [0, rows) with narrower types than declared.
void write_rows(const std::string& path, int rows) {
  auto writer = ParquetWriter::make({{"NAME", LogicalType::VARCHAR},
                                     {"id", LogicalType::INTEGER},
                                     {"ts", LogicalType::TIMESTAMP_NS},
                                     {"tags", LogicalType::LIST(LogicalType::VARCHAR)}});
  ASSERT_TRUE(writer.ok()) << writer.error().text();
  for (int row = 0; row < rows;) {
    DataChunk chunk;
    chunk.Initialize(duckdb::Allocator::DefaultAllocator(),
                     {LogicalType::VARCHAR, LogicalType::INTEGER, LogicalType::TIMESTAMP_NS,
                      LogicalType::LIST(LogicalType::VARCHAR)});
    duckdb::idx_t filled = 0;
    for (; row < rows && filled < 2048; ++row, ++filled) {
      chunk.SetValue(0, filled,
                     row % 5 ? duckdb::Value("name " + std::to_string(row)) : duckdb::Value(LogicalType::VARCHAR));
      chunk.SetValue(1, filled, duckdb::Value::INTEGER(row));
      chunk.SetValue(2, filled, duckdb::Value::TIMESTAMPNS(duckdb::timestamp_ns_t(row - 1)));
      chunk.SetValue(3, filled, duckdb::Value::LIST(LogicalType::VARCHAR, {duckdb::Value(std::to_string(row))}));
    }
    chunk.SetCardinality(filled);
    ASSERT_TRUE((*writer)->append(chunk).ok());
  }
  ASSERT_TRUE((*writer)->write(path).ok());
}

TEST(Parquet, AnyStopAndRestoreGivesTheSameRows) {
  TestFolder folder;
  write_rows(folder.path() + "/a.parquet", 30'000);
  write_rows(folder.path() + "/b.parquet", 1);
  write_rows(folder.path() + "/c.parquet", 20'000);
  SourceReader whole{typed, {{"path", "*.parquet"}, {"format", "parquet"}}, folder.path()};
  const Result<> opened = whole.open("file");
  ASSERT_TRUE(opened.ok()) << opened.error().text();
  ASSERT_TRUE(whole.finish().ok());
  EXPECT_EQ(whole.records, 50'001);
  EXPECT_TRUE(
      whole.rows.starts_with("{\"id\":0,\"ts\":\"1969-12-31 23:59:59.999999\",\"name\":null,\"tags\":[\"0\"]}\n"
                             "{\"id\":1,\"ts\":\"1970-01-01 00:00:00\",\"name\":\"name 1\",\"tags\":[\"1\"]}\n"))
      << whole.rows.substr(0, 300);
  SourceReader parts{typed, whole.options, folder.path()};
  std::optional<Position> position;
  for (bool ended = false; !ended;) {
    ASSERT_TRUE(parts.open("file", position).ok());
    auto polled = parts.poll(1);
    ASSERT_TRUE(polled.ok());
    ended = polled->end_of_input;
    position = parts.source->position();
  }
  EXPECT_TRUE(parts.rows == whole.rows);
}

TEST(Parquet, APausedSplitIsReadLater) {
  TestFolder folder;
  write_rows(folder.path() + "/a.parquet", 30'000);
  write_rows(folder.path() + "/b.parquet", 30'000);
  SourceReader reader{typed, {{"path", "*.parquet"}, {"format", "parquet"}, {"splits", "file"}}, folder.path()};
  ASSERT_TRUE(reader.open("file").ok());
  auto polled = reader.poll(1);
  EXPECT_EQ(polled->backlog, (std::vector<uint32_t>{0, 1}));
  ASSERT_TRUE(reader.source->pause({true}));
  polled = reader.poll(100 << 20);
  for (const Morsel& morsel : polled->morsels) EXPECT_EQ(morsel.split, 1u);
  EXPECT_EQ(polled->backlog, (std::vector<uint32_t>{0}));
  EXPECT_FALSE(polled->end_of_input);
  ASSERT_TRUE(reader.source->pause({}));
  polled = reader.poll(100 << 20);
  EXPECT_TRUE(polled->end_of_input);
  EXPECT_EQ(reader.records, 60'000);
}

TEST(Parquet, DamagedFilesAndOtherTypesAreSaidAtOpen) {
  TestFolder folder;
  write_rows(folder.path() + "/a.parquet", 5'000);
  const std::string bytes = folder.read("a.parquet");
  folder.write("cut.parquet", bytes.substr(0, bytes.size() / 2));
  folder.write("empty.parquet", "");
  for (const char* name : {"cut.parquet", "empty.parquet"}) {
    SourceReader reader{typed, {{"path", name}, {"format", "parquet"}}, folder.path()};
    const Error error = reader.open("file").error();
    EXPECT_EQ(error.code, Code::truncated_input);
    EXPECT_NE(error.message.find(name), std::string::npos);
  }
  const SchemaRef narrow = schema_of({{"id", LogicalType::SMALLINT, true}});
  SourceReader reader{narrow, {{"path", "a.parquet"}, {"format", "parquet"}}, folder.path()};
  EXPECT_NE(reader.open("file").error().message.find("column id is of type INTEGER, which is declared as SMALLINT"),
            std::string::npos);
  const SchemaRef missing = schema_of({{"nosuch", LogicalType::SMALLINT, true}});
  SourceReader other{missing, {{"path", "a.parquet"}, {"format", "parquet"}}, folder.path()};
  EXPECT_EQ(other.open("file").error().code, Code::bad_config);
  const SchemaRef strict = schema_of({{"name", LogicalType::VARCHAR, false}});
  SourceReader quarantining{strict, {{"path", "a.parquet"}, {"format", "parquet"}}, folder.path()};
  ASSERT_TRUE(quarantining.open("file").ok());
  ASSERT_TRUE(quarantining.finish().ok());
  EXPECT_EQ(quarantining.records, 5'000);
  EXPECT_TRUE(quarantining.rejected.starts_with("a.parquet:1 3004\na.parquet:6 3004\n"));
}

std::unique_ptr<Sink> retracting_sink(const TestFolder& folder, const SchemaRef& schema, std::vector<size_t> key = {}) {
  const std::map<std::string, std::string> given{
      {"path", "out.parquet"}, {"format", "parquet"}, {"changes", "retract"}};
  Options options = check_options("sink out", (*find_connector("file"))->sink_fields, given).value();
  SinkContext context;
  context.name = "out";
  context.options = &options;
  context.schema = schema;
  context.key = std::move(key);
  context.append_only = false;
  context.project_directory = folder.path();
  context.state_directory = folder.path() + "/.state";
  return (*find_connector("file"))->make_sink(context).value();
}

std::string ids_in(const TestFolder& folder, const LogicalType& type = LogicalType::BIGINT) {
  const SchemaRef with_op = schema_of({{"op", LogicalType::VARCHAR, true}, {"id", type, true}});
  SourceReader reader{with_op, {{"path", "out.parquet"}, {"format", "parquet"}}, folder.path()};
  const Result<> opened = reader.open("file");
  EXPECT_TRUE(opened.ok()) << opened.error().text();
  EXPECT_TRUE(reader.finish().ok());
  return reader.rows;
}

TEST(Parquet, TheSinkTellsUpdatesByTheKey) {
  TestFolder folder;
  const SchemaRef schema = schema_of({{"id", LogicalType::BIGINT, true}});
  auto sink = retracting_sink(folder, schema, {0});
  ASSERT_TRUE(sink->open({}).ok());
  Batch batch = Batch::make(schema);
  for (const int64_t id : {1, 2, 2, 3, 4}) {
    batch.chunk.SetValue(0, batch.chunk.size(), duckdb::Value::BIGINT(id));
    batch.chunk.SetCardinality(batch.chunk.size() + 1);
  }
  batch.diffs = {1, -1, 1, -1, 1};
  ASSERT_TRUE(sink->write(batch).ok());
  const CommitIdentity first{"l", "out", 1, Epoch{1}};
  ASSERT_TRUE(sink->commit(first, sink->prepare(first).value()).ok());
  EXPECT_EQ(ids_in(folder),
            "{\"op\":\"+I\",\"id\":1}\n{\"op\":\"-U\",\"id\":2}\n{\"op\":\"+U\",\"id\":2}\n"
            "{\"op\":\"-D\",\"id\":3}\n{\"op\":\"+I\",\"id\":4}\n");
}

TEST(Parquet, TheSinkWritesJsonAsTheTextThatItIs) {
  TestFolder folder;
  const SchemaRef schema =
      schema_of({{"id", LogicalType::JSON(), true}, {"more", LogicalType::LIST(LogicalType::JSON()), true}});
  auto sink = retracting_sink(folder, schema);
  ASSERT_TRUE(sink->open({}).ok());
  Batch batch = Batch::make(schema);
  batch.chunk.SetValue(0, 0, duckdb::Value("no JSON{"));
  batch.chunk.SetValue(1, 0, duckdb::Value(schema->fields()[1].type));
  batch.chunk.SetCardinality(1);
  ASSERT_TRUE(sink->write(batch).ok());
  const CommitIdentity first{"l", "out", 1, Epoch{1}};
  const Result<std::string> prepared = sink->prepare(first);
  ASSERT_TRUE(prepared.ok()) << prepared.error().text();
  ASSERT_TRUE(sink->commit(first, *prepared).ok());
  EXPECT_EQ(ids_in(folder, LogicalType::VARCHAR), "{\"op\":\"+I\",\"id\":\"no JSON{\"}\n");
}

TEST(Parquet, TheSinkShowsWhatIsCommitted) {
  TestFolder folder;
  const SchemaRef schema = schema_of({{"id", LogicalType::BIGINT, true}, {"ts", LogicalType::TIMESTAMP, true}});
  const auto make = [&] { return retracting_sink(folder, schema); };
  const auto rows = [&] { return ids_in(folder); };
  const auto batch = [&](int64_t from, std::vector<int32_t> diffs) {
    Batch out = Batch::make(schema);
    for (size_t i = 0; i < diffs.size(); ++i) {
      out.chunk.SetValue(0, i, duckdb::Value::BIGINT(from + static_cast<int64_t>(i)));
      out.chunk.SetValue(1, i, duckdb::Value(LogicalType::TIMESTAMP));
    }
    out.chunk.SetCardinality(diffs.size());
    out.diffs = std::move(diffs);
    return out;
  };
  const CommitIdentity first{"l", "out", 1, Epoch{1}};
  auto sink = make();
  ASSERT_TRUE(sink->open({}).ok());
  EXPECT_EQ(rows(), "");
  ASSERT_TRUE(sink->write(batch(1, {1, -1, 2})).ok());
  const std::string prepared = sink->prepare(first).value();
  EXPECT_EQ(rows(), "");
  const std::string expected =
      "{\"op\":\"+I\",\"id\":1}\n{\"op\":\"-D\",\"id\":2}\n{\"op\":\"+I\",\"id\":3}\n{\"op\":\"+I\",\"id\":3}\n";
  for (int again = 0; again < 2; ++again) {
    sink = make();
    ASSERT_TRUE(sink->open({first, prepared}).ok());
    EXPECT_EQ(rows(), expected);
    ASSERT_TRUE(sink->write(batch(9, {1})).ok());
    ASSERT_TRUE(sink->prepare({"l", "out", 1, Epoch{2}}).ok());
  }
  sink = make();
  ASSERT_TRUE(sink->open({first, prepared}).ok());
  ASSERT_TRUE(sink->write(batch(7, {1})).ok());
  ASSERT_TRUE(sink->commit(first, sink->prepare({"l", "out", 1, Epoch{2}}).value()).ok());
  EXPECT_EQ(rows(), expected + "{\"op\":\"+I\",\"id\":7}\n");
}

}  // namespace
}  // namespace headrace
