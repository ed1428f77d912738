// The server over real sockets: endpoints, limits, access, event streams, and the end.
#include "serve/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <atomic>
#include <boost/json.hpp>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <thread>

#include "serve/access.h"
#include "serve/endpoint.h"
#include "serve/fake_pipeline.h"
#include "serve/http_client.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

SchemaRef scores_schema() {
  return std::make_shared<const Schema>(
      std::vector<Field>{{"card", LogicalType::VARCHAR}, {"score", LogicalType::BIGINT}});
}

Batch scores(const std::vector<std::pair<std::string, int64_t>>& rows, std::vector<int32_t> diffs = {}) {
  Batch out = Batch::make(scores_schema());
  for (size_t i = 0; i < rows.size(); ++i) {
    out.chunk.SetValue(0, i, duckdb::Value(rows[i].first));
    out.chunk.SetValue(1, i, duckdb::Value::BIGINT(rows[i].second));
  }
  out.chunk.SetCardinality(rows.size());
  out.diffs = std::move(diffs);
  return out;
}

std::vector<Batch> one(Batch batch) {
  std::vector<Batch> out;
  out.push_back(std::move(batch));
  return out;
}

std::shared_ptr<const Batch> shared(Batch batch) {
  return std::make_shared<const Batch>(std::move(batch));
}

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 32, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "headrace_serve_XXXXXX").string();
    options_.state_directory = ::mkdtemp(pattern.data());
    options_.listen = "127.0.0.1:0";
    options_.heartbeat_ms = 50;
    pipeline_.add_view(
        {.name = "Risky", .schema = scores_schema(), .key = {0}, .changelog = "upsert", .time_column = std::nullopt});
    pipeline_.add_source({.name = "tx", .connector = "http", .schema = scores_schema()});
    pipeline_.set_status([](PipelineStatus& status) {
      status.name = "fraud";
      status.running = true;
      status.nodes.resize(2);
      status.nodes[0].id = NodeId{1};
      status.nodes[0].rows_out = 5;
      status.nodes[1].id = NodeId{2};
      status.nodes[1].inputs = {NodeId{1}};
      status.sources.resize(1);
      status.sources[0].name = "tx";
      status.sources[0].connector = "http";
      status.sources[0].records_read = 5;
    });
    pipeline_.on_admit = [this](const std::string& source, std::string_view body, const std::string& format,
                                const std::string& key) -> Result<Admitted> {
      std::lock_guard lock(mutex_);
      bodies_.push_back(source + "|" + format + "|" + key + "|" + std::string(body));
      Admitted out;
      out.accepted = 1;
      out.position = static_cast<int64_t>(bodies_.size());
      return out;
    };
    publish();
  }
  void TearDown() override {
    server_.reset();
    fs::remove_all(options_.state_directory);
  }

  void publish() { pipeline_.publish("risky", one(scores({{"a", 3}, {"b", 5}, {"c", 9}})), {}); }
  HttpClient client() {
    if (!server_) {
      Result<std::unique_ptr<Server>> server = Server::start(pipeline_, options_);
      EXPECT_TRUE(server.ok()) << (server.ok() ? "" : server.error().text());
      server_ = std::move(server).value();
    }
    return HttpClient(server_->port());
  }
  static boost::json::value parsed(const std::string& text) { return boost::json::parse(text); }

  ServerOptions options_;
  FakePipeline pipeline_;
  std::mutex mutex_;
  std::vector<std::string> bodies_;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersSeveralRequestsOnOneConnection) {
  HttpClient http = client();
  EXPECT_EQ(http.get("/healthz").status, 200);
  EXPECT_EQ(http.get("/readyz").status, 200);
  EXPECT_EQ(http.get("/nothing").status, 404);
  HttpAnswer wrong = http.request("DELETE", "/v1/views");
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.headers["allow"], "GET");
  // Two at once: answered in their order.
  http.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /v1/views HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(http.read_answer().body, HasSubstr("ok"));
  EXPECT_THAT(http.read_answer().body, HasSubstr("Risky"));
}

