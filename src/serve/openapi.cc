// The OpenAPI document, printed from the endpoint table. Only the schemas of bodies stand here.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "serve/endpoint.h"

namespace headrace {
namespace {

namespace json = boost::json;

struct Component {
  std::string_view name;
  std::string_view schema;
};

constexpr Component components[] = {
    {"Error",
     R"({"type":"object","required":["error"],"properties":{"error":{"type":"object","required":["code","name","message"],"properties":{
      "code":{"type":"integer"},"name":{"type":"string"},"message":{"type":"string"},"remedy":{"type":"string"},
      "at":{"type":"string","description":"file:line:column"}}}}})"},
    {"Any", R"({"type":"object"})"},
    {"Records",
     R"({"type":"array","items":{"type":"object"},"description":"One object per record, with the source's columns as fields."})"},
    {"Admitted",
     R"({"type":"object","required":["accepted","quarantined","position","repeated","records"],"properties":{
      "accepted":{"type":"integer"},"quarantined":{"type":"integer"},
      "position":{"type":"integer","description":"Records of the source after this request."},
      "repeated":{"type":"boolean","description":"The Idempotency-Key was known: nothing was added."},
      "records":{"type":"array","description":"The quarantined records.","items":{"type":"object","required":["index","error"],"properties":{
        "index":{"type":"integer"},"error":{"type":"object"}}}}}})"},
    {"Query", R"({"type":"object","required":["sql"],"additionalProperties":false,"properties":{
      "sql":{"type":"string","description":"One SELECT."},
      "parameters":{"type":"array","description":"For ? or $1, $2 ...","items":{"type":["string","number","boolean","null"]}}}})"},
    {"Session",
     R"({"type":"object","required":["token"],"additionalProperties":false,"properties":{"token":{"type":"string"}}})"},
    {"Columns",
     R"({"type":"array","items":{"type":"object","required":["name","type"],"properties":{"name":{"type":"string"},"type":{"type":"string"}}}})"},
    {"Rows", R"({"type":"object","required":["columns","rows","tick","durable_tick"],"properties":{
      "columns":{"$ref":"#/components/schemas/Columns"},"rows":{"type":"array","items":{"type":"array"}},
      "tick":{"type":"integer"},"durable_tick":{"type":"integer"}}})"},
    {"Views",
     R"({"type":"object","required":["views","tick","durable_tick"],"properties":{"views":{"type":"array","items":{"type":"object",
      "required":["name","columns","key","changelog","rows"],"properties":{"name":{"type":"string"},"columns":{"$ref":"#/components/schemas/Columns"},
      "key":{"type":"array","items":{"type":"string"}},"changelog":{"enum":["append","upsert","retract"]},
      "time_column":{"type":["string","null"]},"rows":{"type":"integer"}}}},"tick":{"type":"integer"},"durable_tick":{"type":"integer"}}})"},
    {"Reasons",
     R"({"type":"array","items":{"type":"object","required":["code","text","source","split"],"properties":{"code":{"type":"string"},
      "text":{"type":"string"},"source":{"type":["string","null"]},"split":{"type":["integer","null"]}}}})"},
    {"WhyOpen",
     R"({"type":"object","required":["view","window_ms","tick","now_us","reasons","operators","sources"],"properties":{
      "view":{"type":"string"},"window_ms":{"type":["integer","null"]},"tick":{"type":"integer"},"now_us":{"type":"integer"},
      "reasons":{"$ref":"#/components/schemas/Reasons"},
      "operators":{"type":"array","description":"Those that wait for the watermark.","items":{"type":"object",
        "required":["node","kind","name","watermark_ms","open","windows"],"properties":{"node":{"type":"string"},"kind":{"type":"string"},
        "name":{"type":"string"},"watermark_ms":{"type":["integer","null"]},"open":{"type":"integer"},
        "windows":{"type":"array","description":"The open windows that close first; an operator without windows has one entry for all rows that wait.",
          "items":{"type":"object","required":["start_ms","end_ms","due_ms","rows","results","reasons","now"],"properties":{
          "start_ms":{"type":["integer","null"]},"end_ms":{"type":["integer","null"]},
          "due_ms":{"type":["integer","null"],"description":"The watermark that gives it out."},
          "rows":{"type":"integer"},"results":{"type":"integer"},"reasons":{"$ref":"#/components/schemas/Reasons"},
          "now":{"type":"array","description":"The first of the rows that it would give now.","items":{"type":"object"}}}}}}}},
      "sources":{"type":"array","items":{"type":"object","required":["name","connector","watermark_ms","caught_up","ended","splits"],
        "properties":{"name":{"type":"string"},"connector":{"type":"string"},"watermark_ms":{"type":["integer","null"]},
        "records_read":{"type":"integer"},"records_quarantined":{"type":"integer"},"caught_up":{"type":"boolean"},"ended":{"type":"boolean"},
        "splits":{"type":"array","items":{"type":"object","required":["split","name","ended","paused","watermark_ms","rows"],"properties":{
          "split":{"type":"integer"},"name":{"type":"string"},"ended":{"type":"boolean"},
          "paused":{"type":"boolean","description":"It is not read now: its time is too far ahead of another split's."},"watermark_ms":{"type":["integer","null"]},
          "rows":{"type":"integer","description":"Since the engine started, as the three below."},
          "latest_time_ms":{"type":["integer","null"]},"last_time_ms":{"type":["integer","null"]},"last_row_us":{"type":["integer","null"]}}}}}}}}})"},
    {"Status",
     R"({"type":"object","required":["name","tick","durable_tick","epoch","running","ended","failure","nodes","sources","sinks"],"properties":{
      "name":{"type":"string"},"lineage":{"type":"string"},"tick":{"type":"integer"},"durable_tick":{"type":"integer"},"epoch":{"type":"integer"},
      "running":{"type":"boolean"},"ended":{"type":"boolean"},"failure":{"type":["object","null"]},"backpressure":{"type":"number"},
      "nodes":{"type":"array","items":{"type":"object"}},"sources":{"type":"array","items":{"type":"object"}},
      "sinks":{"type":"array","items":{"type":"object"}}}})"},
    {"Pipeline",
     R"({"allOf":[{"$ref":"#/components/schemas/Status"},{"type":"object","required":["edges","plan"],"properties":{
      "edges":{"type":"array","items":{"type":"object","required":["from","to","rows"],"properties":{"from":{"type":"string"},"to":{"type":"string"},
      "rows":{"type":"integer"}}}},"plan":{}}}]})"},
    {"Alerts",
     R"({"type":"object","required":["alerts"],"properties":{"alerts":{"type":"array","items":{"type":"object",
      "required":["alert","key","state"],"properties":{"alert":{"type":"string"},"key":{"type":"string"},"state":{"enum":["pending","firing","resolved"]},
      "since_us":{"type":"integer"},"fired_us":{"type":"integer"},"resolved_us":{"type":"integer"},"deliveries_failed":{"type":"integer"}}}}}})"},
    {"Quarantine",
     R"({"type":"object","required":["rows","next"],"properties":{"rows":{"type":"array","items":{"type":"object",
      "required":["id","source","origin","bytes","code","name","reason"],"properties":{"id":{"type":"integer"},"source":{"type":"string"},
      "origin":{"type":"string"},"bytes":{"type":"string"},"code":{"type":"integer"},"name":{"type":"string"},"reason":{"type":"string"},
      "time_us":{"type":"integer"},"late":{"type":"boolean"},
      "detail":{"type":["object","null"]},"replayed_us":{"type":"integer"}}}},"next":{"type":["integer","null"]}}})"},
    {"Replay",
     R"({"type":"object","additionalProperties":false,"properties":{"ids":{"type":"array","minItems":1,"items":{"type":"integer",
      "minimum":-9223372036854775808,"maximum":9223372036854775807}},"function":{"type":"string"},"source":{"type":"string"}}})"},
    {"Replayed",
     R"({"type":"object","required":["rows","tick","skipped"],"properties":{"rows":{"type":"integer"},"tick":{"type":"integer"},
      "skipped":{"type":"array","items":{"type":"object","required":["id","reason"],"properties":{"id":{"type":"integer"},
      "reason":{"type":"string"}}}}}})"},
    {"Reloaded",
     R"({"type":"object","required":["functions"],"properties":{"functions":{"type":"array","items":{"type":"string"}}}})"},
    {"Change",
     R"({"type":"object","required":["changed","nodes","sources","sinks"],"properties":{"changed":{"type":"boolean"},"nodes":{"type":"array"},
      "sources":{"type":"array"},"sinks":{"type":"array"}}})"},
    {"Applied",
     R"({"type":"object","required":["state"],"properties":{"state":{"enum":["none","running","done","failed"]},"text":{"type":"string"},
      "error":{"type":"string"}}})"},
    {"Functions", R"({"type":"object"})"},
    {"Dashboards",
     R"({"type":"object","required":["dashboards"],"properties":{"dashboards":{"type":"array","items":{"type":"object",
      "required":["name","title"],"properties":{"name":{"type":"string"},"title":{"type":"string"}}}}}})"},
    {"Health", R"({"type":"object","required":["status"],"properties":{"status":{"type":"string"}}})"},
};

