#include "plan/planner.h"

#include <algorithm>
#include <functional>
#include <set>

#include "base/text.h"
#include "data/format.h"
#include "plan/relation_builder.h"
#include "plan/unbounded_state.h"

namespace headrace {
namespace {

std::map<std::string, std::string> option_values(const OptionTexts& options) {
  std::map<std::string, std::string> out;
  for (const auto& [key, option] : options) out[key] = option.value;
  return out;
}

std::vector<BoundColumn> bound_columns(const Output& output) {
  std::vector<BoundColumn> out;
  for (const Column& column : output.columns) out.push_back({column.name, column.type});
  return out;
}

/// Names that stand twice get numbers, as DuckDB's views and tables give them: id, id_1.
void tell_names_apart(std::vector<Column>& columns) {
  std::set<std::string> taken;
  for (Column& column : columns) {
    const std::string name = column.name;
    for (size_t number = 1; !taken.insert(lower_case(column.name)).second; ++number)
      column.name = name + "_" + std::to_string(number);
  }
}

class Planner {
 public:
  Planner(const Project& project, FunctionHost* functions)
      : project_(project), functions_(functions), builder_(out_.plan) {}

  Planned run(const std::vector<Statement>& statements) {
    Result<std::unique_ptr<SqlSession>> session = SqlSession::open();
    if (!session) {
      out_.errors.push_back(std::move(session).error());
      return std::move(out_);
    }
    out_.session = *std::move(session);
    add_functions();
    for (const Statement& statement : statements) note_late(statement);
    for (const Statement& statement : statements) plan(statement);
    check_contracts();
    sort();
    spread_on_error();
    out_.warnings = unbounded_state(out_.plan);
    return std::move(out_);
  }

 private:
  void fail(Error error, const Location& at) {
    if (error.at.file.empty()) error.at = at;
    out_.errors.push_back(std::move(error));
  }

  void add_functions() {
    if (functions_ == nullptr) return;
    const UserFunctions by_name = functions_by_name(*functions_);
    auto settle_function = [&](const std::string& name, Result<> added) {
      const FunctionDescription& function = by_name.at(lower_case(name)).description();
      settle(std::move(added), {function.file, function.line, 0});
    };
    const SqlFunctions all = sql_functions(*functions_);
    for (const ScalarFunctionSpec& spec : all.scalars) settle_function(spec.name, out_.session->add_function(spec));
    for (const AggregateFunctionSpec& spec : all.aggregates)
      settle_function(spec.name, out_.session->add_function(spec));
    for (const TableFunctionSpec& spec : all.tables) settle_function(spec.name, out_.session->add_function(spec));
    for (const ProcessFunctionSpec& spec : all.processes) settle_function(spec.name, out_.session->add_function(spec));
    builder_.set_functions(by_name);
  }

  /// Statements may read late(x) before or after the window that makes rows late: all are looked through first.
  void note_late(const Statement& statement) {
    const SqlText* select = nullptr;
    if (auto* view = std::get_if<CreateView>(&statement)) select = &view->select;
    if (auto* sink = std::get_if<CreateSink>(&statement)) select = &sink->select;
    if (select == nullptr) return;
    constexpr std::string_view call = "headrace_late('";
    for (size_t at = select->text.find(call); at != std::string::npos; at = select->text.find(call, at + 1)) {
      size_t begin = at + call.size();
      builder_.want_late(select->text.substr(begin, select->text.find('\'', begin) - begin));
    }
  }

  void plan(const Statement& statement) {
    std::visit(overloaded{[&](const CreateSource& s) { settle(source(s), s.at); },
                          [&](const CreateView& s) { settle(view(s), s.at); },
                          [&](const CreateSink& s) { settle(sink(s), s.at); },
                          [&](const CreateAlert& s) { settle(alert(s), s.at); },
                          [&](const CreateFunction& s) { settle(function(s), s.at); }},
               statement);
  }

  void settle(Result<> result, const Location& at) {
    if (!result) fail(std::move(result).error(), at);
  }

  /// An error inside a piece of SQL gets the piece's place, moved to where DuckDB saw it.
  Error placed(Error error, const SqlText& sql) {
    if (!error.at.file.empty()) return error;
    int32_t byte = error.at.column;
    error.at = byte > 0 ? sql.locate(static_cast<size_t>(byte - 1)) : sql.at;
    return error;
  }

  Result<> define(const std::string& name, Input from) {
    Output output = builder_.output_of(from);
    tell_names_apart(output.columns);
    HEADRACE_TRY(out_.session->add_relation(name, bound_columns(output)));
    builder_.define(name, from);
    names_.push_back(name);
    return {};
  }

