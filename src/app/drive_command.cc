// `headrace drive`: a project whose sources are fed, and whose time is moved, by lines of JSON on standard input. Each
// line is answered by one line on standard output. What the pytest plug-in (python/headrace/testing.py) talks to.
#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "app/command.h"
#include "app/fed_source.h"
#include "base/json_text.h"
#include "base/log_line.h"
#include "base/text.h"
#include "codec/encoder.h"
#include "connect/spec.h"
#include "serve/query.h"
#include "serve/render.h"

namespace headrace {
namespace {

namespace json = boost::json;

/// Stands still but when it is moved.
class DrivenClock final : public Clock {
 public:
  int64_t now_us() const override { return now_us_; }
  int64_t steady_ns() const override { return now_us_ * 1000; }
  void advance_to(int64_t now_us) { now_us_ = std::max(now_us_, now_us); }

 private:
  int64_t now_us_ = 0;
};

/// Every source is fed with JSON records; what it would be opened with falls away, what judges its rows stays.
void make_fed(std::vector<Statement>& statements) {
  for (Statement& statement : statements) {
    auto* source = std::get_if<CreateSource>(&statement);
    if (source == nullptr) continue;
    OptionTexts kept{{"connector", {"fed", source->at}}};
    for (const ConfigField& field : common_source_fields)
      if (auto given = source->options.find(std::string(field.name)); given != source->options.end())
        kept.insert(*given);
    source->options = std::move(kept);
  }
}

class Driver {
 public:
  explicit Driver(ProjectOptions options) : options_(std::move(options)) {
    std::string pattern = (std::filesystem::temp_directory_path() / "headrace-drive-XXXXXX").string();
    options_.state = ::mkdtemp(pattern.data());
  }
  ~Driver() {
    subscriptions_.clear();
    engine_.reset();
    std::error_code error;
    std::filesystem::remove_all(options_.state, error);
  }

  std::vector<Error> open() {
    PipelineOptions pipeline = options_.pipeline();
    pipeline.clock = &clock_;
    if (pipeline.shards == 0) pipeline.shards = 1;
    LoadedProject loaded = load_project(options_.directory, options_.profile);
    std::vector<Error> errors = std::move(loaded.errors);
    std::vector<Statement> statements;
    for (const ProjectFile& file : loaded.project.sql) {
      ParsedFile parsed = parse_statements(file.text, file.path);
      std::move(parsed.errors.begin(), parsed.errors.end(), std::back_inserter(errors));
      std::move(parsed.statements.begin(), parsed.statements.end(), std::back_inserter(statements));
    }
    make_fed(statements);
    // A test looks at views; what a sink writes outside is not its business.
    std::erase_if(statements, [](const Statement& statement) { return std::holds_alternative<CreateSink>(statement); });
    if (!errors.empty()) return errors;
    CheckedProject project = check_statements(pipeline, std::move(loaded.project), statements);
    if (!project.errors.empty()) return project.errors;
    engine_ = std::make_unique<Engine>(pipeline, std::move(project));
    if (Result<> prepared = engine_->prepare(); !prepared) return {prepared.error()};
    for (const ViewInfo& view : engine_->views()) {
      Result<std::shared_ptr<void>> subscribed = engine_->subscribe(
          view.name, std::nullopt, [this, name = lower_case(view.name), key = view.key](const ViewChanges& changes) {
            for (const auto& batch : changes.batches) note(name, key, *batch);
          });
      if (subscribed) subscriptions_.push_back(*subscribed);
    }
    if (Result<> stepped = engine_->step(); !stepped) return {stepped.error()};
    return {};
  }

  Result<std::string> answer(const json::object& request) {
    if (const json::value* feed = request.if_contains("feed")) return this->feed(feed->as_object());
    if (const json::value* time = request.if_contains("advance_to")) {
      const int64_t ms = time->as_int64();
      clock_.advance_to(ms * 1000);
      engine_->advance_to(EventTime{ms});
      HEADRACE_TRY(engine_->step());
      return std::string("{}");
    }
    if (request.contains("end")) {
      for (const SourceInfo& source : engine_->sources()) fed_logs()[lower_case(source.name)].ended = true;
      HEADRACE_TRY(engine_->step());
      return std::string("{}");
    }
    if (const json::value* view = request.if_contains("changes")) {
      const std::string name = lower_case(std::string_view(view->as_string()));
      if (noted_.count(name) == 0 && !has_view(name))
        return user_error(Code::not_found, "there is no view '" + name + "'");
      return fmt::format("{{\"changes\":[{}]}}", std::exchange(noted_[name], {}));
    }
    if (const json::value* sql = request.if_contains("query")) return query(std::string(sql->as_string()));
    if (request.contains("quarantine")) return quarantine();
    return user_error(Code::bad_request, "the line asks for nothing that is known");
  }

