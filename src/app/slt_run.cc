#include "app/slt_run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <sstream>

#include "app/command.h"
#include "app/fed_source.h"
#include "base/json_text.h"
#include "base/text.h"
#include "serve/query.h"

namespace headrace {
namespace {

// ---- Text of rows ----

/// Values as golden tests write them: NULL, texts as they stand, times of the first day of 1970 as HH:MM:SS.
std::string value_text(const duckdb::Value& value) {
  if (value.IsNull()) return "NULL";
  std::string text = value.ToString();
  constexpr std::string_view day = "1970-01-01 ";
  if (value.type().id() == LogicalTypeId::TIMESTAMP || value.type().id() == LogicalTypeId::TIMESTAMP_TZ)
    if (text.rfind(day, 0) == 0) text = text.substr(day.size());
  return text;
}

std::string row_text(const DataChunk& chunk, size_t row) {
  std::string out;
  for (size_t column = 0; column < chunk.ColumnCount(); ++column)
    out += (column ? " " : "") + value_text(chunk.GetValue(column, row));
  return out;
}

/// A row of a feed as one NDJSON record.
std::string feed_record(const std::string& line, const Schema& schema) {
  if (line[0] == '{') return line;
  std::istringstream words(line);
  std::string word, out = "{";
  for (const Field& field : schema.fields()) {
    if (!(words >> word)) break;
    if (out.size() > 1) out += ",";
    out += json_string(field.name) + ":";
    const bool time = field.type.id() == LogicalTypeId::TIMESTAMP || field.type.id() == LogicalTypeId::TIMESTAMP_TZ;
    if (word == "NULL")
      out += "null";
    else if (time && word.size() > 2 && word[2] == ':')
      out += json_string("1970-01-01 " + word);
    else if (field.type.IsNumeric() || field.type.id() == LogicalTypeId::BOOLEAN)
      out += word;
    else
      out += json_string(word);
  }
  return out + "}";
}

// ---- One run ----

class Run {
 public:
  Run(const std::vector<SltStep>& steps, const std::string& file, const SltWay& way, SltFunctions& hosts)
      : steps_(steps), file_(file), way_(way), hosts_(hosts) {
    std::string pattern = (std::filesystem::temp_directory_path() / "headrace-slt-XXXXXX").string();
    state_ = ::mkdtemp(pattern.data());
    fed_logs().clear();
  }
  ~Run() {
    engine_.reset();
    std::error_code error;
    std::filesystem::remove_all(state_, error);
  }

  std::vector<std::string> run() {
    for (const SltStep& step : steps_) {
      using Kind = SltStep::Kind;
      if (step.kind == Kind::functions) functions(step);
      if (step.kind == Kind::statement) statement(step);
      if (step.kind == Kind::functions || step.kind == Kind::statement) continue;
      if (!engine_ && !open()) return failures_;
      switch (step.kind) {
        case Kind::feed:
          feed(step);
          break;
        case Kind::backlog:
          backlog(step);
          break;
        case Kind::end:
          for (auto& [name, log] : fed_logs()) log.ended = true;
          drain(step);
          break;
        case Kind::changes:
          changes(step);
          break;
        case Kind::query:
          query(step, step.text);
          break;
        case Kind::late:
          query(step, "SELECT * FROM headrace_late_" + lower_case(step.name));
          break;
        case Kind::quarantine:
          quarantine(step);
          break;
        case Kind::functions:
        case Kind::statement:
          break;
      }
    }
    return failures_;
  }

 private:
  void fail(const SltStep& step, const std::string& what) {
    failures_.push_back(fmt::format("{}:{}: [{}] {}", file_, step.line, way_.name, what));
  }

  PipelineOptions options() const {
    PipelineOptions out;
    out.project_directory = std::filesystem::path(file_).parent_path().string();
    out.state_directory = state_;
    out.shards = way_.restore ? 1 + restarts_ % 3 : way_.shards;
    out.python = python_interpreter();
    out.functions = functions_;
    out.source_drift_ms = way_.drift_ms;
    return out;
  }

  /// The functions of a folder's functions/*.py.
  void functions(const SltStep& step) {
    FunctionHostOptions host;
    host.python = python_interpreter();
    host.project_directory = (std::filesystem::path(file_).parent_path() / step.name).string();
    std::shared_ptr<FunctionHost>& started = hosts_[host.project_directory];
    if (started == nullptr) {
      Result<std::unique_ptr<FunctionHost>> made = start_function_host(host);
      if (!made) return fail(step, made.error().text());
      started = *std::move(made);
    }
    functions_ = started;
  }

  /// Makes statements that are fed into sources of the connector `fed`.
  static void make_fed(std::vector<Statement>& statements) {
    for (Statement& statement : statements)
      if (auto* source = std::get_if<CreateSource>(&statement); source && !source->options.count("connector"))
        source->options["connector"] = {"fed", source->at};
  }

