// Rewrites our SQL, on tokens, into what DuckDB's grammar takes:
//   `x`                                              -> "x"
//   TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), ...))      -> tumble((FROM t), 'ts', ...)      also HOP, CUMULATE, SESSION,
//   with or without
//                                                       the TABLE( ) wrapper, with named arguments (DATA =>, TIMECOL
//                                                       =>, SIZE => ...)
//     tumble((FROM t), 'ts', size, offset) · hop((FROM t), 'ts', slide, size, offset) · cumulate((FROM t), 'ts', step,
//     size, offset) · session((FROM t), 'ts', gap, 'key1,key2')      every argument is always given (offset: INTERVAL
//     '0' SECOND; no keys: '')
//   FROM late(x)                                     -> headrace_late('x')
//   CAST(x AS STRING), x::TIMESTAMP_LTZ(3) ...       -> DuckDB's type names
//   a JOIN v FOR SYSTEM_TIME AS OF a.ts AS b ON c    -> a JOIN v AS b ON (c) AND headrace_as_of(a.ts)
//   IF(a, b, c), DATE_FORMAT(ts, 'yyyy') ...         -> DuckDB's spelling, where one means the same
//   LEFT JOIN UNNEST(x) AS t(a, b) ON TRUE           -> JOIN LATERAL (...) AS t(a, b) ON TRUE: rewrite_unnest.cc
//   t MATCH_RECOGNIZE (...)                          -> (SELECT ... FROM headrace_match(...) WHERE
//   headrace_define(...)):
//                                                       rewrite_match.cc
// What is already DuckDB's stays; rewriting twice changes nothing more. Text between tokens (lines, comments) is kept.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "plan/sql_text.h"
#include "plan/token.h"

namespace headrace {

/// Rewrites one SELECT or expression. Errors: syntax_error with the place inside the file.
Result<SqlText> rewrite_sql(std::string_view text, const Location& at);

/// Rewrites tokens[begin, end); `tokens` goes on to its end token. Errors as above.
Result<SqlText> rewrite_tokens(std::span<const Token> tokens, size_t begin, size_t end, const std::string& file);

/// Translates one type name, such as "ARRAY<ROW<a STRING>>" -> "STRUCT(a VARCHAR)[]". Errors: syntax_error.
Result<std::string> rewrite_type(std::string_view type, const Location& at);

}  // namespace headrace