  Result<std::unique_ptr<BoundRelation>> bind(const SqlText& sql) {
    Result<std::unique_ptr<BoundRelation>> bound = out_.session->bind_select(sql.text);
    if (!bound) return with_nearest(placed(std::move(bound).error(), sql));
    return bound;
  }

  Result<Input> build(const BoundRelation& query, const SqlText& sql, const std::string& name, const Location& at,
                      const EmitText& emit) {
    builder_.begin(name, at, emit);
    Result<Input> built = builder_.build(query);
    if (!built) return placed(std::move(built).error(), sql);
    return built;
  }

  Result<Input> select(const SqlText& sql, const std::string& name, const Location& at, const EmitText& emit) {
    HEADRACE_ASSIGN(const std::unique_ptr<BoundRelation> query, bind(sql));
    return build(*query, sql, name, at, emit);
  }

  Error with_nearest(Error error) {
    if (error.code != Code::unknown_relation || !error.remedy.empty()) return error;
    size_t name = error.message.find("with name ");
    if (name == std::string::npos) return error;
    std::string wanted = error.message.substr(name + 10, error.message.find(' ', name + 10) - name - 10);
    std::string nearest = nearest_name(wanted, names_);
    error.message = "there is no source or view '" + wanted + "'";
    error.remedy = nearest.empty() ? "define it in a statement above" : "did you mean '" + nearest + "'?";
    return error;
  }

  Result<> source(const CreateSource& statement) {
    if (statement.name == one_row_name)
      return user_error(Code::bad_config, "what constants are read from is called '" + statement.name + "'")
          .with_remedy("give the source another name");
    SourceNode node;
    std::vector<Field> fields;
    for (const ColumnText& column : statement.columns) {
      Result<LogicalType> type = out_.session->parse_type(column.type);
      if (!type) return Error(std::move(type).error()).with_location(column.at);
      fields.push_back({column.name, *type, !column.not_null});
    }
    node.declared = Schema(std::move(fields));
    for (size_t i = 0; i < node.declared.size(); ++i) {
      node.delivered.push_back(i);
      node.output.columns.push_back({node.declared[i].name, node.declared[i].type});
    }
    for (const std::string& key : statement.primary_key) {
      std::optional<size_t> column = node.declared.find(key);
      if (!column) return user_error(Code::unknown_column, "PRIMARY KEY names a column that is not there: " + key);
      node.primary_key.push_back(*column);
    }
    require_key(node);
    node.options = option_values(statement.options);
    auto connector = node.options.find("connector");
    if (connector != node.options.end()) node.connector = connector->second;
    node.options.erase("connector");
    HEADRACE_TRY(take_on_error(statement.name, statement.options));
    if (statement.watermark_column) HEADRACE_TRY(watermark(statement, node));
    HEADRACE_TRY(contract(statement, node));
    builder_.begin(statement.name, statement.at, {});
    auto format = node.options.find("format");
    if (format != node.options.end() && tells_changes(format->second)) node.output.changelog = Changelog::retract;
    if (node.primary_key.empty()) return define(statement.name, builder_.add(std::move(node)));
    node.output.changelog = Changelog::upsert;
    node.output.key = node.primary_key;
    NormalizeNode changes;
    changes.output = node.output;
    changes.key = node.primary_key;
    changes.inputs = {builder_.add(std::move(node))};
    return define(statement.name, builder_.add(std::move(changes)));
  }

  /// A row without its key names nothing.
  static void require_key(SourceNode& node) {
    std::vector<Field> fields = node.declared.fields();
    for (size_t column : node.primary_key) fields[column].nullable = false;
    node.declared = Schema(std::move(fields));
  }

  Result<> watermark(const CreateSource& statement, SourceNode& node) {
    std::optional<size_t> column = node.declared.find(*statement.watermark_column);
    if (!column)
      return user_error(Code::unknown_column,
                        "WATERMARK FOR names a column that is not there: " + *statement.watermark_column);
    const LogicalType& type = node.declared[*column].type;
    if (type.id() != LogicalTypeId::TIMESTAMP && type.id() != LogicalTypeId::TIMESTAMP_TZ)
      return user_error(Code::bad_time_column, "WATERMARK FOR " + *statement.watermark_column + ": the column is " +
                                                   type.ToString() + ", not a TIMESTAMP");
    Result<Expr> expression = out_.session->bind_expression(statement.watermark.text, bound_columns(node.output));
    if (!expression) return placed(std::move(expression).error(), statement.watermark);
    if (expression->type().id() != type.id())
      return user_error(Code::bad_time_column,
                        "the watermark expression gives " + expression->type().ToString() + ", not " + type.ToString());
    node.watermark = WatermarkRule{*column, *expression};
    node.output.columns[*column].role = TimeRole::event_time;
    node.output.watermark = true;
    return {};
  }