TEST_F(ServerTest, TakesRowsPlainGzippedAndInChunks) {
  HttpClient http = client();
  HttpAnswer answer =
      http.post("/v1/sources/tx", "{\"a\":1}\n", "Content-Type: application/x-ndjson\r\nIdempotency-Key: k1\r\n");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(parsed(answer.body).at("accepted"), 1);
  EXPECT_EQ(http.post("/v1/sources/tx", gzipped("[{}]"), "Content-Encoding: gzip\r\n").status, 200);
  http.send(
      "POST /v1/sources/tx HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: "
      "chunked\r\n\r\n"
      "3\r\n{}\n\r\n2\r\n{}\r\n0\r\n\r\n");
  EXPECT_EQ(http.read_answer().status, 200);
  EXPECT_THAT(bodies_, ::testing::ElementsAre("tx|ndjson|k1|{\"a\":1}\n", "tx|json||[{}]", "tx|ndjson||{}\n{}"));
  EXPECT_EQ(http.post("/v1/sources/ty", "{}").status, 404);
  EXPECT_EQ(http.post("/v1/sources/tx", "{}", "Content-Type: text/plain\r\n").status, 415);
}

TEST_F(ServerTest, GivesTheErrorsOfTheDoor) {
  HttpClient http = client();
  for (auto [code, status] : std::vector<std::pair<Code, int>>{{Code::key_reused, 409},
                                                               {Code::overloaded, 429},
                                                               {Code::stopping, 503},
                                                               {Code::disk_full, 507},
                                                               {Code::internal, 500}}) {
    pipeline_.on_admit = [code](const std::string&, std::string_view, const std::string&,
                                const std::string&) -> Result<Admitted> {
      return Error{code, Blame::user, Retry::later, "why", "what to do", {}};
    };
    HttpAnswer answer = http.post("/v1/sources/tx", "[]");
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(parsed(answer.body).at("error").at("code"), static_cast<int>(code));
    EXPECT_EQ(parsed(answer.body).at("error").at("remedy"), "what to do");
    EXPECT_EQ(answer.headers.contains("retry-after"), status == 429 || status == 503);
  }
}

