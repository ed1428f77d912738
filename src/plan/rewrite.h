// Rewrites our SQL, on tokens, into what DuckDB's grammar takes:
//   `x`                                              -> "x"
//   TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), ...))      -> tumble((FROM t), 'ts', ...)      also HOP, CUMULATE, SESSION, with or without
//                                                       the TABLE( ) wrapper, with named arguments (DATA =>, TIMECOL =>, SIZE => ...)
//     tumble((FROM t), 'ts', size, offset) · hop((FROM t), 'ts', slide, size, offset) · cumulate((FROM t), 'ts', step, size, offset) ·
//     session((FROM t), 'ts', gap, 'key1,key2')      every argument is always given (offset: INTERVAL '0' SECOND)
//   late(x)                                          -> headrace_late('x')
//   CAST(x AS STRING), x::TIMESTAMP_LTZ(3) ...       -> DuckDB's type names
//   a FOR SYSTEM_TIME AS OF t AS b                   -> headrace_temporal-marked join (see rewrite.cc)
#pragma once

#include <string>
#include <string_view>

#include "plan/statement.h"

namespace headrace {

/// Rewrites one SELECT or expression. Errors: syntax_error with the place inside the file.
Result<std::string> rewrite_sql(std::string_view text, const Location& at);

/// Translates one type name, such as "ARRAY<ROW<a STRING>>" -> "STRUCT(a VARCHAR)[]". Errors: syntax_error.
Result<std::string> rewrite_type(std::string_view type, const Location& at);

}  // namespace headrace