  /// Binds the expectations of the source's contract, if it has one.
  Result<> contract(const CreateSource& statement, SourceNode& node) {
    auto extra_fields = node.options.find("extra_fields");
    node.reject_extra_fields = extra_fields != node.options.end() && extra_fields->second == "quarantine";
    for (const Contract& contract : project_.contracts) {
      if (!same_name(contract.source, statement.name)) continue;
      contracts_used_.insert(&contract);
      node.reject_extra_fields = node.reject_extra_fields || contract.reject_extra_fields;
      for (const std::string& name : contract.not_null) {
        std::optional<size_t> column = node.declared.find(name);
        if (!column)
          return user_error(Code::bad_contract, "not_null names a column that is not there: " + name)
              .with_location(contract.at);
        std::vector<Field> fields = node.declared.fields();
        fields[*column].nullable = false;
        node.declared = Schema(std::move(fields));
      }
      for (const Expectation& expectation : contract.expectations) {
        Result<Expr> condition =
            out_.session->bind_expression("NOT (" + expectation.condition + "\n)", bound_columns(node.output));
        if (!condition) return Error(std::move(condition).error()).with_location(expectation.at);
        node.expectations.push_back({expectation.name, expectation.condition, *condition, expectation.action});
      }
    }
    return {};
  }

  /// Notes the statement's own on_error, if it has one.
  Result<> take_on_error(const std::string& name, const OptionTexts& options) {
    auto option = options.find("on_error");
    if (option == options.end()) return {};
    const std::string& word = option->second.value;
    if (word != "quarantine" && word != "null" && word != "fail")
      return user_error(Code::bad_config, "on_error = '" + word + "' is none of quarantine, null, fail")
          .with_location(option->second.at);
    on_error_[lower_case(name)] = word == "null" ? OnError::null : word == "fail" ? OnError::fail : OnError::quarantine;
    return {};
  }

  /// Each node follows its statement's on_error; where that says nothing, what its inputs agree in.
  void spread_on_error() {
    std::vector<Node>& nodes = out_.plan.nodes;
    for (Node& node : nodes) {
      NodeBase& base = base_of(node);
      if (auto own = on_error_.find(lower_case(base.name)); own != on_error_.end()) {
        base.on_error = own->second;
        continue;
      }
      if (base.inputs.empty()) continue;
      const auto of = [&](const Input& input) { return base_of(nodes[input.node.value]).on_error; };
      const bool agree = std::all_of(base.inputs.begin(), base.inputs.end(),
                                     [&](const Input& input) { return of(input) == of(base.inputs[0]); });
      if (agree) base.on_error = of(base.inputs[0]);
    }
  }

  Result<> view(const CreateView& statement) {
    HEADRACE_TRY(take_on_error(statement.name, statement.options));
    for (const auto& [key, option] : statement.options)
      if (key != "on_error")
        return user_error(Code::unknown_option, "a view has no option '" + key + "'")
            .with_remedy("the options are on_error; others stand with sources and sinks")
            .with_location(option.at);
    HEADRACE_ASSIGN(std::unique_ptr<BoundRelation> query, bind(statement.select));
    HEADRACE_ASSIGN(Input input, build(*query, statement.select, statement.name, statement.at, statement.emit));
    if (!statement.materialized) {
      if (statement.emit.is_default()) builder_.define_query(statement.name, statement.at, std::move(query));
      return define(statement.name, input);
    }
    ViewNode node;
    node.inputs = {input};
    node.output = builder_.output_of(input);
    tell_names_apart(node.output.columns);
    node.emit = statement.emit;
    return define(statement.name, builder_.add(std::move(node)));
  }

  Result<> sink(const CreateSink& statement) {
    HEADRACE_ASSIGN(Input input, select(statement.select, statement.name, statement.at, statement.emit));
    SinkNode node;
    node.inputs = {input};
    node.output = builder_.output_of(input);
    tell_names_apart(node.output.columns);
    node.options = option_values(statement.options);
    auto connector = node.options.find("connector");
    if (connector == node.options.end())
      return user_error(Code::bad_config, "a sink needs a connector")
          .with_remedy("add connector = 'file', 'iceberg', 'print' or 'blackhole' to WITH");
    node.connector = connector->second;
    node.options.erase("connector");
    HEADRACE_TRY(take_on_error(statement.name, statement.options));
    node.options.erase("on_error");
    HEADRACE_TRY(check_changes(statement, node));
    builder_.add(std::move(node));
    return {};
  }

