// The connector `python`: rows from and to the users' own code.
#include "connect/python/sink.h"
#include "connect/python/source.h"

namespace headrace {
namespace {

constexpr ConfigField own_source_fields[] = {
    {"function", FieldKind::text, "", "The name of a function with @hr.source in functions/*.py.", true},
};
constexpr auto source_fields = with_common_source_fields(own_source_fields);
constexpr ConfigField sink_fields[] = {
    {"function", FieldKind::text, "", "The name of a function with @hr.sink in functions/*.py.", true},
    {"changes", FieldKind::choice, "append", "append | retract: whether rows are only added, or also taken back."},
};

}  // namespace

extern const ConnectorSpec python_connector;
const ConnectorSpec python_connector{.name = "python",
                                     .summary = "Rows from and to your own Python functions.",
                                     .source_fields = source_fields,
                                     .sink_fields = sink_fields,
                                     .make_source = &PythonSource::make,
                                     .make_sink = &PythonSink::make};

}  // namespace headrace
