// The file source: the same records however it is cut, stopped and started again.
#include <zlib.h>

#include <random>

#include "connect/source_reader.h"

namespace headrace {
namespace {

const SchemaRef ab = schema_of({{"a", LogicalType::BIGINT, true}, {"b", LogicalType::VARCHAR, true}});

std::string ndjson_rows(int from, int to, size_t text_bytes = 40) {
  std::string out;
  for (int i = from; i < to; ++i) {
    out +=
        "{\"a\":" + std::to_string(i) + ",\"b\":\"" + std::string(static_cast<size_t>(i) % text_bytes, 'x') + "\"}\n";
  }
  return out;
}

std::string gzip(const std::string& bytes) {
  std::string out(bytes.size() + 1024, '\0');
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(FileSource, ReadsTheFilesOfAGlobInNameOrder) {
  TestFolder folder;
  folder.write("in/b.ndjson", ndjson_rows(2, 4));
  folder.write("in/a.ndjson", ndjson_rows(0, 2));
  folder.write("in/c.ndjson", "{\"a\":4,\"b\":\"xxxx\"}");
  folder.write("in/empty.ndjson", "");
  SourceReader reader{ab, {{"path", "in/*.ndjson"}}, folder.path()};
  ASSERT_TRUE(reader.open("file").ok());
  ASSERT_TRUE(reader.finish().ok());
  EXPECT_EQ(reader.rows, ndjson_rows(0, 5));
}

TEST(FileSource, AnyStopAndRestoreGivesTheSameRecords) {
  std::mt19937 random(3);
  for (const std::string kind : {"ndjson", "csv", "gzip", "splits"}) {
    TestFolder folder;
    std::map<std::string, std::string> options{{"path", "in/*"}};
    std::string csv = "b,a\n";
    for (int i = 0; i < 60'000; ++i)
      csv += "\"x\n" + std::to_string(i) + "\"," + std::to_string(i) + (i % 7 ? "\n" : "\r\n");
    for (const char* name : {"in/1", "in/2", "in/3"}) {
      folder.write(name, kind == "csv"    ? csv
                         : kind == "gzip" ? gzip(ndjson_rows(0, 60'000))
                                          : ndjson_rows(0, 60'000) + "broken\n");
    }
    if (kind == "csv") options["format"] = "csv";
    if (kind == "splits") options["splits"] = "file";
    SourceReader whole{ab, options, folder.path()};
    ASSERT_TRUE(whole.open("file").ok());
    ASSERT_TRUE(whole.finish().ok());
    ASSERT_EQ(whole.records, kind == "csv" || kind == "gzip" ? 180'000 : 180'003);

    std::optional<Position> position;
    SourceReader parts{ab, options, folder.path()};
    for (bool ended = false; !ended;) {
      ASSERT_TRUE(parts.open("file", position).ok());
      for (int polls = static_cast<int>(random() % 4); polls >= 0 && !ended; --polls) {
        auto polled = parts.poll(1 + static_cast<int64_t>(random() % 1'500'000));
        ASSERT_TRUE(polled.ok());
        ended = polled->end_of_input;
      }
      position = parts.source->position();
    }
    EXPECT_EQ(parts.rows.size(), whole.rows.size()) << kind;
    EXPECT_TRUE(parts.rows == whole.rows) << kind;
    EXPECT_EQ(parts.rejected, whole.rejected);

    // A second run over the same position adds nothing.
    ASSERT_TRUE(parts.open("file", position).ok());
    ASSERT_TRUE(parts.finish().ok());
    EXPECT_EQ(parts.rows.size(), whole.rows.size()) << kind;
  }
}

TEST(FileSource, APausedSplitIsReadLater) {
  for (const std::string mode : {"bounded", "follow"}) {
    TestFolder folder;
    for (const char* name : {"in/0", "in/1"}) folder.write(name, ndjson_rows(0, 30'000));  // Two morsels each.
    SourceReader reader{ab, {{"path", "in/*"}, {"splits", "file"}, {"mode", mode}}, folder.path()};
    ASSERT_TRUE(reader.open("file").ok());
    auto polled = reader.poll(1);
    ASSERT_EQ(polled->morsels.size(), 1u);
    EXPECT_EQ(polled->morsels[0].split, 0u);
    EXPECT_EQ(polled->backlog, (std::vector<uint32_t>{0, 1}));
    ASSERT_TRUE(reader.source->pause({true}));
    polled = reader.poll(10 << 20);
    EXPECT_GT(polled->morsels.size(), 1u);
    for (const Morsel& morsel : polled->morsels) EXPECT_EQ(morsel.split, 1u);
    EXPECT_EQ(polled->backlog, (std::vector<uint32_t>{0}));
    EXPECT_FALSE(polled->caught_up);
    EXPECT_FALSE(polled->end_of_input);
    ASSERT_TRUE(reader.source->pause({}));
    polled = reader.poll(10 << 20);
    for (const Morsel& morsel : polled->morsels) EXPECT_EQ(morsel.split, 0u);
    EXPECT_TRUE(polled->backlog.empty());
    EXPECT_TRUE(polled->caught_up);
    EXPECT_EQ(polled->end_of_input, mode == "bounded");
    EXPECT_EQ(reader.records, 60'000);
  }
}

TEST(FileSource, SaysWhereABrokenRecordStands) {
  TestFolder folder;
  folder.write("in/x.ndjson", ndjson_rows(0, 20'000) + "\n{\"a\":\"no\"}\n" + ndjson_rows(0, 20'000) + "{broken\n");
  SourceReader reader{ab, {{"path", "in/x.ndjson"}}, folder.path()};
  ASSERT_TRUE(reader.open("file").ok());
  ASSERT_TRUE(reader.finish().ok());
  EXPECT_EQ(reader.rejected, "in/x.ndjson:20002 3002\nin/x.ndjson:40003 3001\n");
}

TEST(FileSource, TruncatedGzipGivesItsWholeRecordsAndSaysSo) {
  TestFolder folder;
  const std::string packed = gzip(ndjson_rows(0, 50'000));
  folder.write("t.gz", packed.substr(0, packed.size() / 2));
  folder.write("u.gz", gzip(ndjson_rows(0, 3)) + gzip(ndjson_rows(3, 6)));
  SourceReader reader{ab, {{"path", "*.gz"}}, folder.path()};
  ASSERT_TRUE(reader.open("file").ok());
  ASSERT_TRUE(reader.finish().ok());
  EXPECT_GT(reader.records, 10'000);
  EXPECT_EQ(reader.rejected, "t.gz:" + std::to_string(reader.records - 6) + " 3011\n");
  EXPECT_TRUE(reader.rows.ends_with(ndjson_rows(0, 6)));
  const Position end = reader.source->position();
  SourceReader again{ab, {{"path", "*.gz"}}, folder.path()};
  ASSERT_TRUE(again.open("file", end).ok());
  ASSERT_TRUE(again.finish().ok());
  EXPECT_EQ(again.records, 0);
}

TEST(FileSource, AMissingFileIsSaidWhenOpened) {
  TestFolder folder;
  SourceReader reader{ab, {{"path", "in/*.ndjson"}}, folder.path()};
  const Result<> opened = reader.open("file");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::source_unavailable);
  EXPECT_FALSE(opened.error().remedy.empty());
}

TEST(FileSource, UnknownOptionsNameTheNearest) {
  SourceReader reader{ab, {{"path", "x"}, {"delimeter", ";"}}, "/tmp"};
  const Result<> opened = reader.open("file");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Code::unknown_option);
  EXPECT_NE(opened.error().message.find("did you mean 'delimiter'"), std::string::npos) << opened.error().message;
  EXPECT_EQ(find_connector("fil").error().code, Code::bad_config);
  EXPECT_NE(find_connector("fil").error().message.find("'file'"), std::string::npos);
}

TEST(FileSource, FollowHoldsBackAnUnfinishedRecord) {
  TestFolder folder;
  folder.write("in/1", "{\"a\":1}\n{\"a\"");
  SourceReader reader{ab, {{"path", "in/*"}, {"mode", "follow"}}, folder.path()};
  ASSERT_TRUE(reader.open("file").ok());
  ASSERT_TRUE(reader.poll().ok());
  EXPECT_EQ(reader.records, 1);
  auto polled = reader.poll();
  EXPECT_TRUE(polled->caught_up);
  EXPECT_FALSE(polled->end_of_input);
  EXPECT_GT(polled->wait_us, 0);
  folder.write("in/1", ":2}\n{\"a\":3}", true);
  ASSERT_TRUE(reader.poll().ok());
  EXPECT_EQ(reader.records, 2);
  folder.write("in/2", "{\"a\":4}\n");  // The next file of the glob ends the one before.
  while (reader.records < 4) ASSERT_TRUE(reader.poll().ok());
  EXPECT_EQ(reader.rows, "{\"a\":1,\"b\":null}\n{\"a\":2,\"b\":null}\n{\"a\":3,\"b\":null}\n{\"a\":4,\"b\":null}\n");
}

TEST(FileSource, FollowUntilEndStopsAtTheEndItFound) {
  TestFolder folder;
  folder.write("in", "{\"a\":1}\n{\"a\":2}");
  SourceReader reader{ab, {{"path", "in"}, {"mode", "follow"}}, folder.path(), true};
  ASSERT_TRUE(reader.open("file").ok());
  folder.write("in", "\n{\"a\":3}\n", true);
  ASSERT_TRUE(reader.finish().ok());
  EXPECT_EQ(reader.records, 2);
}

TEST(FileSource, ATruncatedFileIsAnError) {
  TestFolder folder;
  folder.write("in", ndjson_rows(0, 10));
  SourceReader reader{ab, {{"path", "in"}, {"mode", "follow"}}, folder.path()};
  ASSERT_TRUE(reader.open("file").ok());
  ASSERT_TRUE(reader.poll().ok());
  const Position position = reader.source->position();
  folder.write("in", "{\"a\":1}\n");
  auto polled = reader.poll();
  ASSERT_FALSE(polled.ok());
  EXPECT_EQ(polled.error().code, Code::source_unavailable);
  Result<> opened = reader.open("file", position);
  const bool refused = !opened.ok() || !reader.poll().ok();
  EXPECT_TRUE(refused);
}

TEST(FileSource, ACsvHeaderDecidesTheOrder) {
  TestFolder folder;
  folder.write("in.csv",
               "\xEF\xBB\xBF"
               "B;extra;A\r\nx;1;2\r\n\"y;\"\"\";;\n;;3\n");
  SourceReader reader{ab, {{"path", "in.csv"}, {"format", "csv"}, {"delimiter", ";"}}, folder.path()};
  ASSERT_TRUE(reader.open("file").ok());
  ASSERT_TRUE(reader.finish().ok());
  EXPECT_EQ(reader.rows, "{\"a\":2,\"b\":\"x\"}\n{\"a\":null,\"b\":\"y;\\\"\"}\n{\"a\":3,\"b\":null}\n");

  folder.write("bare.csv",
               "\xEF\xBB\xBF"
               "\"1\",\"x\ny\"\n2,z\n");
  SourceReader bare{ab, {{"path", "bare.csv"}, {"format", "csv"}, {"header", "false"}}, folder.path()};
  ASSERT_TRUE(bare.open("file").ok());
  ASSERT_TRUE(bare.finish().ok());
  EXPECT_EQ(bare.rows, "{\"a\":1,\"b\":\"x\\ny\"}\n{\"a\":2,\"b\":\"z\"}\n");

  folder.write("in.csv", "c,d\n1,2\n");
  SourceReader wrong{ab, {{"path", "in.csv"}, {"format", "csv"}}, folder.path()};
  Result<> opened = wrong.open("file");
  Error error = opened.ok() ? std::move(wrong.poll()).error() : std::move(opened).error();
  EXPECT_NE(error.message.find("the header lacks a, b; it has (c, d), the declared columns are (a, b)"),
            std::string::npos)
      << error.message;
}

}  // namespace
}  // namespace headrace
