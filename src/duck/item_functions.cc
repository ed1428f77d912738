// What UNNEST takes apart, as a list: a map is one of its entries (plan/rewrite_unnest.cc, which does not know types).
#include <duckdb/function/scalar_function.hpp>
#include <duckdb/main/extension/extension_loader.hpp>

#include "base/result.h"
#include "duck/failure.h"
#include "duck/functions.h"

namespace headrace {
namespace {

using duckdb::Expression;

duckdb::unique_ptr<duckdb::FunctionData> bind_items(duckdb::ClientContext&, duckdb::ScalarFunction& function,
                                                    duckdb::vector<duckdb::unique_ptr<Expression>>& arguments) {
  const LogicalType& given = arguments[0]->return_type;
  if (given.id() == LogicalTypeId::ARRAY)
    function.return_type = LogicalType::LIST(duckdb::ArrayType::GetChildType(given));
  else if (given.id() == LogicalTypeId::MAP)
    function.return_type = LogicalType::LIST(duckdb::ListType::GetChildType(given));
  else if (given.id() == LogicalTypeId::LIST)
    function.return_type = given;
  else
    throw_error(user_error(Code::bind_error, "a list or a map is needed here, not " + given.ToString()));
  function.arguments[0] = given.id() == LogicalTypeId::MAP ? given : function.return_type;  // An array is cast.
  return nullptr;
}

/// A map lies in memory as the list of its entries.
void give_items(DataChunk& arguments, duckdb::ExpressionState&, Vector& out) {
  if (out.GetType() == arguments.data[0].GetType())
    out.Reference(arguments.data[0]);
  else
    out.Reinterpret(arguments.data[0]);
}

}  // namespace

void register_item_functions(duckdb::DatabaseInstance& database) {
  duckdb::ExtensionLoader loader(database, "headrace");
  loader.RegisterFunction(
      duckdb::ScalarFunction("headrace_items", {LogicalType::ANY}, LogicalType::ANY, give_items, bind_items));
}

}  // namespace headrace
