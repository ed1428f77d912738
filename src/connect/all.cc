// Every connector of this room, one line each, in alphabetical order. A new connector is a folder and a line here.
#include "connect/spec.h"

namespace headrace {

extern const ConnectorSpec blackhole_connector, file_connector, generator_connector, http_connector, log_connector,
    print_connector, python_connector;

std::span<const ConnectorSpec* const> own_connectors();

std::span<const ConnectorSpec* const> own_connectors() {
  static const ConnectorSpec* const specs[] = {
      &blackhole_connector,  //
      &file_connector,       //
      &generator_connector,  //
      &http_connector,       //
      &log_connector,        //
      &print_connector,     &python_connector,
  };
  return specs;
}

}  // namespace headrace