  /// What the sink can take must hold what the query gives.
  Result<> check_changes(const CreateSink& statement, const SinkNode& node) {
    if (node.connector == "blackhole" || node.connector == "print") return {};
    auto option = node.options.find("changes");
    std::string changes = option == node.options.end() ? "append" : option->second;
    const Output& output = node.output;
    if (changes == "append" && output.changelog != Changelog::append)
      return user_error(Code::changelog_mismatch, "sink '" + statement.name +
                                                      "' appends, but its query gives changes (" +
                                                      std::string(word_of(output.changelog)) + ")")
          .with_remedy("write changes = 'upsert' with key = '...', or changes = 'retract'; or " +
                       std::string(builder_.follows_clock(node.inputs[0])
                                       ? "keep it in a materialized view, or compare with an event time, not with now()"
                                       : "close the result with a window"));
    if (changes != "upsert") return {};
    auto key = node.options.find("key");
    if (key == node.options.end())
      return user_error(Code::bad_config, "changes = 'upsert' needs a key")
          .with_remedy("add key = 'column, ...' to WITH");
    std::set<std::string> given;
    for (const std::string& name : split_names(key->second)) {
      if (!output.schema()->find(name))
        return user_error(Code::unknown_column, "key names a column that is not there: " + name);
      given.insert(lower_case(name));
    }
    std::set<std::string> own;
    for (size_t column : output.key) own.insert(lower_case(output.columns[column].name));
    bool holds = !own.empty() && std::includes(given.begin(), given.end(), own.begin(), own.end());
    if (output.changelog != Changelog::append && !holds) {
      std::string names;
      for (const std::string& name : own) names += (names.empty() ? "" : ", ") + name;
      return user_error(Code::key_mismatch, "the key of sink '" + statement.name + "' is not a key of its query")
          .with_remedy(names.empty() ? "write changes = 'retract'"
                                     : "write key = '" + names + "', or changes = 'retract'");
    }
    return {};
  }

  Result<> alert(const CreateAlert& statement) {
    builder_.begin(statement.name, statement.at, {});
    // The view is read through a SELECT, so that its name is resolved and missed as everywhere.
    HEADRACE_ASSIGN(Input input, select({"SELECT * FROM \"" + statement.view + "\"", statement.at}, statement.name,
                                        statement.at, {}));
    AlertNode node;
    node.inputs = {input};
    node.output = builder_.output_of(input);
    Result<Expr> condition = out_.session->bind_expression(statement.condition.text, bound_columns(node.output));
    if (!condition) return placed(std::move(condition).error(), statement.condition);
    node.condition = *condition;
    node.for_ms = statement.for_ms;
    node.options = option_values(statement.options);
    if (node.options.count("webhook")) node.webhook = node.options.at("webhook");
    for (const auto& [key, option] : statement.options) {
      if (key == "webhook" || key == "description" || key == "severity") continue;
      return user_error(Code::unknown_option, "an alert has no option '" + key + "'")
          .with_remedy("known: webhook, description, severity")
          .with_location(option.at);
    }
    builder_.add(std::move(node));
    return {};
  }

  Result<> function(const CreateFunction& statement) {
    if (functions_ != nullptr)
      for (const FunctionDescription& known : functions_->functions())
        if (same_name(known.name, statement.name)) return {};
    return user_error(Code::unknown_function, "there is no function '" + statement.name + "' in " + statement.file);
  }

  void check_contracts() {
    for (const Contract& contract : project_.contracts)
      if (!contracts_used_.count(&contract))
        fail(user_error(Code::bad_contract, "the contract is for '" + contract.source + "', which is not a source")
                 .with_remedy("set source = to one of the project's sources"),
             contract.at);
  }

  /// Puts nodes into topological order and numbers them again: late() may be read before the window that feeds it.
  void sort() {
    std::vector<Node>& nodes = out_.plan.nodes;
    std::vector<uint32_t> number(nodes.size(), UINT32_MAX);
    std::vector<Node> sorted;
    std::function<void(uint32_t)> visit = [&](uint32_t at) {
      if (number[at] != UINT32_MAX) return;
      for (const Input& input : base_of(nodes[at]).inputs) visit(input.node.value);
      number[at] = static_cast<uint32_t>(sorted.size());
      sorted.push_back(std::move(nodes[at]));
    };
    // A moved-from node is never visited again, so its inputs are read only once.
    for (uint32_t at = 0; at < nodes.size(); ++at) visit(at);
    for (uint32_t at = 0; at < sorted.size(); ++at) {
      NodeBase& node = base_of(sorted[at]);
      node.id = NodeId{at};
      for (Input& input : node.inputs) input.node = NodeId{number[input.node.value]};
    }
    nodes = std::move(sorted);
  }

  const Project& project_;
  FunctionHost* functions_;
  Planned out_;
  RelationBuilder builder_;
  std::vector<std::string> names_;
  std::map<std::string, OnError> on_error_;  ///< By statement, where it has one.
  std::set<const Contract*> contracts_used_;
};

}  // namespace

Planned plan_project(const Project& project, const std::vector<Statement>& statements, FunctionHost* functions) {
  return Planner(project, functions).run(statements);
}

}  // namespace headrace
