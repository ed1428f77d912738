// SESSION's PARTITION BY.
#include "base/text.h"
#include "plan/relation_builder.h"

namespace headrace {

/// The places of the PARTITION BY columns in the window's input.
Result<std::vector<size_t>> RelationBuilder::session_keys(const BoundRelation& relation, const Output& in) const {
  std::vector<size_t> out;
  for (const std::string& key : relation.session_keys) {
    const size_t before = out.size();
    for (size_t i = 0; i < in.columns.size() && out.size() == before; ++i)
      if (same_name(in.columns[i].name, key)) out.push_back(i);
    if (out.size() == before)
      return user_error(Code::unknown_column, "SESSION: PARTITION BY names a column that is not there: " + key);
  }
  return out;
}

}  // namespace headrace