  CheckedProject check(const std::vector<Statement>& statements) const {
    Project project;
    project.name = file_;
    project.directory = options().project_directory;
    return check_statements(options(), std::move(project), statements);
  }

  void statement(const SltStep& step) {
    std::string text = step.text;
    ParsedFile parsed = parse_statements(text, file_, ParseOptions{.sources_need_with = false});
    make_fed(parsed.statements);
    std::vector<Statement> all = statements_;
    all.insert(all.end(), parsed.statements.begin(), parsed.statements.end());
    std::vector<Error> errors = std::move(parsed.errors);
    if (errors.empty()) errors = check(all).errors;
    if (step.error_code == 0) {
      if (!errors.empty()) return fail(step, errors[0].text());
      statements_ = std::move(all);
      return;
    }
    if (errors.empty())
      return fail(step, fmt::format("expected error {}, but the statement is right", step.error_code));
    if (static_cast<int>(errors[0].code) != step.error_code)
      fail(step, fmt::format("expected error {}, got: {}", step.error_code, errors[0].text()));
  }

  /// Views over late(x) for what `late x` will look at.
  std::vector<Statement> with_late_views() const {
    std::vector<Statement> out = statements_;
    std::map<std::string, bool> wanted;
    for (const SltStep& step : steps_)
      if (step.kind == SltStep::Kind::late) wanted[lower_case(step.name)] = true;
    for (const auto& [name, yes] : wanted) {
      ParsedFile parsed =
          parse_statements("CREATE MATERIALIZED VIEW headrace_late_" + name +
                               " AS SELECT * EXCLUDE (late_operator, late_watermark) FROM late(" + name + ");",
                           file_);
      out.insert(out.end(), parsed.statements.begin(), parsed.statements.end());
    }
    return out;
  }

  bool open() {
    SltStep here = steps_.empty() ? SltStep() : steps_.front();
    CheckedProject project = check(with_late_views());
    if (!project.errors.empty()) {
      fail(here, project.errors[0].text());
      return false;
    }
    schemas_.clear();
    engine_ = std::make_unique<Engine>(options(), std::move(project));
    if (Result<> prepared = engine_->prepare(); !prepared) {
      fail(here, prepared.error().text());
      engine_.reset();
      return false;
    }
    for (const SourceInfo& source : engine_->sources()) schemas_[lower_case(source.name)] = source.schema;
    subscriptions_.clear();
    const std::optional<Tick> since =
        restarts_ > 0 ? std::optional<Tick>(engine_->status().durable_tick) : std::nullopt;
    for (const ViewInfo& view : engine_->views()) {
      Result<std::shared_ptr<void>> subscribed =
          engine_->subscribe(view.name, restored_at_ ? restored_at_ : since,
                             [this, name = lower_case(view.name), key = view.key](const ViewChanges& changes) {
                               for (const auto& batch : changes.batches) note(name, key, *batch);
                             });
      if (subscribed) subscriptions_.push_back(*subscribed);
    }
    return true;
  }

  /// Notes changes as text: neighbours -1, +1 of one key are an update.
  void note(const std::string& view, const std::vector<size_t>& key, const Batch& batch) {
    auto same_key = [&](int64_t a, int64_t b) {
      if (key.empty()) return batch.schema->size() > 0 && false;
      for (size_t column : key)
        if (!duckdb::Value::NotDistinctFrom(batch.chunk.GetValue(column, a), batch.chunk.GetValue(column, b)))
          return false;
      return true;
    };
    auto& out = noted_[view];
    for (int64_t row = 0; row < batch.rows(); ++row) {
      const std::string text = row_text(batch.chunk, static_cast<size_t>(row));
      if (batch.diff(row) < 0 && row + 1 < batch.rows() && batch.diff(row + 1) > 0 && same_key(row, row + 1)) {
        out.push_back({"-U", text});
        out.push_back({"+U", row_text(batch.chunk, static_cast<size_t>(++row))});
      } else {
        for (int32_t i = 0; i < std::abs(batch.diff(row)); ++i)
          out.push_back({batch.diff(row) > 0 ? "+I" : "-D", text});
      }
    }
  }

  void feed(const SltStep& step) {
    auto schema = schemas_.find(lower_case(step.name));
    if (schema == schemas_.end()) return fail(step, "there is no source " + step.name);
    std::string piece;
    for (const std::string& line : step.lines) {
      piece += feed_record(line, *schema->second) + "\n";
      if (!way_.row_by_row) continue;
      fed_logs()[lower_case(step.name)].pieces.push_back(std::exchange(piece, {}));
      drain(step);
    }
    if (way_.row_by_row) return;
    fed_logs()[lower_case(step.name)].pieces.push_back(piece);
    drain(step);
  }