TEST_F(ServerTest, LimitsBodiesAndHeaders) {
  options_.max_body_bytes = 1000;
  options_.header_bytes_max = 2000;
  std::string large(1001, 'x');
  EXPECT_EQ(client().post("/v1/sources/tx", large).status, 413);
  EXPECT_EQ(client().post("/v1/sources/tx", gzipped(std::string(100'000, ' ')), "Content-Encoding: gzip\r\n").status,
            413);
  EXPECT_EQ(client().post("/v1/sources/tx", gzipped("[{}]").substr(0, 12), "Content-Encoding: gzip\r\n").status, 400);
  EXPECT_EQ(client().post("/v1/sources/tx", "not gzip", "Content-Encoding: gzip\r\n").status, 400);
  EXPECT_EQ(client().post("/v1/sources/tx", "[]", "Content-Encoding: br\r\n").status, 415);
  EXPECT_EQ(client().get("/healthz", "X-Long: " + std::string(3000, 'x') + "\r\n").status, 400);
  HttpClient garbage = client();
  garbage.send("\x16\x03\x01\x02 this is not HTTP\r\n\r\n");
  EXPECT_EQ(garbage.read_answer().status, 400);
  EXPECT_EQ(client().get("/healthz").status, 200);
}

TEST_F(ServerTest, EndsSlowRequests) {
  options_.request_timeout_ms = 50;
  options_.idle_timeout_ms = 50;
  HttpClient slow = client();
  slow.send(
      "POST /v1/sources/tx HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
      "10\r\n\r\n[");
  EXPECT_EQ(slow.read_answer().status, 0);
  HttpClient silent = client();
  EXPECT_EQ(silent.read_answer().status, 0);
}

TEST_F(ServerTest, QueriesReadViewsAtOneTick) {
  HttpClient http = client();
  auto ask = [&](const std::string& sql, const std::string& more = "") {
    return http.post("/v1/sql", boost::json::serialize(boost::json::object{{"sql", sql}}), more);
  };
  HttpAnswer answer = ask("SELECT card, score FROM risky WHERE score > 3 ORDER BY card");
  EXPECT_EQ(
      answer.body,
      R"({"columns":[{"name":"card","type":"VARCHAR"},{"name":"score","type":"BIGINT"}],"rows":[["b",5],["c",9]],"tick":1,"durable_tick":0})");
  EXPECT_THAT(ask("SELECT count(*) FROM RISKY").body, HasSubstr("[[3]]"));
  EXPECT_THAT(ask("SELECT a.card FROM risky a JOIN risky b USING (card) ORDER BY 1").body,
              HasSubstr(R"([["a"],["b"],["c"]])"));
  EXPECT_THAT(ask("SELECT 1 / 0, 7 / 2").body, HasSubstr("[[null,3.5]]"));
  EXPECT_THAT(ask("SELECT sum(score) FROM risky").body, HasSubstr("\"type\":\"BIGINT\"}],\"rows\":[[17]]"));
  EXPECT_EQ(ask("SELECT card FROM risky ORDER BY card", "Content-Type: application/json\r\nAccept: text/csv\r\n").body,
            "card\na\nb\nc\n");
  EXPECT_THAT(http.post("/v1/sql", R"({"sql":"SELECT ? + $2, $3","parameters":[1,2.5,"x"]})").body,
              HasSubstr("[[3.5,\"x\"]]"));
  EXPECT_THAT(http.post("/v1/sql", R"({"sql":"SELECT $1 || $2","parameters":["a","b"]})").body,
              HasSubstr(R"([["ab"]])"));
  EXPECT_EQ(ask("SELECT 1", "Content-Type: application/json\r\nAccept: image/png\r\n").status, 406);
}

TEST_F(ServerTest, QueriesThatFailSayWhere) {
  options_.query_timeout_ms = 300;
  options_.query_rows_max = 10;
  HttpClient http = client();
  auto error = [&](const std::string& sql) {
    HttpAnswer answer = http.post("/v1/sql", boost::json::serialize(boost::json::object{{"sql", sql}}));
    EXPECT_EQ(answer.status, 400) << sql << answer.body;
    if (answer.status == 200) return boost::json::object{{"name", ""}, {"message", ""}, {"remedy", ""}, {"at", ""}};
    return parsed(answer.body).at("error").as_object();
  };
  auto unknown = error("SELECT *\nFROM risk");
  EXPECT_EQ(unknown.at("name"), "unknown_relation");
  EXPECT_EQ(unknown.at("remedy"), "did you mean 'Risky'?");
  EXPECT_EQ(unknown.at("at"), "query:2:6");
  EXPECT_EQ(error("SELECT nope FROM risky").at("name"), "unknown_column");
  EXPECT_EQ(error("SELECT nope FROM risky").at("at"), "query:1:8");
  std::string long_list;
  for (int i = 0; i < 60; ++i) long_list += "score + " + std::to_string(i) + ", ";
  EXPECT_EQ(error("SELECT 1,\n" + long_list + "nope FROM risky").at("at"),
            boost::json::value("query:2:" + std::to_string(long_list.size() + 1)));
  EXPECT_EQ(error("SELEC 1").at("name"), "syntax_error");
  EXPECT_THAT(std::string(error("SELECT count(*) FROM range(100000000000) a, range(1000) b").at("message").as_string()),
              HasSubstr("300 ms"));
  EXPECT_THAT(std::string(error("SELECT * FROM range(100)").at("message").as_string()), HasSubstr("10 rows"));
  for (const char* refused :
       {"CREATE TABLE t (a INT)", "COPY risky TO '/tmp/x.csv'", "SELECT 1; SELECT 2", "ATTACH '/tmp/x.db'",
        "SET threads = 8", "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd.csv'",
        "SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_parquet('headrace-lake:/etc/hostname')", "INSTALL httpfs", "LOAD httpfs",
        "PRAGMA database_list", "", "EXPLAIN SELECT 1"})
    error(refused);
  EXPECT_EQ(http.post("/v1/sql", "[]").status, 400);
  EXPECT_EQ(http.post("/v1/sql", "{").status, 400);
  EXPECT_EQ(http.post("/v1/sql", R"({"sql":1})").status, 400);
  EXPECT_EQ(http.post("/v1/sql", R"({"sql":"SELECT 1","parameter":[]})").status, 400);
}

TEST_F(ServerTest, AnAnswerThatIsTooLargeIsAnError) {
  options_.query_memory_bytes = 32 << 20;
  options_.query_bytes_max = 1 << 20;
  HttpClient http = client();
  auto ask = [&](const std::string& sql) {
    return http.post("/v1/sql", boost::json::serialize(boost::json::object{{"sql", sql}})).body;
  };
  EXPECT_THAT(ask("SELECT repeat('x', 2000) FROM range(100000)"), HasSubstr("bytes of memory"));
  EXPECT_THAT(ask("SELECT repeat('x', 2000000)"), HasSubstr("1048576 bytes"));
  EXPECT_THAT(ask("SELECT string_agg(repeat(i::VARCHAR, 100), '') FROM range(1000000) r(i)"),
              HasSubstr("query_failed"));
  EXPECT_EQ(http.get("/healthz").status, 200);
}

/// A Parquet file with one column a BIGINT and one row, 7 (written with pyarrow).
std::string parquet_of_seven() {
  std::string_view hex =
      "504152311504151015104c1502150012000007000000000000001500151215122c15021510150615061c0000000200000002010102001504"
      "192c3500"
      "1806736368656d6115020015042502180161001602191c191c26001c1504193500061019180161150016021664166426342608292c150415"
      "00150200"
      "150015101502003c2906192600020000001664160226081664002820706172717565742d6370702d6172726f772076657273696f6e203236"
      "2e302e31"
      "191c1c0000008400000050415231";
  std::string out;
  for (size_t i = 0; i < hex.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return out;
}

TEST_F(ServerTest, ReadsLakeTablesAndNoOtherFiles) {
  std::string given = options_.state_directory + "/part[1].parquet",
              other = options_.state_directory + "/other.parquet";
  std::ofstream(given, std::ios::binary) << parquet_of_seven();
  std::ofstream(other, std::ios::binary) << parquet_of_seven();
  options_.lake_files = [&](const std::string& table) -> Result<std::vector<std::string>> {
    if (table == "sevens") return std::vector<std::string>{given, given};
    return user_error(Code::unknown_relation, "there is no lake table '" + table + "'");
  };
  HttpClient http = client();
  auto ask = [&](const std::string& sql) {
    return http.post("/v1/sql", boost::json::serialize(boost::json::object{{"sql", sql}})).body;
  };
  EXPECT_THAT(ask("SELECT sum(a) AS a, count(*) FROM lake.sevens"), HasSubstr("[[14,2]]"));
  EXPECT_THAT(ask("SELECT count(*) FROM lake.sevens JOIN risky ON score > a"), HasSubstr("[[2]]"));
  EXPECT_THAT(ask("SELECT * FROM lake.nope"), HasSubstr("there is no lake table 'nope'"));
  for (const std::string& path : {given, other, options_.state_directory + "/*.parquet"}) {
    EXPECT_THAT(ask("SELECT * FROM read_parquet('" + path + "')"), HasSubstr("error"));
    EXPECT_THAT(ask("SELECT * FROM read_parquet('headrace-lake:" + path + "')"), HasSubstr("may not read"));
  }
  EXPECT_THAT(ask("SELECT * FROM lake.sevens, read_parquet('headrace-lake:" + other + "')"), HasSubstr("may not read"));
}

TEST_F(ServerTest, GivesViewsWithLimitAndOffset) {
  HttpClient http = client();
  boost::json::value views = parsed(http.get("/v1/views").body);
  EXPECT_EQ(views.at("views").at(0).at("key").at(0), "card");
  EXPECT_EQ(views.at("views").at(0).at("rows"), 3);
  EXPECT_THAT(http.get("/v1/views/risky?limit=1&offset=1").body, HasSubstr(R"("rows":[["b",5]])"));
  EXPECT_EQ(http.get("/v1/views/risky?limit=-1").status, 400);
  EXPECT_EQ(http.get("/v1/views/risky?limit=x").status, 400);
  EXPECT_EQ(http.get("/v1/views/risky?limt=1").status, 400);
  EXPECT_EQ(http.get("/v1/views/risky?limit=1&limit=2").status, 400);
  HttpAnswer missing = http.get("/v1/views/riski");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(parsed(missing.body).at("error").at("remedy"), "did you mean 'Risky'?");
}

TEST_F(ServerTest, AViewThatIsNotShownYetIsNotAnEmptyOne) {
  pipeline_.add_view(
      {.name = "later", .schema = scores_schema(), .key = {}, .changelog = "append", .time_column = std::nullopt});
  HttpClient http = client();
  EXPECT_EQ(http.get("/readyz").status, 503);
  for (const char* target : {"/v1/views/later", "/v1/views/later/changes"}) {
    HttpAnswer answer = http.get(target);
    EXPECT_EQ(answer.status, 429);
    EXPECT_TRUE(answer.headers.contains("retry-after"));
  }
  EXPECT_EQ(http.post("/v1/sql", R"({"sql":"SELECT * FROM later"})").status, 429);
  pipeline_.publish("later", {}, {});
  EXPECT_EQ(http.get("/readyz").status, 200);
  EXPECT_THAT(http.get("/v1/views/later").body, HasSubstr("\"rows\":[]"));
}

TEST_F(ServerTest, StreamsAViewsChanges) {
  HttpClient http = client();
  http.send("GET /v1/views/risky/changes HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(http.read_through("\r\n\r\n"), HasSubstr("text/event-stream"));
  http.read_through("event: ");
  EXPECT_EQ(http.read_through("\n\n"),
            "changes\ndata: "
            "{\"tick\":1,\"durable_tick\":0,\"snapshot\":true,\"changes\":[[\"+I\",{\"card\":\"a\",\"score\":3}],"
            "[\"+I\",{\"card\":\"b\",\"score\":5}],[\"+I\",{\"card\":\"c\",\"score\":9}]]}\nid: 1\n\n");
  pipeline_.publish("risky", one(scores({{"a", 4}})), {shared(scores({{"a", 3}, {"a", 4}, {"b", 5}}, {-1, 1, -1}))});
  http.read_through("event: ");
  EXPECT_EQ(http.read_through("\n\n"),
            "changes\ndata: "
            "{\"tick\":2,\"durable_tick\":1,\"changes\":[[\"-U\",{\"card\":\"a\",\"score\":3}],[\"+U\",{\"card\":\"a\","
            "\"score\":4}],"
            "[\"-D\",{\"card\":\"b\",\"score\":5}]]}\nid: 2\n\n");
  EXPECT_THAT(http.read_through(": heartbeat\n\n"), HasSubstr("heartbeat"));
  server_->stop();
  http.read_through("never");
  EXPECT_TRUE(http.ended());
  EXPECT_EQ(pipeline_.subscribers(), 0u);
}

TEST_F(ServerTest, ASlowSubscriberGetsTheViewAnew) {
  options_.subscriber_rows_max = 4;
  options_.heartbeat_ms = 60'000;
  HttpClient http = client();
  http.send("GET /v1/views/risky/changes?since=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
  http.read_through(": connected\n\n");
  // More than the mailbox takes in one go, before the subscriber's side can look: it holds whatever was there last.
  for (int i = 0; i < 200; ++i)
    pipeline_.publish("risky", one(scores({{"a", i}})), {shared(scores({{"a", i}, {"b", i}, {"c", i}}))});
  std::string text;
  while (text.find("\"snapshot\":true") == std::string::npos && !http.ended()) text += http.read_through("\n\n");
  EXPECT_THAT(text, HasSubstr("event: reset\n"));
  // From there on it is up to date again.
  pipeline_.publish("risky", one(scores({{"z", 1}})), {shared(scores({{"z", 1}}))});
  std::string after;
  while (after.find("\"z\"") == std::string::npos && !http.ended()) after += http.read_through("\n\n");
  EXPECT_FALSE(http.ended());
}

TEST_F(ServerTest, StreamsTheStatusAsPatches) {
  HttpClient http = client();
  http.send("GET /v1/pipeline/changes HTTP/1.1\r\nHost: localhost\r\n\r\n");
  http.read_through("data: ");
  boost::json::value whole = parsed(http.read_through("\n\n"));
  EXPECT_EQ(whole.at("nodes").at("1").at("rows_out"), 5);
  pipeline_.set_status([](PipelineStatus& status) { status.nodes[0].rows_out = 6; });
  http.read_through("data: ");
  EXPECT_EQ(http.read_through("\n\n"), "{\"nodes\":{\"1\":{\"rows_out\":6}}}\n\n");
  boost::json::value plan = parsed(client().get("/v1/pipeline").body);
  EXPECT_EQ(plan.at("edges").at(0).at("rows"), 6);
  EXPECT_EQ(plan.at("nodes").at(1).at("inputs").at(0), "1");
}

TEST_F(ServerTest, WantsATokenOnceThereIsOne) {
  HttpClient http = client();
  EXPECT_EQ(http.get("/v1/views").status, 200);
  server_.reset();
  std::string reader = create_token(options_.state_directory, Role::reader, system_clock()).value();
  std::string writer = create_token(options_.state_directory, Role::writer, system_clock()).value();
  EXPECT_EQ(fs::status(options_.state_directory + "/tokens.json").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
  std::ifstream file(options_.state_directory + "/tokens.json");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(file), {}), ::testing::Not(HasSubstr(reader)));
  HttpClient asked = client();
  EXPECT_EQ(asked.get("/healthz").status, 200);
  HttpAnswer refused = asked.get("/v1/views");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.headers["www-authenticate"], "Bearer");
  EXPECT_EQ(asked.get("/metrics").status, 401);
  EXPECT_EQ(asked.get("/v1/views", "Authorization: Bearer " + reader + "x\r\n").status, 401);
  EXPECT_EQ(asked.get("/v1/views", "Authorization: Bearer " + reader + "\r\n").status, 200);
  EXPECT_EQ(asked.post("/v1/sources/tx", "[]", "Authorization: Bearer " + reader + "\r\n").status, 403);
  HttpClient again = client();  // A refused body ends its connection.
  EXPECT_EQ(again.post("/v1/sources/tx", "[]", "Authorization: Bearer " + writer + "\r\n").status, 200);
  // A token made while the engine runs works at once.
  std::string later = create_token(options_.state_directory, Role::reader, system_clock()).value();
  EXPECT_EQ(again.get("/v1/views", "Authorization: Bearer " + later + "\r\n").status, 200);
  // Removing the file opens no door.
  fs::remove(options_.state_directory + "/tokens.json");
  EXPECT_EQ(again.get("/v1/views").status, 401);
}

TEST_F(ServerTest, SignsABrowserIn) {
  std::string token = create_token(options_.state_directory, Role::reader, system_clock()).value();
  HttpClient http = client();
  EXPECT_EQ(http.post("/v1/session", "{\"token\":\"wrong\"}").status, 401);
  HttpAnswer answer = http.post("/v1/session", "{\"token\":\"" + token + "\"}");
  EXPECT_EQ(answer.status, 204);
  std::string cookie = answer.headers["set-cookie"];
  EXPECT_THAT(cookie, HasSubstr("HttpOnly; SameSite=Strict"));
  EXPECT_THAT(cookie, ::testing::Not(HasSubstr(token)));
  EXPECT_EQ(http.get("/v1/views", "Cookie: a=b; " + cookie.substr(0, cookie.find(';')) + "\r\n").status, 200);
  EXPECT_EQ(http.get("/v1/views", "Cookie: headrace_session=0000\r\n").status, 401);
}

TEST_F(ServerTest, KeepsWebPagesFromElsewhereOut) {
  options_.allowed_hosts = {"headrace.example"};
  auto status = [&](const std::string& host, const std::string& origin) {
    HttpClient http = client();
    http.send("GET /v1/views HTTP/1.1\r\n" + (host.empty() ? "" : "Host: " + host + "\r\n") +
              (origin.empty() ? "" : "Origin: " + origin + "\r\n") + "\r\n");
    return http.read_answer().status;
  };
  EXPECT_EQ(status("localhost:8480", ""), 200);
  EXPECT_EQ(status("[::1]:8480", ""), 200);
  EXPECT_EQ(status("headrace.example", ""), 200);
  EXPECT_EQ(status("localhost:8480", "http://localhost:8480"), 200);
  EXPECT_EQ(status("rebound.example:8480", ""), 403);
  EXPECT_EQ(status("127.0.0.1.example", ""), 403);
  EXPECT_EQ(status("", ""), 403);
  EXPECT_EQ(status("localhost:8480", "http://localhost:3000"), 403);
  EXPECT_EQ(status("localhost:8480", "null"), 403);
}

TEST_F(ServerTest, RefusesToStartWhereItWouldBeOpenToAll) {
  options_.listen = "0.0.0.0:0";
  Result<std::unique_ptr<Server>> open = Server::start(pipeline_, options_);
  ASSERT_FALSE(open.ok());
  EXPECT_EQ(open.error().code, Code::bad_config);
  ASSERT_TRUE(create_token(options_.state_directory, Role::admin, system_clock()).ok());
  EXPECT_TRUE(Server::start(pipeline_, options_).ok());
}

TEST_F(ServerTest, NamesTheAddressThatIsTaken) {
  client();
  options_.listen = server_->address();
  Result<std::unique_ptr<Server>> second = Server::start(pipeline_, options_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::port_in_use);
  EXPECT_THAT(second.error().message, HasSubstr(options_.listen));
  EXPECT_THAT(second.error().remedy, HasSubstr("--listen"));
}

TEST_F(ServerTest, AnswersWhatIsInWorkBeforeItEnds) {
  std::mutex mutex;
  std::condition_variable changed;
  bool entered = false, go_on = false;
  pipeline_.on_admit = [&](const std::string&, std::string_view, const std::string&,
                           const std::string&) -> Result<Admitted> {
    std::unique_lock lock(mutex);
    entered = true;
    changed.notify_all();
    changed.wait(lock, [&] { return go_on; });
    return Admitted{};
  };
  HttpClient http = client(), idle = client();
  http.send(
      "POST /v1/sources/tx HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
      "2\r\n\r\n[]");
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return entered; });
  }
  std::thread stopper([&] { server_->stop(); });
  EXPECT_EQ(idle.read_answer().status, 0);  // Closed by the stop, so the stop has begun.
  {
    std::lock_guard lock(mutex);
    go_on = true;
    changed.notify_all();
  }
  HttpAnswer answer = http.read_answer();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers["connection"], "close");
  stopper.join();
}

