// Rows as text: JSON, CSV, Arrow. One function per form.
#pragma once

#include <string>

#include "serve/endpoint.h"
#include "serve/query.h"

namespace headrace {

inline constexpr Content table_answers[] = {
    {"application/json", "Rows"}, {"text/csv", ""}, {"application/vnd.apache.arrow.stream", ""}};

/// Answers with the table in one of `table_answers`. Errors: query_failed (over `bytes_max`), not_acceptable (a type
/// that the form cannot hold).
Result<Response> table_response(const RowTable& table, std::string_view media_type, int64_t bytes_max);

/// A schema's columns as [{"name": ..., "type": ...}].
std::string columns_json(const Schema& schema);
/// Row `row` as an object of its columns.
void append_row_object(std::string& out, const Schema& schema, const DataChunk& chunk, int64_t row);

}  // namespace headrace