json::object reference(std::string_view schema) {
  return {{"$ref", fmt::format("#/components/schemas/{}", schema)}};
}

json::object schema_of(const Content& content) {
  if (content.schema.empty()) return {{"type", "string"}};
  return reference(content.schema);
}

json::object contents(std::span<const Content> list) {
  json::object out;
  for (const Content& content : list) out[content.media_type] = json::object{{"schema", schema_of(content)}};
  return out;
}

json::object parameter_json(const Parameter& parameter) {
  constexpr std::string_view places[] = {"path", "query", "header"};
  json::object schema;
  if (parameter.kind == ParameterKind::integer) {
    schema = {{"type", "integer"}, {"minimum", parameter.minimum}, {"maximum", parameter.maximum}};
  } else {
    schema = {{"type", "string"}};
    if (parameter.place == Place::path) schema["minLength"] = 1;
    if (parameter.length_max > 0) schema["maxLength"] = parameter.length_max;
  }
  return {{"name", parameter.name},
          {"in", places[static_cast<size_t>(parameter.place)]},
          {"description", parameter.summary},
          {"required", parameter.place == Place::path},
          {"schema", std::move(schema)}};
}

std::string_view meaning_of(int status) {
  switch (status) {
    case 200:
      return "Done.";
    case 204:
      return "Done; nothing to say.";
    case 400:
      return "The request is not of the agreed form.";
    case 401:
      return "No token, or an unknown one.";
    case 403:
      return "The token's role, the Host or the Origin does not allow this.";
    case 404:
      return "There is nothing of this name.";
    case 406:
      return "None of the accepted media types can be given.";
    case 409:
      return "The idempotency key came with another body before.";
    case 413:
      return "The body is over the limit.";
    case 415:
      return "The body's media type or encoding is not taken.";
    case 429:
      return "Too much for the moment; Retry-After says when to come again.";
    case 503:
      return "The engine is stopping or not ready.";
    case 507:
      return "The disk is full.";
    default:
      return "A fault of the engine.";
  }
}

