// UNNEST beside a table as Flink means it: rows and maps fall apart into the columns that the alias names, LEFT JOIN
// keeps rows without elements, WITH ORDINALITY numbers the elements. It becomes a LATERAL query that DuckDB takes:
//
//   LEFT JOIN UNNEST(x) WITH ORDINALITY AS t(a, b, n) ON TRUE  ->
//   JOIN LATERAL (SELECT struct_extract_at(item, 1), struct_extract_at(item, 2), number
//                 FROM (SELECT unnest(CASE WHEN len(list) > 0 THEN list ELSE [NULL] END) AS item,
//                              unnest(range(1, len(list) + 1)) AS number
//                       FROM (SELECT headrace_items(x) AS list))) AS t(a, b, n) ON TRUE
//
// with names that no column has. UNNEST(x) into one column is UNNEST(headrace_items(x)), for x may be a map.
#include "plan/rewriter.h"

namespace headrace {

struct TableAlias {
  size_t columns = 0;  ///< How many it names.
  size_t behind = 0;
};

/// [AS] t [(a, b)], which may not be there at all.
Result<TableAlias> Rewriter::table_alias(size_t i, size_t end) const {
  const bool named = token(i).is("AS");
  if (named) ++i;
  TableAlias out{0, i};
  if (i >= end || !token(i).is_name()) return out;
  if (!named && (goes_on(i) || token(i).is("ON") || token(i).is("USING") || token(i).is("WITH"))) return out;
  out.behind = i + 1;
  if (!token(i + 1).is_op("(")) return out;
  HEADRACE_ASSIGN(const size_t close, closing(i + 1, end));
  return TableAlias{arguments(i + 1, close).size(), close + 1};
}

Rewriter::Claimed Rewriter::unnest(size_t i, size_t end) {
  const bool left = token(i).is("LEFT");
  size_t at = i;
  if (left) {
    at += token(i + 1).is("OUTER") ? 2 : 1;
    if (!token(at).is("JOIN")) return not_here();
    at += token(at + 1).is("LATERAL") ? 2 : 1;
  }
  if (!token(at).is("UNNEST") || !is_call(at) || at == start_) return not_here();
  const Token& before = token(at - 1);
  const bool lateral = before.is("LATERAL");
  if (!lateral && !before.is("JOIN") && !(before.is_op(",") && in_from(at - 1))) return not_here();
  HEADRACE_ASSIGN(const size_t close, closing(at + 1, end));
  const bool numbered = token(close + 1).is("WITH") && token(close + 2).is("ORDINALITY");
  const size_t behind = close + (numbered ? 3 : 1);
  HEADRACE_ASSIGN(const TableAlias alias, table_alias(behind, end));
  if (!left && !numbered && alias.columns < 2) return unnest_items(at, close);
  const bool all = token(alias.behind).is("ON") && token(alias.behind + 1).is("TRUE") &&
                   end_of_condition(alias.behind + 1, end) == alias.behind + 2;
  if (left && !all)
    return error_at(i, "LEFT JOIN UNNEST takes ON TRUE and no other condition")
        .with_remedy(
            "choose among the elements before: LEFT JOIN UNNEST(list_filter(items, x -> ...)) AS t(item) ON TRUE");
  space(i);
  put(left ? "JOIN LATERAL (SELECT " : lateral ? "(SELECT " : "LATERAL (SELECT ", i);
  HEADRACE_TRY(unnested(i, {at + 2, close}, alias.columns, left, numbered));
  return std::optional(behind);
}

/// UNNEST(x) -> UNNEST(headrace_items(x))
Rewriter::Claimed Rewriter::unnest_items(size_t i, size_t close) {
  if (token(i + 2).is("headrace_items")) return not_here();
  copy(i);
  copy(i + 1);
  put("headrace_items(", i + 2);
  HEADRACE_TRY(run({i + 2, close}));
  put(")", close);
  copy(close);
  return std::optional(close + 1);
}

/// Writes the query that stands for UNNEST(value), behind its SELECT; `columns` are those that the alias names.
Result<> Rewriter::unnested(size_t i, TokenRange value, size_t columns, bool left, bool numbered) {
  const size_t fields = columns - (numbered && columns > 0);
  std::string selected = fields == 0 ? "headrace_item AS \"unnest\"" : fields == 1 ? "headrace_item" : "";
  for (size_t field = 1; fields > 1 && field <= fields; ++field)
    selected += (field == 1 ? "" : ", ") + ("struct_extract_at(headrace_item, " + std::to_string(field) + ")");
  if (numbered) selected += ", headrace_number AS ordinality";
  const std::string list =
      left ? "CASE WHEN len(headrace_list) > 0 THEN headrace_list ELSE [NULL] END" : "headrace_list";
  put(selected + " FROM (SELECT unnest(" + list + ") AS headrace_item" +
          (numbered ? ", unnest(range(1, len(headrace_list) + 1)) AS headrace_number" : "") +
          " FROM (SELECT headrace_items(",
      i);
  HEADRACE_TRY(run(value));
  put(") AS headrace_list)))", i);
  return {};
}

}  // namespace headrace
