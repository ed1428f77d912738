#include "udf/describe.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <csignal>

#include "base/clock.h"
#include "base/process.h"
#include "duck/arrow.h"
#include "udf/onnx.h"

namespace headrace {
namespace {

using simdjson::dom::element;

constexpr int64_t describe_timeout_ms = 900'000;  // Making an environment from a lock file takes its time.

Error load_error(std::string message) {
  return user_error(Code::function_load, std::move(message))
      .with_remedy("`python -m headrace.worker describe --project DIR` shows what the interpreter says");
}

Result<LogicalType> read_type(element document) {
  const std::string name(document["type"].get_string().value());
  if (name == "DECIMAL")
    return LogicalType::DECIMAL(static_cast<uint8_t>(document["precision"].get_uint64().value()),
                                static_cast<uint8_t>(document["scale"].get_uint64().value()));
  duckdb::child_list_t<LogicalType> inner;
  simdjson::dom::array fields;
  if (document["inner"].get(fields) == simdjson::SUCCESS) {
    for (element field : fields) {
      HEADRACE_ASSIGN(LogicalType type, read_type(field));
      inner.emplace_back(std::string(field["name"].get_string().value()), std::move(type));
    }
  }
  if (name == "LIST" && inner.size() == 1) return LogicalType::LIST(inner[0].second);
  if (name == "MAP" && inner.size() == 2) return LogicalType::MAP(inner[0].second, inner[1].second);
  if (name == "STRUCT" && !inner.empty()) return LogicalType::STRUCT(std::move(inner));
  if (name == "TIMESTAMPTZ") return LogicalType(LogicalType::TIMESTAMP_TZ);
  LogicalType type(duckdb::TransformStringToLogicalTypeId(name));
  if (!has_arrow_layout(type)) return load_error(fmt::format("the type {} of a function is not known", name));
  return type;
}

Result<FunctionKind> read_kind(std::string_view text) {
  constexpr const char* words[] = {"scalar", "vectorized", "aggregate", "accumulator",
                                   "table",  "process",    "source",    "sink"};
  for (size_t i = 0; i < std::size(words); ++i)
    if (text == words[i]) return static_cast<FunctionKind>(i);
  return load_error(fmt::format("the kind {} of a function is not known", text));
}

OnError read_on_error(std::string_view text) {
  if (text == "null") return OnError::null;
  if (text == "fail") return OnError::fail;
  return OnError::quarantine;
}

OnnxInput read_input(element document) {
  const std::string_view number = document["number"].get_string();
  OnnxInput input;
  input.name = std::string(document["name"].get_string().value());
  input.number = number == "float"    ? ort::Number::real32
                 : number == "double" ? ort::Number::real64
                                      : ort::Number::int64;
  input.columns = static_cast<int32_t>(document["columns"].get_int64().value());
  input.rank = static_cast<int32_t>(document["rank"].get_int64().value());
  return input;
}

OnnxFile read_onnx_file(element document) {
  OnnxFile file;
  file.path = std::string(document["path"].get_string().value());
  file.output = std::string(document["output"].get_string().value());
  file.maps = document["maps"].get_bool();
  file.sha256 = std::string(document["sha256"].get_string().value());
  if (double score = 0; document["zero_score"].get(score) == simdjson::SUCCESS) file.zero_score = score;
  const simdjson::dom::array inputs = document["inputs"].get_array();
  for (element input : inputs) file.inputs.push_back(read_input(input));
  return file;
}

std::shared_ptr<const ModelSpec> read_model(element document) {
  if (document.is_null()) return nullptr;
  auto model = std::make_shared<ModelSpec>();
  model->library = std::string(document["library"].get_string().value());
  model->version = std::string(document["version"].get_string().value());
  const simdjson::dom::array files = document["files"].get_array();
  for (element file : files) model->files.push_back(read_onnx_file(file));
  return model;
}

Result<FunctionDescription> read_function(element document) {
  FunctionDescription function;
  function.name = std::string(document["name"].get_string().value());
  HEADRACE_ASSIGN(function.kind, read_kind(document["kind"].get_string().value()));
  const simdjson::dom::array arguments = document["arguments"].get_array();
  for (element argument : arguments) {
    HEADRACE_ASSIGN(LogicalType type, read_type(argument));
    function.arguments.push_back(
        {std::string(argument["name"].get_string().value()), std::move(type), argument["nullable"].get_bool().value()});
  }
  HEADRACE_ASSIGN(function.result, read_type(document["result"].value()));
  const simdjson::dom::array state = document["state"].get_array();
  for (element field : state) {
    HEADRACE_ASSIGN(LogicalType type, read_type(field));
    function.state.push_back({std::string(field["name"].get_string().value()), std::move(type)});
  }
  const simdjson::dom::array key = document["key"].get_array();
  for (element name : key) function.key.push_back(std::string(name.get_string().value()));
  function.retracts = document["retracts"].get_bool();
  function.deterministic = document["deterministic"].get_bool();
  function.on_error = read_on_error(document["on_error"].get_string().value());
  function.memory_bytes = document["memory_bytes"].get_int64();
  function.timeout_ms = document["timeout_ms"].get_int64();
  function.environment = std::string(document["environment"].get_string().value());
  function.python = std::string(document["python"].get_string().value());
  function.model = read_model(document["model"].value());
  function.network = document["network"].get_bool();
  const simdjson::dom::array writes = document["writes"].get_array();
  for (element path : writes) function.writes.emplace_back(path.get_string().value());
  function.workers = static_cast<int32_t>(document["workers"].get_int64().value());
  function.hash = std::string(document["hash"].get_string().value());
  function.file = std::string(document["file"].get_string().value());
  function.line = static_cast<int32_t>(document["line"].get_int64().value());
  return function;
}

Error read_error(element document) {
  return Error{Code::function_load,
               Blame::user,
               Retry::never,
               std::string(document["message"].get_string().value()),
               std::string(document["remedy"].get_string().value()),
               Location{std::string(document["file"].get_string().value()),
                        static_cast<int32_t>(document["line"].get_int64().value()), 0}};
}

Result<std::vector<FunctionDescription>> read_document(const std::string& text) {
  simdjson::dom::parser parser;
  element document;
  if (parser.parse(text).get(document) != simdjson::SUCCESS)
    return load_error("the interpreter gave no description of the functions");
  try {  // simdjson throws where a field is missing: the package is of another version than the engine.
    const simdjson::dom::array errors = document["errors"].get_array();
    for (element error : errors) return read_error(error);
    const simdjson::dom::array entries = document["functions"].get_array();
    std::vector<FunctionDescription> functions;
    for (element entry : entries) {
      HEADRACE_ASSIGN(FunctionDescription function, read_function(entry));
      functions.push_back(std::move(function));
    }
    return functions;
  } catch (const simdjson::simdjson_error& failure) {
    return load_error(fmt::format("the headrace package does not fit this engine: {}", failure.what()));
  }
}

/// The line that a describer writes, or how it ended without: once more where something else has killed it.
Result<std::string> ask_describer(WorkerParent& parent, int output, int attempts) {
  HEADRACE_ASSIGN(ChannelPair pair, ChannelPair::make());
  auto describer = parent.fork_describer({pair.theirs.number(), output});
  if (!describer.ok() && describer.error().code == Code::function_died) return load_error(describer.error().message);
  if (!describer.ok()) return describer.error();
  pair.theirs.close();
  LineChannel channel(std::move(pair.ours));
  const int64_t deadline_ns = system_clock().steady_ns() + describe_timeout_ms * 1'000'000;
  auto line = channel.read_line(describe_timeout_ms);
  const bool in_time = system_clock().steady_ns() < deadline_ns;
  auto status = parent.kill(*describer);
  if (line.ok()) return line;
  if (in_time && attempts > 1 && (!status || status->signal == SIGKILL))
    return ask_describer(parent, output, attempts - 1);
  return load_error(
      fmt::format("the functions could not be described ({})", status ? status->text() : line.error().message));
}

}  // namespace

Result<std::vector<FunctionDescription>> describe_functions(WorkerParent& parent, int output) {
  HEADRACE_ASSIGN(std::string line, ask_describer(parent, output, 3));
  return read_document(line);
}

}  // namespace headrace