json::object operation_json(const Endpoint& endpoint) {
  json::object out{{"operationId", endpoint.id}, {"summary", endpoint.summary}};
  json::array parameters;
  for (const Parameter& parameter : endpoint.parameters) parameters.push_back(parameter_json(parameter));
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  if (!endpoint.bodies.empty())
    out["requestBody"] = json::object{{"required", true}, {"content", contents(endpoint.bodies)}};
  json::object responses;
  for (int status : statuses_of(endpoint)) {
    json::object response{{"description", meaning_of(status)}};
    if (status == 200) response["content"] = contents(endpoint.answers);
    if (status >= 400)
      response["content"] = json::object{{"application/json", json::object{{"schema", reference("Error")}}}};
    responses[std::to_string(status)] = std::move(response);
  }
  out["responses"] = std::move(responses);
  if (endpoint.role == Role::nobody)
    out["security"] = json::array();
  else
    out["x-headrace-role"] = name_of(endpoint.role);
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

std::string openapi_json() {
  json::object paths, schemas;
  for (const Endpoint& endpoint : all_endpoints()) {
    json::value& path = paths[endpoint.path];
    if (!path.is_object()) path = json::object();
    path.as_object()[lower(endpoint.method)] = operation_json(endpoint);
  }
  for (const Component& component : components) schemas[component.name] = json::parse(component.schema);
  return json::serialize(json::object{
      {"openapi", "3.1.0"},
      {"info", {{"title", "Headrace"}, {"version", "1"}, {"description", "Rows in, views and queries out."}}},
      {"security", json::array{json::object(), json::object{{"bearer", json::array()}}}},
      {"paths", std::move(paths)},
      {"components",
       {{"schemas", std::move(schemas)},
        {"securitySchemes", {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}}}}});
}

}  // namespace headrace
