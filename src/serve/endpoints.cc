// The endpoints: one row each, and what each does.
#include <fmt/format.h>

#include <boost/json.hpp>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <sstream>

#include "base/json_text.h"
#include "serve/api.h"
#include "serve/endpoint.h"
#include "serve/query.h"
#include "serve/render.h"
#include "serve/view_feed.h"
#include "serve/why_open.h"

namespace headrace {
namespace {

namespace json = boost::json;

constexpr int64_t tick_max = 9'007'199'254'740'991;  // What JSON readers take without rounding.

// ---- rows in
// ------------------------------------------------------------------------------------------------------------------

std::string admitted_json(const Admitted& admitted) {
  std::string out = fmt::format("{{\"accepted\":{},\"quarantined\":{},\"position\":{},\"repeated\":{},\"records\":[",
                                admitted.accepted, admitted.rejected.size(), admitted.position, admitted.repeated);
  for (const Rejected& record : admitted.rejected) {
    if (&record != &admitted.rejected.front()) out.push_back(',');
    out += fmt::format("{{\"index\":{},\"error\":{{\"code\":{},\"name\":{},\"message\":{}}}}}", record.index,
                       static_cast<int>(record.code), json_string(name_of(record.code)), json_string(record.reason));
  }
  return out + "]}";
}

Result<Response> post_rows(Api& api, const Request& request) {
  const std::string& source = request.path_values.at("name");
  if (api.stopping)
    return environment_error(Code::stopping,
                             "the engine is stopping; send the rows again later, with the same Idempotency-Key");
  std::vector<std::string> names;
  for (const SourceInfo& info : api.pipeline.sources()) names.push_back(info.name);
  bool known =
      std::any_of(names.begin(), names.end(), [&](const std::string& name) { return same_name(name, source); });
  if (!known) {
    std::string nearest = nearest_name(source, names);
    return user_error(Code::not_found, fmt::format("there is no source '{}'", source))
        .with_remedy(nearest.empty() ? "" : fmt::format("did you mean '{}'?", nearest));
  }
  const char* format = media_type_of(request.header("content-type")) == "application/json" ? "json" : "ndjson";
  HEADRACE_ASSIGN(Admitted admitted,
                  api.pipeline.admit(source, request.body, format, request.header("idempotency-key")));
  api.metrics.count_admitted(source, admitted.accepted, static_cast<int64_t>(admitted.rejected.size()),
                             admitted.repeated);
  return json_response(admitted_json(admitted));
}

// ---- queries
// ------------------------------------------------------------------------------------------------------------------

Result<json::object> body_object(const Request& request) {
  boost::system::error_code error;
  json::value body = json::parse(request.body, error);
  if (error) return user_error(Code::bad_request, "the body is not JSON: " + error.message());
  if (!body.is_object()) return user_error(Code::bad_request, "the body must be a JSON object");
  return std::move(body.as_object());
}

Result<> only_fields(const json::object& body, const std::vector<std::string>& known) {
  for (const auto& [name, value] : body) {
    if (std::find(known.begin(), known.end(), std::string_view(name)) != known.end()) continue;
    std::string nearest = nearest_name(std::string_view(name), known);
    return user_error(Code::bad_request, fmt::format("the body has an unknown field '{}'", std::string_view(name)))
        .with_remedy(nearest.empty() ? "" : fmt::format("did you mean '{}'?", nearest));
  }
  return {};
}

Result<std::string> text_field(const json::object& body, const char* name) {
  const json::value* value = body.if_contains(name);
  if (!value || !value->is_string())
    return user_error(Code::bad_request, fmt::format("the body needs a text '{}'", name));
  return std::string(value->as_string());
}

Result<AdhocValue> parameter_of(const json::value& value) {
  if (value.is_null()) return AdhocValue();
  if (value.is_bool()) return AdhocValue(value.as_bool());
  if (value.is_int64()) return AdhocValue(value.as_int64());
  if (value.is_double()) return AdhocValue(value.as_double());
  if (value.is_string()) return AdhocValue(std::string(value.as_string()));
  return user_error(Code::bad_request, "a parameter must be a text, a number within BIGINT, true, false or null; got " +
                                           json::serialize(value));
}

Result<Response> post_sql(Api& api, const Request& request) {
  HEADRACE_ASSIGN(json::object body, body_object(request));
  HEADRACE_TRY(only_fields(body, {"sql", "parameters"}));
  HEADRACE_ASSIGN(std::string sql, text_field(body, "sql"));
  std::vector<AdhocValue> parameters;
  if (const json::value* given = body.if_contains("parameters")) {
    if (!given->is_array()) return user_error(Code::bad_request, "'parameters' must be an array");
    for (const json::value& value : given->as_array()) {
      HEADRACE_ASSIGN(AdhocValue parameter, parameter_of(value));
      parameters.push_back(std::move(parameter));
    }
  }
  HEADRACE_ASSIGN(RowTable table, api.queries->run(sql, std::move(parameters)));
  return table_response(table, negotiate(request.header("accept"), table_answers), api.options.query_bytes_max);
}

// ---- views
// --------------------------------------------------------------------------------------------------------------------

std::shared_ptr<const ViewSnapshot> snapshot_of(const Published& published, std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  auto found = published.views.find(name);
  return found == published.views.end() ? nullptr : found->second;
}

Result<Response> get_views(Api& api, const Request&) {
  std::shared_ptr<const Published> published = api.pipeline.published();
  std::string out = "{\"views\":[";
  for (const ViewInfo& view : api.pipeline.views()) {
    if (out.back() != '[') out.push_back(',');
    std::shared_ptr<const ViewSnapshot> snapshot = snapshot_of(*published, view.name);
    out += fmt::format("{{\"name\":{},\"columns\":{},\"key\":[", json_string(view.name), columns_json(*view.schema));
    for (size_t i = 0; i < view.key.size(); ++i) out += (i ? "," : "") + json_string((*view.schema)[view.key[i]].name);
    out += fmt::format("],\"changelog\":{},\"time_column\":{},\"rows\":{}}}", json_string(view.changelog),
                       view.time_column ? json_string((*view.schema)[*view.time_column].name) : "null",
                       snapshot ? snapshot->rows() : 0);
  }
  out += fmt::format("],\"tick\":{},\"durable_tick\":{}}}", published->tick.value, published->durable_tick.value);
  return json_response(std::move(out));
}

Result<Response> get_view_rows(Api& api, const Request& request) {
  HEADRACE_ASSIGN(const ViewInfo* view, api.view_named(request.path_values.at("name")));
  HEADRACE_ASSIGN(std::shared_ptr<const Published> published, all_views(api.pipeline));
  RowTable table =
      rows_of(*snapshot_of(*published, view->name), request.integer("offset", 0), request.integer("limit", 1000));
  table.tick = published->tick;
  table.durable_tick = published->durable_tick;
  return table_response(table, negotiate(request.header("accept"), table_answers), api.options.query_bytes_max);
}

Response event_stream(std::unique_ptr<EventFeed> feed) {
  Response out;
  out.content_type = "text/event-stream";
  out.headers.emplace_back("Cache-Control", "no-store");
  out.headers.emplace_back("X-Accel-Buffering", "no");
  out.feed = std::move(feed);
  return out;
}

Result<Response> get_view_changes(Api& api, const Request& request) {
  HEADRACE_ASSIGN(const ViewInfo* view, api.view_named(request.path_values.at("name")));
  if (Result<std::shared_ptr<const Published>> shown = all_views(api.pipeline); !shown.ok())
    return std::move(shown).error();
  std::optional<Tick> since;
  if (request.query_value("since")) since = Tick{static_cast<uint64_t>(request.integer("since", 0))};
  // A browser that lost its stream says where it was; that is newer than the address.
  if (const std::string& last = request.header("last-event-id"); !last.empty())
    since = Tick{std::strtoull(last.c_str(), nullptr, 10)};
  return event_stream(make_view_feed(api.pipeline, *view, since, api.options.subscriber_rows_max));
}

Result<Response> get_why_open(Api& api, const Request& request) {
  HEADRACE_ASSIGN(const ViewInfo* view, api.view_named(request.path_values.at("name")));
  const std::string* window = request.query_value("window");
  HEADRACE_ASSIGN(const WhyOpen why, api.pipeline.why_open(view->name, window ? *window : ""));
  return json_response(why_open_json(why));
}

// ---- the pipeline
// ---------------------------------------------------------------------------------------------------------------

Result<Response> get_pipeline(Api& api, const Request&) {
  return json_response(pipeline_json(api.pipeline.status(), api.pipeline.plan_json()));
}

Result<Response> get_status(Api& api, const Request&) {
  return json_response(status_json(api.pipeline.status()));
}

Result<Response> get_pipeline_changes(Api& api, const Request&) {
  return event_stream(make_status_feed(api.board));
}

Result<Response> get_alerts(Api& api, const Request&) {
  std::string out = "{\"alerts\":[";
  for (const AlertRow& alert : api.pipeline.alerts()) {
    if (out.back() != '[') out.push_back(',');
    out += fmt::format(
        "{{\"alert\":{},\"key\":{},\"state\":{},\"since_us\":{},\"fired_us\":{},\"resolved_us\":{},\"deliveries_"
        "failed\":{}}}",
        json_string(alert.alert), json_string(alert.key), json_string(alert.state), alert.since_us, alert.fired_us,
        alert.resolved_us, alert.deliveries_failed);
  }
  return json_response(out + "]}");
}

Result<Response> get_quarantine(Api& api, const Request& request) {
  int64_t limit = request.integer("limit", 100);
  std::vector<QuarantineRow> rows = api.pipeline.quarantine(request.integer("after", 0), limit);
  std::string out = "{\"rows\":[";
  for (const QuarantineRow& row : rows) {
    if (out.back() != '[') out.push_back(',');
    out += fmt::format(
        "{{\"id\":{},\"source\":{},\"origin\":{},\"bytes\":{},\"code\":{},\"name\":{},\"reason\":{},\"time_us\":{},"
        "\"late\":{},\"detail\":{},\"replayed_us\":{}}}",
        row.id, json_string(row.source), json_string(row.origin), json_string(row.bytes), static_cast<int>(row.code),
        json_string(name_of(row.code)), json_string(row.reason), row.time_us, row.late,
        row.detail.empty() ? "null" : row.detail, row.replayed_us);
  }
  bool full = static_cast<int64_t>(rows.size()) == limit;
  return json_response(out + fmt::format("],\"next\":{}}}", full ? std::to_string(rows.back().id) : "null"));
}

Result<ReplayRequest> replay_request(const json::object& body) {
  HEADRACE_TRY(only_fields(body, {"ids", "function", "source"}));
  ReplayRequest out;
  if (const json::value* ids = body.if_contains("ids")) {
    if (!ids->is_array()) return user_error(Code::bad_request, "'ids' must be an array of numbers");
    for (const json::value& id : ids->as_array()) {
      if (!id.is_int64()) return user_error(Code::bad_request, "an id is a number; got " + json::serialize(id));
      out.ids.push_back(id.as_int64());
    }
    // No id at all is no wish for all of them.
    if (out.ids.empty())
      return user_error(Code::bad_request, "'ids' is empty").with_remedy("leave it out for all rows");
  }
  for (auto [name, field] : {std::pair("function", &out.function), std::pair("source", &out.source)}) {
    if (!body.if_contains(name)) continue;
    HEADRACE_ASSIGN(*field, text_field(body, name));
  }
  return out;
}

Result<Response> post_replay(Api& api, const Request& request) {
  if (api.stopping) return environment_error(Code::stopping, "the engine is stopping; ask again later");
  HEADRACE_ASSIGN(json::object body, body_object(request));
  HEADRACE_ASSIGN(ReplayRequest wanted, replay_request(body));
  HEADRACE_ASSIGN(Replayed replayed, api.pipeline.replay(wanted));
  json::array skipped;
  for (const Replayed::Skipped& row : replayed.skipped)
    skipped.push_back(json::object{{"id", row.id}, {"reason", row.reason}});
  return json_response(json::serialize(
      json::object{{"rows", replayed.rows}, {"tick", replayed.tick.value}, {"skipped", std::move(skipped)}}));
}

Result<Response> get_functions(Api& api, const Request&) {
  return json_response(api.pipeline.functions_json());
}

Result<Response> post_reload(Api& api, const Request&) {
  HEADRACE_ASSIGN(std::vector<std::string> changed, api.pipeline.reload_functions());
  json::array names;
  for (const std::string& name : changed) names.push_back(json::value(name));
  return json_response(json::serialize(json::object{{"functions", std::move(names)}}));
}

Result<Response> post_apply(Api& api, const Request& request) {
  if (!api.options.change_over.begin)
    return user_error(Code::not_found, "this engine cannot go over to another version while it runs")
        .with_remedy("stop it, and run headrace apply");
  HEADRACE_ASSIGN(std::string change, api.options.change_over.begin(request.integer("allow_loss", 0) != 0));
  return json_response(std::move(change));
}

Result<Response> get_apply(Api& api, const Request&) {
  if (!api.options.change_over.outcome) return json_response(R"({"state":"none"})");
  return json_response(api.options.change_over.outcome());
}

/// A dashboard's TOML as JSON, with its file's name.
Result<std::string> dashboard_json(const ProjectFile& file) {
  toml::parse_result parsed = toml::parse(std::string_view(file.text), file.path);
  if (!parsed)
    return user_error(Code::bad_project, std::string(parsed.error().description()))
        .with_location({file.path, static_cast<int32_t>(parsed.error().source().begin.line),
                        static_cast<int32_t>(parsed.error().source().begin.column)});
  size_t slash = file.path.rfind('/') + 1;
  std::string name = file.path.substr(slash, file.path.rfind('.') - slash);
  parsed.table().insert("name", name);  // Unless the file says another.
  parsed.table().insert("title", name);
  std::ostringstream text;
  text << toml::json_formatter(parsed.table());
  return text.str();
}

Result<Response> get_dashboards(Api& api, const Request&) {
  std::string out = "{\"dashboards\":[";
  for (const ProjectFile& file : api.options.dashboards) {
    HEADRACE_ASSIGN(std::string dashboard, dashboard_json(file));
    out += (out.back() == '[' ? "" : ",") + dashboard;
  }
  return json_response(out + "]}");
}

// ---- the server itself
// ----------------------------------------------------------------------------------------------------------

Result<Response> post_session(Api& api, const Request& request) {
  HEADRACE_ASSIGN(json::object body, body_object(request));
  HEADRACE_TRY(only_fields(body, {"token"}));
  HEADRACE_ASSIGN(std::string token, text_field(body, "token"));
  HEADRACE_ASSIGN(std::string cookie, api.access->open_session(token));
  Response out;
  out.status = 204;
  out.headers.emplace_back("Set-Cookie", cookie);
  return out;
}

Result<Response> get_metrics(Api& api, const Request&) {
  Response out;
  out.content_type = "text/plain; version=0.0.4; charset=utf-8";
  out.body = api.metrics.text(api.pipeline.status());
  return out;
}

Result<Response> get_healthz(Api&, const Request&) {
  return json_response("{\"status\":\"ok\"}");
}

Result<Response> get_readyz(Api& api, const Request&) {
  PipelineStatus status = api.pipeline.status();
  if (status.failure) return environment_error(Code::stopping, "the pipeline has failed: " + status.failure->message);
  if (api.stopping || (!status.running && !status.ended))
    return environment_error(Code::stopping, "the pipeline does not run");
  if (!all_views(api.pipeline).ok())
    return environment_error(Code::stopping, "the engine has just started, and does not show all views yet");
  return json_response("{\"status\":\"ready\"}");
}

Result<Response> get_openapi(Api&, const Request&) {
  static const std::string document = openapi_json();
  return json_response(document);
}

// ---- the table
// ------------------------------------------------------------------------------------------------------------------

constexpr Content json_as(std::string_view schema) {
  return {"application/json", schema};
}

constexpr Parameter source_name{"name", Place::path, ParameterKind::text, "The source's name.", 0, 0, 0};
constexpr Parameter view_name{"name", Place::path, ParameterKind::text, "The view's name.", 0, 0, 0};
constexpr Parameter rows_parameters[] = {source_name,
                                         {"Idempotency-Key", Place::header, ParameterKind::text,
                                          "A text of the client's choice. The same key with the same body is taken "
                                          "once, however often it is sent; known for 24 hours and "
                                          "among the last 1,000,000 keys of the source.",
                                          0, 0, 1024}};
constexpr Parameter view_parameters[] = {
    view_name,
    {"limit", Place::query, ParameterKind::integer, "Rows at most (default 1000).", 0, 1'000'000, 0},
    {"offset", Place::query, ParameterKind::integer, "Rows to leave out first.", 0, tick_max, 0}};
constexpr Parameter changes_parameters[] = {
    view_name,
    {"since", Place::query, ParameterKind::integer,
     "A tick seen before: what came after it is sent. Without it the whole view is, first.", 0, tick_max, 0},
    {"Last-Event-ID", Place::header, ParameterKind::integer,
     "As browsers send it when they connect again; wins over `since`.", 0, tick_max, 0}};
constexpr Parameter why_open_parameters[] = {
    view_name,
    {"window", Place::query, ParameterKind::text,
     "Start of a window, as the view shows it: only what concerns windows that start there.", 0, 0, 64}};
constexpr Parameter quarantine_parameters[] = {
    {"after", Place::query, ParameterKind::integer, "The last id seen.", 0, tick_max, 0},
    {"limit", Place::query, ParameterKind::integer, "Records at most (default 100).", 1, 10'000, 0}};

constexpr Content rows_bodies[] = {{"application/x-ndjson", ""}, {"application/json", "Records"}};
constexpr Content sql_bodies[] = {json_as("Query")};
constexpr Content session_bodies[] = {json_as("Session")};
constexpr Content admitted_answers[] = {json_as("Admitted")};
constexpr Content views_answers[] = {json_as("Views")};
constexpr Content why_open_answers[] = {json_as("WhyOpen")};
constexpr Content event_answers[] = {{"text/event-stream", ""}};
constexpr Content pipeline_answers[] = {json_as("Pipeline")};
constexpr Content status_answers[] = {json_as("Status")};
constexpr Content alerts_answers[] = {json_as("Alerts")};
constexpr Content quarantine_answers[] = {json_as("Quarantine")};
constexpr Content replay_bodies[] = {json_as("Replay")};
constexpr Content replay_answers[] = {json_as("Replayed")};
constexpr Content functions_answers[] = {json_as("Functions")};
constexpr Content dashboards_answers[] = {json_as("Dashboards")};
constexpr Content health_answers[] = {json_as("Health")};
constexpr Content text_answers[] = {{"text/plain", ""}};
constexpr Content openapi_answers[] = {json_as("Any")};

constexpr Code rows_errors[] = {Code::not_found, Code::key_reused, Code::overloaded, Code::stopping, Code::disk_full};
constexpr Content reload_answers[] = {json_as("Reloaded")};
constexpr Code reload_errors[] = {Code::function_load, Code::state_mismatch};
constexpr Parameter apply_parameters[] = {
    {"allow_loss", Place::query, ParameterKind::integer, "1: state that cannot be built again begins empty.", 0, 1, 0}};
constexpr Content change_answers[] = {json_as("Change")};
constexpr Content applied_answers[] = {json_as("Applied")};
constexpr Code apply_errors[] = {Code::not_found, Code::bad_project, Code::state_mismatch, Code::stopping};
constexpr Code replay_errors[] = {Code::stopping};
constexpr Code sql_errors[] = {Code::overloaded};
constexpr Code view_errors[] = {Code::not_found, Code::overloaded};
constexpr Code why_open_errors[] = {Code::not_found};
constexpr Code session_errors[] = {Code::unauthorized, Code::overloaded};
constexpr Code ready_errors[] = {Code::stopping};

const Endpoint endpoints[] = {
    {"POST", "/v1/sources/{name}", "postRows",
     "Takes rows into an http or log source; they are durable when it answers.", Role::writer, rows_parameters,
     rows_bodies, admitted_answers, rows_errors, &post_rows},
    {"POST",
     "/v1/sql",
     "runQuery",
     "Runs one SELECT over the views, all read at one tick.",
     Role::reader,
     {},
     sql_bodies,
     table_answers,
     sql_errors,
     &post_sql},
    {"GET",
     "/v1/views",
     "listViews",
     "The views with their columns.",
     Role::reader,
     {},
     {},
     views_answers,
     {},
     &get_views},
    {"GET",
     "/v1/views/{name}",
     "getViewRows",
     "A view's rows.",
     Role::reader,
     view_parameters,
     {},
     table_answers,
     view_errors,
     &get_view_rows},
    {"GET",
     "/v1/views/{name}/changes",
     "followView",
     "A view's changes as they come.",
     Role::reader,
     changes_parameters,
     {},
     event_answers,
     view_errors,
     &get_view_changes},
    {"GET",
     "/v1/views/{name}/why-open",
     "whyOpen",
     "Why a view's results are not out yet: the split that holds the watermark, the reason, and what would be given "
     "now.",
     Role::reader,
     why_open_parameters,
     {},
     why_open_answers,
     why_open_errors,
     &get_why_open},
    {"GET",
     "/v1/pipeline",
     "getPipeline",
     "The plan with live counters per node and edge.",
     Role::reader,
     {},
     {},
     pipeline_answers,
     {},
     &get_pipeline},
    {"GET",
     "/v1/pipeline/changes",
     "followPipeline",
     "The status as JSON merge patches, at most four a second; the first is the whole.",
     Role::reader,
     {},
     {},
     event_answers,
     {},
     &get_pipeline_changes},
    {"GET",
     "/v1/status",
     "getStatus",
     "The pipeline's counters.",
     Role::reader,
     {},
     {},
     status_answers,
     {},
     &get_status},
    {"GET",
     "/v1/alerts",
     "listAlerts",
     "Alerts that are pending, firing or resolved.",
     Role::reader,
     {},
     {},
     alerts_answers,
     {},
     &get_alerts},
    {"GET",
     "/v1/quarantine",
     "listQuarantine",
     "Refused and late records with their bytes and reasons.",
     Role::reader,
     quarantine_parameters,
     {},
     quarantine_answers,
     {},
     &get_quarantine},
    {"POST",
     "/v1/quarantine/replay",
     "replayQuarantine",
     "Puts refused records back into the pipeline, each once, in the order in which they were refused; durable when it "
     "answers. `ids`, `function` and `source` narrow it; an empty object means all.",
     Role::writer,
     {},
     replay_bodies,
     replay_answers,
     replay_errors,
     &post_replay},
    {"GET",
     "/v1/functions",
     "listFunctions",
     "The project's Python functions and their workers.",
     Role::reader,
     {},
     {},
     functions_answers,
     {},
     &get_functions},
    {"POST",
     "/v1/functions/reload",
     "reloadFunctions",
     "Takes up functions whose code has changed, between two ticks; their state is kept. Gives their names.",
     Role::admin,
     {},
     {},
     reload_answers,
     reload_errors,
     &post_reload},
    {"POST",
     "/v1/apply",
     "applyChange",
     "Goes over to the project as it is now. Gives what changes; GET tells when it is done. Until then every request "
     "gets "
     "503.",
     Role::admin,
     apply_parameters,
     {},
     change_answers,
     apply_errors,
     &post_apply},
    {"GET",
     "/v1/apply",
     "getApplied",
     "What became of the last change: none, running, done or failed.",
     Role::admin,
     {},
     {},
     applied_answers,
     {},
     &get_apply},
    {"GET",
     "/v1/dashboards",
     "listDashboards",
     "The project's dashboards.",
     Role::reader,
     {},
     {},
     dashboards_answers,
     {},
     &get_dashboards},
    {"POST",
     "/v1/session",
     "openSession",
     "Signs a browser in with a token: sets a cookie.",
     Role::nobody,
     {},
     session_bodies,
     {},
     session_errors,
     &post_session},
    {"GET", "/metrics", "getMetrics", "Metrics for Prometheus.", Role::reader, {}, {}, text_answers, {}, &get_metrics},
    {"GET",
     "/healthz",
     "getHealth",
     "Says that the process serves.",
     Role::nobody,
     {},
     {},
     health_answers,
     {},
     &get_healthz},
    {"GET",
     "/readyz",
     "getReady",
     "Says that the pipeline runs.",
     Role::nobody,
     {},
     {},
     health_answers,
     ready_errors,
     &get_readyz},
    {"GET", "/openapi.json", "getOpenApi", "This document.", Role::nobody, {}, {}, openapi_answers, {}, &get_openapi},
};

}  // namespace

std::span<const Endpoint> all_endpoints() {
  return endpoints;
}

Result<const ViewInfo*> Api::view_named(const std::string& name) const {
  std::vector<std::string> names;
  for (const ViewInfo& view : pipeline.views()) {
    if (same_name(view.name, name)) return &view;
    names.push_back(view.name);
  }
  std::string nearest = nearest_name(name, names);
  return user_error(Code::not_found, fmt::format("there is no view '{}'", name))
      .with_remedy(nearest.empty() ? "GET /v1/views lists what there is" : fmt::format("did you mean '{}'?", nearest));
}

}  // namespace headrace
