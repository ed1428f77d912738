#include "duck/session.h"

#include <duckdb.hpp>
#include <duckdb/execution/column_binding_resolver.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/parser/keyword_helper.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/planner/expression_binder.hpp>
#include <duckdb/planner/planner.hpp>

#include "duck/check_bound.h"
#include "duck/connection.h"
#include "duck/failure.h"
#include "duck/fold.h"
#include "duck/functions.h"
#include "duck/walk.h"

namespace headrace {
namespace {

std::string quoted(const std::string& name) {
  return duckdb::KeywordHelper::WriteQuoted(name, '"');
}

std::string lower(const std::string& name) {
  return duckdb::StringUtil::Lower(name);
}

/// Turns column bindings into positions. DuckDB's resolver does not look below a table function, where our windows have
/// their input.
void resolve_columns(duckdb::LogicalOperator& plan) {
  std::function<void(duckdb::LogicalOperator&)> below_functions = [&](duckdb::LogicalOperator& op) {
    for (auto& child : op.children) {
      below_functions(*child);
      if (op.type == duckdb::LogicalOperatorType::LOGICAL_GET) duckdb::ColumnBindingResolver().VisitOperator(*child);
    }
  };
  below_functions(plan);
  duckdb::ColumnBindingResolver().VisitOperator(plan);
}

class Session final : public SqlSession {
 public:
  Result<> start() {
    return guarded(Code::internal, [&]() -> Result<> {
      duckdb::DBConfig config;
      config.SetOptionByName("threads", duckdb::Value::BIGINT(1));
      config.SetOptionByName("autoinstall_known_extensions", duckdb::Value::BOOLEAN(false));
      config.SetOptionByName("autoload_known_extensions", duckdb::Value::BOOLEAN(false));
      database_ = std::make_unique<duckdb::DuckDB>(nullptr, &config);
      register_value_functions(*database_->instance);
      register_now_functions(*database_->instance);
      register_item_functions(*database_->instance);
      register_streaming_functions(*database_->instance, relations_);
      register_window_rows(*database_->instance);
      connection_ = std::make_unique<duckdb::Connection>(*database_);
      set_values(*connection_);
      connection_->BeginTransaction();
      return {};
    });
  }

  Result<> add_relation(const std::string& name, const std::vector<BoundColumn>& columns) override {
    if (!relations_->emplace(lower(name), columns).second)
      return user_error(Code::duplicate_name, "'" + name + "' is defined twice");
    std::string sql = "CREATE TABLE " + quoted(name) + " (";
    for (size_t i = 0; i < columns.size(); ++i)
      sql += (i ? ", " : "") + quoted(columns[i].name) + " " + columns[i].type.ToString();
    return create(sql + ")");
  }

  Result<> add_function(const ScalarFunctionSpec& spec) override {
    return register_function(*connection_->context, spec);
  }
  Result<> add_function(const AggregateFunctionSpec& spec) override {
    return register_function(*connection_->context, spec);
  }
  Result<> add_function(const TableFunctionSpec& spec) override {
    return register_function(*connection_->context, spec);
  }
  Result<> add_function(const ProcessFunctionSpec& spec) override {
    return register_function(*connection_->context, spec);
  }

  Result<std::unique_ptr<BoundRelation>> bind_select(const std::string& sql) override {
    return guarded(Code::bind_error, [&]() -> Result<std::unique_ptr<BoundRelation>> {
      renew_transaction();
      duckdb::ClientContext& context = *connection_->context;
      duckdb::Parser parser(context.GetParserOptions());
      parser.ParseQuery(sql);
      if (parser.statements.size() != 1 || parser.statements[0]->type != duckdb::StatementType::SELECT_STATEMENT)
        return user_error(Code::syntax_error, "expected one SELECT");
      if (!parser.statements[0]->named_param_map.empty())
        return user_error(Code::syntax_error, "a pipeline's SELECT takes no parameters");
      duckdb::Planner planner(context);
      planner.CreatePlan(std::move(parser.statements[0]));
      refuse_row_ids(*planner.plan);
      resolve_columns(*planner.plan);
      planner.plan->ResolveOperatorTypes();
      fold_constants(*planner.plan, context);
      refuse_what_cannot_run(*planner.plan, context);
      std::unique_ptr<BoundRelation> out = walk_plan(*planner.plan);
      for (size_t i = 0; i < planner.names.size() && i < out->columns.size(); ++i)
        out->columns[i].name = planner.names[i];
      return out;
    });
  }