  /// Rows that wait in their source: each is a poll's worth.
  void backlog(const SltStep& step) {
    auto schema = schemas_.find(lower_case(step.name));
    if (schema == schemas_.end()) return fail(step, "there is no source " + step.name);
    for (const std::string& line : step.lines)
      fed_logs()[lower_case(step.name)].pieces.push_back(feed_record(line, *schema->second) + "\n");
    waiting_ += step.lines.size();
  }

  /// Ticks until everything that waits is taken: with each comes at least one row of it.
  void drain(const SltStep& step) {
    for (size_t ticks = std::exchange(waiting_, 0) + 1; ticks > 0; --ticks) tick(step);
  }

  void tick(const SltStep& step) {
    if (!engine_) return;
    if (Result<> done = engine_->step(); !done) return fail(step, done.error().text());
    if (!way_.restore) return;
    if (Result<> saved = engine_->checkpoint_now(); !saved) return fail(step, saved.error().text());
    restored_at_ = engine_->published()->tick;
    subscriptions_.clear();
    engine_.reset();
    ++restarts_;
    open();
    // The views of a restored engine are shown from its first tick on.
    if (engine_)
      if (Result<> done = engine_->step(); !done) fail(step, done.error().text());
  }

  void compare(const SltStep& step, std::vector<std::string> got, std::vector<std::string> expected) {
    if (!step.ordered) {
      std::sort(got.begin(), got.end());
      std::sort(expected.begin(), expected.end());
    }
    if (got == expected) return;
    std::string text = "expected:";
    for (const std::string& line : expected) text += "\n    " + line;
    text += "\n  got:";
    for (const std::string& line : got) text += "\n    " + line;
    fail(step, text);
  }

  /// What is left of changes when opposite ones cancel out.
  static std::vector<std::string> net(const std::vector<std::pair<std::string, std::string>>& changes) {
    std::map<std::string, int> rows;
    for (const auto& [op, row] : changes) rows[row] += op[0] == '+' ? 1 : -1;
    std::vector<std::string> out;
    for (const auto& [row, count] : rows)
      for (int i = 0; i < std::abs(count); ++i) out.push_back((count > 0 ? "+ " : "- ") + row);
    return out;
  }

  void changes(const SltStep& step) {
    auto noted = std::exchange(noted_[lower_case(step.name)], {});
    if (way_.row_by_row) {
      std::vector<std::pair<std::string, std::string>> expected;
      for (const std::string& line : step.expected)
        expected.push_back({line.substr(0, 2), line.size() > 3 ? line.substr(3) : ""});
      return compare(step, net(noted), net(expected));
    }
    std::vector<std::string> got;
    for (const auto& [op, row] : noted) got.push_back(op + " " + row);
    compare(step, got, step.expected);
  }

  void query(const SltStep& step, const std::string& sql) {
    if (!engine_) return;
    ServerOptions limits;
    limits.state_directory = state_;
    Result<std::unique_ptr<QueryEngine>> queries = QueryEngine::open(*engine_, limits);
    if (!queries) return fail(step, queries.error().text());
    Result<RowTable> rows = (*queries)->run(sql, {});
    if (!rows) return fail(step, rows.error().text());
    std::vector<std::string> got;
    for (const auto& chunk : rows->chunks)
      for (size_t row = 0; row < chunk->size(); ++row) got.push_back(row_text(*chunk, row));
    compare(step, got, step.expected);
  }

  void quarantine(const SltStep& step) {
    if (!engine_) return;
    std::vector<std::string> got;
    for (const QuarantineRow& row : engine_->quarantine(0, 1'000'000))
      if (!row.late) got.push_back(fmt::format("{} {}", static_cast<int>(row.code), row.source));
    compare(step, got, step.expected);
  }

  const std::vector<SltStep>& steps_;
  const std::string file_;
  const SltWay way_;
  SltFunctions& hosts_;
  std::string state_;
  std::shared_ptr<FunctionHost> functions_;
  std::vector<Statement> statements_;
  std::unique_ptr<Engine> engine_;
  std::map<std::string, SchemaRef> schemas_;
  std::vector<std::shared_ptr<void>> subscriptions_;
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> noted_;
  std::optional<Tick> restored_at_;
  int32_t restarts_ = 0;
  size_t waiting_ = 0;  ///< Rows of backlogs.
  std::vector<std::string> failures_;
};

}  // namespace

std::vector<std::string> run_slt(const std::vector<SltStep>& steps, const std::string& file, const SltWay& way,
                                 SltFunctions& functions) {
  return Run(steps, file, way, functions).run();
}

}  // namespace headrace
