"""Data for the examples: the departures of `headrace demo` and the generated card transactions of `examples/fraud`."""
