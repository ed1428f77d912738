#include "duck/failure.h"

#include <cstdlib>
#include <duckdb/common/error_data.hpp>
#include <duckdb/common/exception.hpp>

namespace headrace {
namespace {

/// An Error on its way through DuckDB's frames. DuckDB may re-wrap exceptions by their text, so the error itself waits
/// beside.
thread_local std::optional<Error> in_flight;
constexpr const char* in_flight_text = "headrace error in flight";

Code code_of(duckdb::ExceptionType type, const std::string& message, Code fallback) {
  auto says = [&](const char* text) { return message.find(text) != std::string::npos; };
  if (type == duckdb::ExceptionType::PARSER || type == duckdb::ExceptionType::SYNTAX) return Code::syntax_error;
  if (type == duckdb::ExceptionType::CATALOG && says("Table with name")) return Code::unknown_relation;
  if (type == duckdb::ExceptionType::CATALOG && says("Function with name")) return Code::unknown_function;
  if (type == duckdb::ExceptionType::BINDER && says("Referenced column")) return Code::unknown_column;
  if (type == duckdb::ExceptionType::BINDER && says("does not have a column named")) return Code::unknown_column;
  if (type == duckdb::ExceptionType::BINDER || type == duckdb::ExceptionType::CATALOG) return Code::bind_error;
  if (type == duckdb::ExceptionType::INTERNAL || type == duckdb::ExceptionType::FATAL) return Code::internal;
  return fallback;
}

/// DuckDB's message without its picture of the line ("LINE 1: ... ^").
std::string first_part(std::string message) {
  size_t cut = message.find("\nLINE ");
  if (cut == std::string::npos) cut = message.find("\n\nLINE ");
  if (cut != std::string::npos) message.resize(cut);
  while (!message.empty() && message.back() == '\n') message.pop_back();
  return message;
}

}  // namespace

Error error_of(const std::exception& exception, Code fallback) {
  if (in_flight && std::string_view(exception.what()).find(in_flight_text) != std::string_view::npos) {
    Error error = *std::move(in_flight);
    in_flight.reset();
    return error;
  }
  duckdb::ErrorData data(exception);
  Error error = user_error(code_of(data.Type(), data.RawMessage(), fallback), first_part(data.RawMessage()));
  if (error.code == Code::internal) error.blame = Blame::engine;
  auto position = data.ExtraInfo().find("position");
  if (position != data.ExtraInfo().end()) error.at.column = std::atoi(position->second.c_str()) + 1;
  return error;
}

void throw_error(Error error) {
  in_flight = std::move(error);
  throw duckdb::InvalidInputException(in_flight_text);
}

}  // namespace headrace
