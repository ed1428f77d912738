// What a call of a user function costs: the hop alone (identity over four columns, fixed or one of them text) and real
// work, beside bench/udf/bare.py.
//   HEADRACE_PYTHON=.venv/bin/python build/bench/udf_bench && .venv/bin/python bench/udf/bare.py
// One line per function and size: median and best microseconds of a call, nanoseconds per row at the median, and the
// CPU time that this process spent per call (waiting included: an idle engine must not burn its core).
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "base/clock.h"
#include "udf/function.h"

namespace headrace {
namespace {

constexpr int calls_warm = 50;
constexpr int calls_measured = 1000;

int64_t cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

void fill(Vector& column, int64_t rows) {
  switch (column.GetType().id()) {
    case LogicalTypeId::BIGINT:
      for (int64_t row = 0; row < rows; ++row) duckdb::FlatVector::GetData<int64_t>(column)[row] = row;
      return;
    case LogicalTypeId::DOUBLE:
      for (int64_t row = 0; row < rows; ++row)
        duckdb::FlatVector::GetData<double>(column)[row] = 0.5 * static_cast<double>(row);
      return;
    default:
      for (int64_t row = 0; row < rows; ++row)
        duckdb::FlatVector::GetData<duckdb::string_t>(column)[row] =
            duckdb::StringVector::AddString(column, fmt::format("text {}", row));
  }
}

/// False when a call failed.
bool measure(FunctionHost& host, size_t index, int64_t rows) {
  const FunctionDescription& function = host.functions()[index];
  duckdb::vector<LogicalType> types;
  for (const Field& argument : function.arguments) types.push_back(argument.type);
  DataChunk chunk;
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), types, static_cast<duckdb::idx_t>(rows));
  for (Vector& column : chunk.data) fill(column, rows);
  chunk.SetCardinality(static_cast<duckdb::idx_t>(rows));
  std::vector<int64_t> times;
  int64_t cpu_before_us = 0;
  for (int call = 0; call < calls_warm + calls_measured; ++call) {
    if (call == calls_warm) cpu_before_us = cpu_us();
    Vector result(function.result, static_cast<duckdb::idx_t>(rows));
    const int64_t began_ns = system_clock().steady_ns();
    Result<> outcome = host.call(index, chunk, result);
    if (!outcome.ok()) {
      fmt::print(stderr, "{}\n", outcome.error().text());
      return false;
    }
    if (call >= calls_warm) times.push_back(system_clock().steady_ns() - began_ns);
  }
  const double cpu = static_cast<double>(cpu_us() - cpu_before_us) / calls_measured;
  std::sort(times.begin(), times.end());
  const auto median = static_cast<double>(times[times.size() / 2]);
  fmt::print("headrace {:8} {:6} {:10.1f} {:10.1f} {:10.1f} {:10.1f}\n", function.name, rows, median / 1e3,
             static_cast<double>(times[0]) / 1e3, median / static_cast<double>(rows), cpu);
  return true;
}

int run() {
  std::filesystem::path root = std::filesystem::read_symlink("/proc/self/exe");
  while (root.has_relative_path() && !std::filesystem::exists(root / "python/headrace")) root = root.parent_path();
  const char* python = std::getenv("HEADRACE_PYTHON");
  auto host = start_function_host({.python = python != nullptr ? python : "python3",
                                   .project_directory = (root / "bench/udf/project").string(),
                                   .python_path = {(root / "python").string()}});
  if (!host.ok()) {
    fmt::print(stderr, "{}\n", host.error().text());
    return 1;
  }
  fmt::print("         name       rows  median us    best us     ns/row cpu us/call\n");
  for (int64_t rows : {1, 256, 2048, 8192, 32'768}) {
    for (size_t index = 0; index < (*host)->functions().size(); ++index) {
      if (!measure(**host, index, rows)) return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace headrace

int main() {
  return headrace::run();
}