 private:
  bool has_view(const std::string& name) const {
    for (const ViewInfo& view : engine_->views())
      if (same_name(view.name, name)) return true;
    return false;
  }

  Result<std::string> feed(const json::object& request) {
    const std::string name = lower_case(std::string_view(request.at("source").as_string()));
    std::vector<std::string> known;
    for (const SourceInfo& source : engine_->sources()) known.push_back(lower_case(source.name));
    if (std::find(known.begin(), known.end(), name) == known.end())
      return user_error(Code::not_found, "there is no source '" + name + "'")
          .with_remedy("did you mean '" + nearest_name(name, known) + "'?");
    std::string piece;
    for (const json::value& row : request.at("rows").as_array()) piece += json::serialize(row) + "\n";
    fed_logs()[name].pieces.push_back(std::move(piece));
    HEADRACE_TRY(engine_->step());
    return std::string("{}");
  }

  Result<std::string> query(const std::string& sql) {
    ServerOptions limits;
    limits.state_directory = options_.state;
    HEADRACE_ASSIGN(std::unique_ptr<QueryEngine> queries, QueryEngine::open(*engine_, limits));
    HEADRACE_ASSIGN(RowTable rows, queries->run(sql, {}));
    HEADRACE_ASSIGN(Response answer, table_response(rows, "application/json", limits.query_bytes_max));
    return answer.body;
  }

  std::string quarantine() const {
    std::string out = "{\"rows\":[";
    for (const QuarantineRow& row : engine_->quarantine(0, INT64_MAX))
      out += fmt::format("{}{{\"source\":{},\"row\":{},\"code\":{},\"name\":{},\"reason\":{},\"late\":{}}}",
                         out.back() == '[' ? "" : ",", json_string(row.source), json_string(row.bytes),
                         static_cast<int>(row.code), json_string(name_of(row.code)), json_string(row.reason), row.late);
    return out + "]}";
  }

  /// Notes changes as JSON: a row that goes and one of the same key that comes are an update.
  void note(const std::string& view, const std::vector<size_t>& key, const Batch& batch) {
    auto same_key = [&](int64_t a, int64_t b) {
      for (size_t column : key)
        if (!duckdb::Value::NotDistinctFrom(batch.chunk.GetValue(column, a), batch.chunk.GetValue(column, b)))
          return false;
      return !key.empty();
    };
    std::string& out = noted_[view];
    auto append = [&](const char* kind, int64_t row) {
      out += fmt::format("{}[\"{}\",{}]", out.empty() ? "" : ",", kind, row_json(batch, row));
    };
    for (int64_t row = 0; row < batch.rows(); ++row) {
      if (batch.diff(row) < 0 && row + 1 < batch.rows() && batch.diff(row + 1) > 0 && same_key(row, row + 1)) {
        append("-U", row);
        append("+U", ++row);
        continue;
      }
      for (int32_t i = 0; i < std::abs(batch.diff(row)); ++i) append(batch.diff(row) > 0 ? "+I" : "-D", row);
    }
  }

  ProjectOptions options_;
  DrivenClock clock_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::shared_ptr<void>> subscriptions_;
  std::map<std::string, std::string> noted_;  ///< By view: changes as the members of a JSON array.
};

std::string error_json(const Error& error) {
  return fmt::format("{{\"error\":{{\"code\":{},\"message\":{},\"remedy\":{},\"at\":{}}}}}",
                     static_cast<int>(error.code), json_string(error.message), json_string(error.remedy),
                     json_string(error.at.text()));
}

}  // namespace

int drive_command(const ProjectOptions& options) {
  register_fed_connector();
  set_log(LogLevel::error, true);
  Driver driver(options);
  std::vector<Error> errors = driver.open();
  std::printf("%s\n", errors.empty() ? "{}" : error_json(errors.front()).c_str());
  std::fflush(stdout);
  if (!errors.empty()) return exit_wrong;
  for (std::string line; std::getline(std::cin, line);) {
    boost::system::error_code unread;
    const json::value request = json::parse(line, unread);
    Result<std::string> answer = unread || !request.is_object()
                                     ? user_error(Code::bad_request, "the line is not a JSON object")
                                     : driver.answer(request.as_object());
    std::printf("%s\n", answer ? answer->c_str() : error_json(answer.error()).c_str());
    std::fflush(stdout);
  }
  return exit_ok;
}

}  // namespace headrace