TEST_F(ServerTest, ServesTheConsole) {
  options_.web_root = options_.state_directory + "/web";
  fs::create_directories(options_.web_root + "/assets");
  std::ofstream(options_.web_root + "/index.html") << "<!doctype html>";
  std::ofstream(options_.web_root + "/assets/a.js") << "1";
  HttpClient http = client();
  HttpAnswer page = http.get("/");
  EXPECT_EQ(page.body, "<!doctype html>");
  EXPECT_THAT(page.headers["content-security-policy"], HasSubstr("default-src 'none'"));
  EXPECT_EQ(http.get("/", "If-None-Match: " + page.headers["etag"] + "\r\n").status, 304);
  EXPECT_EQ(http.get("/pipeline/graph", "Accept: text/html\r\n").body, "<!doctype html>");
  EXPECT_EQ(http.get("/assets/a.js").headers["content-type"], "text/javascript; charset=utf-8");
  EXPECT_EQ(http.get("/assets/b.js", "Accept: text/html\r\n").status, 404);
  EXPECT_EQ(http.get("/v1/nothing", "Accept: text/html\r\n").status, 404);
  EXPECT_EQ(http.get("/../tokens.json").status, 404);
}

TEST_F(ServerTest, TellsMetricsDashboardsQuarantineAndAlerts) {
  options_.dashboards.push_back(
      {"dashboards/main.toml", "title = 'Fraud'\n[[tiles]]\nview = 'risky'\nkind = 'table'\n"});
  pipeline_.quarantine_rows.push_back({.id = 7,
                                       .source = "tx",
                                       .origin = "http:tx#3",
                                       .bytes = "{\xff",
                                       .code = Code::malformed_record,
                                       .reason = "why"});
  pipeline_.alert_rows.push_back({.alert = "high", .key = "{}", .state = "firing"});
  HttpClient http = client();
  std::string metrics = http.get("/metrics").body;
  EXPECT_THAT(metrics, HasSubstr("headrace_source_records_total{source=\"tx\",connector=\"http\"} 5"));
  EXPECT_THAT(http.get("/metrics").body,
              HasSubstr("headrace_http_requests_total{endpoint=\"getMetrics\",status=\"200\"} 1"));
  EXPECT_EQ(parsed(http.get("/v1/dashboards").body).at("dashboards").at(0).at("tiles").at(0).at("view"), "risky");
  EXPECT_EQ(parsed(http.get("/v1/dashboards").body).at("dashboards").at(0).at("name"), "main");
  EXPECT_EQ(parsed(http.get("/v1/quarantine").body).at("rows").at(0).at("id"), 7);
  EXPECT_EQ(parsed(http.get("/v1/quarantine?after=6&limit=1").body).at("next"), 7);
  EXPECT_TRUE(parsed(http.get("/v1/quarantine?after=7").body).at("rows").as_array().empty());
  boost::json::value replayed = parsed(
      http.post("/v1/quarantine/replay", R"({"ids":[7],"function":"risk"})", "Content-Type: application/json\r\n")
          .body);
  EXPECT_EQ(replayed.at("rows"), 1);
  EXPECT_EQ(replayed.at("skipped").at(0).at("id"), 9);
  ASSERT_EQ(pipeline_.replays.size(), 1U);
  EXPECT_EQ(pipeline_.replays[0].ids, (std::vector<int64_t>{7}));
  EXPECT_EQ(pipeline_.replays[0].function, "risk");
  EXPECT_EQ(http.post("/v1/quarantine/replay", R"({"ids":[]})", "Content-Type: application/json\r\n").status, 400);
  EXPECT_EQ(parsed(http.get("/v1/alerts").body).at("alerts").at(0).at("state"), "firing");
  EXPECT_EQ(http.get("/v1/functions").status, 200);
  EXPECT_EQ(parsed(http.get("/v1/status").body).at("name"), "fraud");
}

TEST_F(ServerTest, EveryEndpointStandsInTheDocument) {
  boost::json::value document = parsed(client().get("/openapi.json").body);
  for (const Endpoint& endpoint : all_endpoints()) {
    std::string method = endpoint.method == "GET" ? "get" : "post";
    EXPECT_TRUE(document.at("paths").at(endpoint.path).as_object().contains(method)) << endpoint.path;
  }
}

}  // namespace
}  // namespace headrace