  Result<Expr> bind_expression(const std::string& sql, const std::vector<BoundColumn>& columns) override {
    constexpr const char* relation = "headrace_row";
    std::string table = std::string("CREATE OR REPLACE TABLE ") + relation + " (";
    for (size_t i = 0; i < columns.size(); ++i)
      table += (i ? ", " : "") + quoted(columns[i].name) + " " + columns[i].type.ToString();
    HEADRACE_TRY(create(table + ")"));
    std::string prefix = "SELECT ";
    Result<std::unique_ptr<BoundRelation>> bound = bind_select(prefix + sql + "\n FROM " + relation);
    if (!bound) {
      Error error = std::move(bound).error();
      if (error.at.column > static_cast<int32_t>(prefix.size())) error.at.column -= static_cast<int32_t>(prefix.size());
      return error;
    }
    BoundRelation& project = **bound;
    if (project.kind != BoundRelation::Kind::project || project.expressions.size() != 1 || project.inputs.size() != 1 ||
        project.inputs[0]->kind != BoundRelation::Kind::scan)
      return user_error(Code::bind_error, "expected one scalar expression: " + sql);
    return project.expressions[0].remap(project.inputs[0]->scan_columns);
  }

  Result<LogicalType> parse_type(const std::string& text) override {
    return guarded(Code::bind_error, [&]() -> Result<LogicalType> {
      renew_transaction();
      LogicalType type = duckdb::TransformStringToLogicalType(text, *connection_->context);
      if (type.id() == LogicalTypeId::INVALID || type.id() == LogicalTypeId::UNBOUND)
        return user_error(Code::bind_error, "unknown type " + text);
      return type;
    });
  }

  std::unique_ptr<EvaluationContext> make_context() override { return std::make_unique<ConnectionContext>(*database_); }

 private:
  /// A transaction is open all the time: some bound expressions (list_sort) look into the catalogue when they are
  /// copied. Each bind begins a new one, which sees what was created before it; nothing is ever written in it.
  void renew_transaction() {
    connection_->Rollback();
    connection_->BeginTransaction();
  }

  Result<> create(const std::string& sql) {
    return guarded(Code::bind_error, [&]() -> Result<> {
      connection_->Rollback();
      auto done = connection_->Query(sql);
      connection_->BeginTransaction();
      if (done->HasError()) return user_error(Code::bind_error, done->GetErrorObject().RawMessage());
      return {};
    });
  }

  std::shared_ptr<RelationColumns> relations_ = std::make_shared<RelationColumns>();
  std::unique_ptr<duckdb::DuckDB> database_;
  std::unique_ptr<duckdb::Connection> connection_;
};

}  // namespace

void set_values(duckdb::Connection& connection) {
  for (const char* setting : {"SET TimeZone='UTC'", "SET ieee_floating_point_ops=false", "SET integer_division=false",
                              "SET default_null_order='nulls_last'", "SET preserve_insertion_order=true"})
    if (auto done = connection.Query(setting); done->HasError())
      throw_error(user_error(Code::internal, done->GetError()));
}

ConnectionContext::ConnectionContext(duckdb::DuckDB& database) : connection(database) {
  set_values(connection);
  connection.BeginTransaction();
}

Result<std::unique_ptr<SqlSession>> SqlSession::open() {
  auto session = std::make_unique<Session>();
  HEADRACE_TRY(session->start());
  return std::unique_ptr<SqlSession>(std::move(session));
}

}  // namespace headrace
