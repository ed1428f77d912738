#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "duck/chunk.h"
#include "udf/function_project.h"

namespace headrace {
namespace {

using duckdb::Value;
using ::testing::HasSubstr;

class FunctionHostTest : public FunctionProjectTest {
 protected:
  FunctionHostTest() : FunctionProjectTest("import pyarrow as pa\nimport headrace as hr\n") {}

  /// One row of arguments per entry; the results as SQL text, or the error's name.
  std::vector<std::string> call(const std::string& name, const std::vector<std::vector<Value>>& rows) {
    const size_t index = index_of(name);
    const FunctionDescription& function = host_->functions()[index];
    DataChunk chunk;
    duckdb::vector<LogicalType> types;
    for (const Field& argument : function.arguments) types.push_back(argument.type);
    const auto capacity = std::max<duckdb::idx_t>(rows.size(), 1);
    if (!types.empty()) chunk.Initialize(duckdb::Allocator::DefaultAllocator(), types, capacity);
    for (size_t row = 0; row < rows.size(); ++row) {
      for (size_t column = 0; column < rows[row].size(); ++column)
        chunk.data[column].SetValue(row, rows[row][column].DefaultCastAs(types[column]));
    }
    chunk.SetCardinality(rows.size());
    Vector result(function.result, capacity);
    auto outcome = host_->call(index, chunk, result);
    last_error_ = outcome.ok() ? Error{} : outcome.error();
    if (!outcome.ok()) return {std::string(name_of(outcome.error().code))};
    std::vector<std::string> out;
    for (size_t row = 0; row < rows.size(); ++row) out.push_back(result.GetValue(row).ToString());
    return out;
  }

  int64_t status(const std::string& field) const {
    std::string text = host_->status_json();
    return std::atoll(text.c_str() + text.find("\"" + field + "\":") + field.size() + 3);
  }

  Error last_error_;
};

using Rows = std::vector<std::string>;

TEST_F(FunctionHostTest, describes_what_the_hints_say) {
  start(R"(
@hr.function(timeout="2 s", memory="64 MiB", on_error="null", workers=3, deterministic=False)
def f(a: int, b: str | None, c: hr.decimal(12, 2)) -> list[float]:
    return [a]

@hr.function(vectorized=True)
def g(a: pa.DoubleArray) -> pa.StringArray:
    return a
)");
  ASSERT_EQ(host_->functions().size(), 2U);
  const FunctionDescription& f = host_->functions()[0];
  EXPECT_EQ(f.name, "f");
  EXPECT_EQ(f.kind, FunctionKind::scalar);
  EXPECT_EQ(f.arguments[1].name, "b");
  EXPECT_FALSE(f.arguments[0].nullable);
  EXPECT_TRUE(f.arguments[1].nullable);
  EXPECT_EQ(f.arguments[2].type, LogicalType::DECIMAL(12, 2));
  EXPECT_EQ(f.result, LogicalType::LIST(LogicalType::DOUBLE));
  EXPECT_EQ(f.timeout_ms, 2000);
  EXPECT_EQ(f.memory_bytes, 64 << 20);
  EXPECT_EQ(f.on_error, OnError::null);
  EXPECT_EQ(f.workers, 3);
  EXPECT_FALSE(f.deterministic);
  EXPECT_EQ(f.hash.size(), 64U);
  EXPECT_EQ(f.file, "functions/f.py");
  EXPECT_EQ(f.line, 4);
  EXPECT_EQ(host_->functions()[1].kind, FunctionKind::vectorized);
}

TEST_F(FunctionHostTest, errors_of_loading_have_file_and_line) {
  auto syntax = try_start("\ndef f(:\n");
  ASSERT_FALSE(syntax.ok());
  EXPECT_EQ(syntax.error().code, Code::function_load);
  EXPECT_EQ(syntax.error().at.text(), "functions/f.py:4");
  auto missing = try_start("\n\nimport no_such_module\n");
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().text(), HasSubstr("functions/f.py:5: error 4005 (function_load): ModuleNotFoundError"));
  auto hint = try_start("@hr.function\ndef f(a: complex) -> int:\n    return 1\n");
  ASSERT_FALSE(hint.ok());
  EXPECT_THAT(hint.error().text(),
              HasSubstr("functions/f.py:3: error 4005 (function_load): f: the parameter 'a': complex"));
  auto option = try_start("@hr.function(isolation='none')\ndef f(a: int) -> int:\n    return 1\n");
  ASSERT_FALSE(option.ok());
  EXPECT_THAT(option.error().message, HasSubstr("isolation = 'none' is not offered: a crash"));
}

TEST_F(FunctionHostTest, a_project_without_functions_starts_nothing) {
  auto host =
      start_function_host({.python = "/no/such/python", .project_directory = "/no/such/project", .python_path = {}});
  ASSERT_TRUE(host.ok());
  EXPECT_TRUE((*host)->functions().empty());
  EXPECT_EQ((*host)->status_json(), R"({"functions":[]})");
}

TEST_F(FunctionHostTest, scalar_functions_skip_rows_with_null_unless_the_hint_takes_it) {
  start(R"(
@hr.function
def cents(amount: float) -> int:
    assert amount is not None
    return round(amount * 100)

@hr.function
def shown(text: str | None, n: int) -> str:
    return f"{text}:{n}"

@hr.function
def answer() -> int:
    return 42

@hr.function
def maybe(n: int) -> str | None:
    return None if n % 2 else str(n)
)");
  EXPECT_EQ(call("cents", {{1.5}, {Value()}, {-0.25}}), (Rows{"150", "NULL", "-25"}));
  EXPECT_EQ(call("shown", {{"a", 1}, {Value(), 2}, {"c", Value()}, {"straße", 4}}),
            (Rows{"a:1", "None:2", "NULL", "straße:4"}));
  EXPECT_EQ(call("answer", {{}, {}}), (Rows{"42", "42"}));
  EXPECT_EQ(call("maybe", {{1}, {2}}), (Rows{"NULL", "2"}));
}

TEST_F(FunctionHostTest, every_type_goes_there_and_back) {
  start(R"(
import dataclasses, datetime as dt, decimal, typing
@dataclasses.dataclass
class Point:
    x: float
    tags: list[str]
class Pair(typing.TypedDict):
    a: int
    b: bool

@hr.function
def truth(v: bool) -> bool: return v
@hr.function
def text(v: str) -> str: return v
@hr.function
def raw(v: bytes) -> bytes: return v
@hr.function
def when(v: dt.datetime) -> dt.datetime: return v + dt.timedelta(microseconds=1)
@hr.function
def day(v: dt.date) -> dt.date: return v + dt.timedelta(days=1)
@hr.function
def clock(v: dt.time) -> dt.time: return v
@hr.function
def narrow(v: hr.decimal(4, 1)) -> hr.decimal(9, 2): return v * 2
@hr.function
def money(v: hr.decimal(12, 2)) -> hr.decimal(12, 2): return v / 3
@hr.function
def wide(v: decimal.Decimal) -> decimal.Decimal: return -v
@hr.function
def items(v: list[str]) -> list[str]: return [*v, "end"]
@hr.function
def counts(v: dict[str, int]) -> dict[str, int]: return {k: n + 1 for k, n in v.items()}
@hr.function
def point(v: Point) -> Point:
    assert isinstance(v, Point)
    return Point(v.x + 1, v.tags[::-1])
@hr.function
def pair(v: Pair) -> Pair: return {"a": v["a"] + 1, "b": not v["b"]}
@hr.function
def nested(v: list[list[int]]) -> int: return sum(sum(inner) for inner in v)
)");
  EXPECT_EQ(call("truth", {{true}, {false}, {Value()}}), (Rows{"true", "false", "NULL"}));
  EXPECT_EQ(call("text", {{""}, {"a longer text than twelve"}, {Value()}, {"ü"}}),
            (Rows{"", "a longer text than twelve", "NULL", "ü"}));
  EXPECT_EQ(call("raw", {{Value::BLOB("\\xFF\\x00a")}}), (Rows{"\\xFF\\x00a"}));
  EXPECT_EQ(call("when", {{"2026-01-02 03:04:05.000006"}, {Value()}, {"1969-12-31 23:59:59.999999"}}),
            (Rows{"2026-01-02 03:04:05.000007", "NULL", "1970-01-01 00:00:00"}));
  EXPECT_EQ(call("day", {{"2026-02-28"}, {Value()}}), (Rows{"2026-03-01", "NULL"}));
  EXPECT_EQ(call("clock", {{"12:00:00.5"}}), (Rows{"12:00:00.5"}));
  EXPECT_EQ(call("narrow", {{"-99.5"}, {Value()}}), (Rows{"-199.00", "NULL"}));
  EXPECT_EQ(call("money", {{"100.00"}, {"-0.02"}}), (Rows{"33.33", "-0.01"}));
  EXPECT_EQ(call("wide", {{"12345678901234567890.000000000000000001"}}),
            (Rows{"-12345678901234567890.000000000000000001"}));
  auto list = [](std::vector<const char*> items) {
    duckdb::vector<Value> values;
    for (const char* item : items) values.emplace_back(item);
    return Value::LIST(LogicalType::VARCHAR, std::move(values));
  };
  EXPECT_EQ(call("items", {{list({"a", "b"})}, {Value()}, {list({})}}), (Rows{"[a, b, end]", "NULL", "[end]"}));
  EXPECT_EQ(call("counts", {{Value::MAP(LogicalType::VARCHAR, LogicalType::BIGINT, {"k"}, {Value::BIGINT(1)})}}),
            (Rows{"{k=2}"}));
  EXPECT_EQ(call("point", {{Value::STRUCT({{"x", 1.5}, {"tags", list({"p", "q"})}})}, {Value()}}),
            (Rows{"{'x': 2.5, 'tags': [q, p]}", "NULL"}));
  EXPECT_EQ(call("pair", {{Value::STRUCT({{"a", 1}, {"b", true}})}}), (Rows{"{'a': 2, 'b': false}"}));
  Value inner = Value::LIST(LogicalType::BIGINT, {Value::BIGINT(1), Value::BIGINT(2)});
  EXPECT_EQ(call("nested", {{Value::LIST({inner, inner})}, {Value::LIST({inner})}}), (Rows{"6", "3"}));
}

TEST_F(FunctionHostTest, vectorized_functions_get_arrays_with_their_nulls) {
  start(R"(
import numpy as np, numpy.typing as npt, pandas as pd
import pyarrow.compute as pc

@hr.function(vectorized=True)
def joined(a: pa.StringArray, b: pa.Int64Array) -> pa.StringArray:
    return pc.binary_join_element_wise(a, b.cast(pa.string()), "-")

@hr.function(vectorized=True)
def halves(a: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return a / 2

@hr.function(vectorized=True)
def lengths(a: hr.column(str, "pandas")) -> hr.column(int, "pandas"):
    return a.str.len()

@hr.function(vectorized=True)
def tail(a: pa.Int64Array) -> pa.Int64Array:
    return pa.concat_arrays([pa.array([0]), a]).slice(1)

@hr.function(vectorized=True)
def lists(a: pa.Int64Array) -> hr.column(list[int]):
    return pa.array([[0], *[None if v is None else [v] * v for v in a.to_pylist()]], pa.list_(pa.int64())).slice(1)

@hr.function(vectorized=True)
def narrower(a: pa.Int64Array) -> pa.DoubleArray:
    return pa.array([1.0] * len(a), pa.float32())
)");
  EXPECT_EQ(call("joined", {{"a", 1}, {Value(), 2}, {"c", 3}}), (Rows{"a-1", "NULL", "c-3"}));
  EXPECT_EQ(call("halves", {{1.0}, {Value()}, {3.0}}), (Rows{"0.5", "NULL", "1.5"}));
  EXPECT_EQ(call("lengths", {{"abc"}, {Value()}}), (Rows{"3", "NULL"}));
  EXPECT_EQ(call("tail", {{7}, {Value()}, {9}}), (Rows{"7", "NULL", "9"}));
  EXPECT_EQ(call("lists", {{2}, {Value()}, {1}}), (Rows{"[2, 2]", "NULL", "[1]"}));
  EXPECT_EQ(call("narrower", {{2}}), (Rows{"1.0"}));
}

TEST_F(FunctionHostTest, one_interpreter_describes_and_forks) {
  const std::string note = (project_ / "described_by").string();
  start(R"(
import os
try:
    with open(")" +
        note + R"(", "w") as out:
        out.write(str(os.getppid()))
except PermissionError:  # In a worker.
    pass

@hr.function
def parent(n: int) -> int:
    return os.getppid()
)");
  std::string described_by;
  std::getline(std::ifstream(note), described_by);
  EXPECT_EQ(call("parent", {{1}}), (Rows{described_by}));
}

TEST_F(FunctionHostTest, what_describes_is_asked_again_when_something_kills_it) {
  start(R"(
import os, signal
here = os.path.dirname(__file__)
try:
    open(here + "/killed_once", "x").close()
    os.kill(os.getpid(), signal.SIGKILL)
except OSError:  # It is there, or this is a worker.
    pass

@hr.function
def f(n: int) -> int:
    return n
)");
  EXPECT_EQ(call("f", {{1}}), (Rows{"1"}));
}

TEST_F(FunctionHostTest, more_rows_than_a_batch_go_together_where_the_function_bears_them) {
  start(R"(
@hr.function(vectorized=True)
def together(a: pa.Int64Array) -> pa.Int64Array:
    return pa.array([len(a)] * len(a))

@hr.function(vectorized=True)
def weak(a: pa.Int64Array) -> pa.Int64Array:
    if len(a) > 2048:
        raise ValueError("too many")
    return a

@hr.function(vectorized=True, on_error="fail")
def strict(a: pa.Int64Array) -> pa.Int64Array:
    return weak.body(a)
)");
  std::vector<std::vector<Value>> rows;
  Rows numbers;
  for (int64_t row = 0; row < 7 * rows_per_batch; ++row) {
    rows.push_back({Value::BIGINT(row)});
    numbers.push_back(std::to_string(row));
  }
  const Rows counts = call("together", rows);
  EXPECT_EQ(counts.front(), "2048");  // Nothing is known yet of the time that they take.
  EXPECT_EQ(counts.back(), "8192");
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_EQ(call("weak", rows), numbers);
    EXPECT_EQ(call("strict", rows), numbers);
  }
}

TEST_F(FunctionHostTest, an_exception_tells_where_and_hurts_nobody) {
  start(R"(
@hr.function
def inverse(n: int) -> float:
    return 1 / n
)");
  EXPECT_EQ(call("inverse", {{1}, {0}}), (Rows{"function_raised"}));
  EXPECT_THAT(last_error_.message, HasSubstr("ZeroDivisionError: division by zero\n"));
  EXPECT_THAT(last_error_.message, HasSubstr("functions/f.py:6 in inverse: return 1 / n"));
  EXPECT_EQ(call("inverse", {{2}}), (Rows{"0.5"}));
  EXPECT_EQ(status("restarts"), 0);
  EXPECT_EQ(status("calls"), 2);
  EXPECT_EQ(status("rows"), 3);
  EXPECT_EQ(status("errors"), 1);
}

TEST_F(FunctionHostTest, wrong_results_are_named) {
  start(R"(
@hr.function
def scalar(n: int) -> int:
    return "seven" if n == 7 else n

@hr.function(vectorized=True)
def length(a: pa.Int64Array) -> pa.Int64Array:
    return a.slice(1)

@hr.function(vectorized=True)
def kind(a: pa.Int64Array) -> pa.Int64Array:
    return a.cast(pa.string())

@hr.function(vectorized=True)
def nothing(a: pa.Int64Array) -> pa.Int64Array:
    pass

@hr.function(vectorized=True)
def not_text(a: pa.Int64Array) -> pa.StringArray:
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])

@hr.function(vectorized=True)
def backwards(a: pa.Int64Array) -> pa.StringArray:
    return pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\6\0\0\0\2\0\0\0"), pa.py_buffer(b"abcdef")])

@hr.function
def too_wide(a: int) -> hr.decimal(4, 2):
    return a

@hr.function(vectorized=True)
def wide_bits(a: pa.Int64Array) -> hr.column(hr.decimal(4, 2)):
    return pa.Array.from_buffers(pa.decimal128(4, 2), 1, [None, pa.py_buffer(b"\x7f" * 16)])
)");
  EXPECT_EQ(call("scalar", {{1}, {7}}), (Rows{"function_result"}));
  EXPECT_THAT(last_error_.message, HasSubstr("scalar gave 'seven', and its hint says BIGINT"));
  EXPECT_EQ(call("length", {{1}, {7}}), (Rows{"function_result"}));
  EXPECT_EQ(last_error_.message, "length gave 0 values for 1 rows");
  EXPECT_EQ(call("kind", {{1}}), (Rows{"function_result"}));
  EXPECT_EQ(last_error_.message, "kind gave string, and its hint says BIGINT (int64)");
  EXPECT_EQ(call("nothing", {{1}}), (Rows{"function_result"}));
  EXPECT_EQ(last_error_.message, "nothing gave a NoneType instead of an array");
  EXPECT_EQ(call("not_text", {{1}}), (Rows{"function_result"}));
  EXPECT_EQ(last_error_.message, "not_text: a result is not UTF-8 text");
  EXPECT_EQ(call("backwards", {{1}, {2}}), (Rows{"function_result"}));  // One by one it gives too many.
  EXPECT_EQ(last_error_.message, "backwards gave 2 values for 1 rows");
  EXPECT_EQ(call("too_wide", {{100}}), (Rows{"function_result"}));
  EXPECT_EQ(call("wide_bits", {{100}}), (Rows{"function_result"}));
  EXPECT_EQ(last_error_.message, "wide_bits: a result does not fit DECIMAL(4,2)");
  EXPECT_EQ(call("scalar", {{1}}), (Rows{"1"}));
  EXPECT_EQ(status("restarts"), 0);
}

TEST_F(FunctionHostTest, the_end_of_a_worker_is_that_calls_and_that_functions_alone) {
  start(R"(
import ctypes, os, signal, sys
@hr.function
def fragile(n: int) -> int:
    if n == 1: sys.exit(3)
    if n == 2: os.abort()
    if n == 3: ctypes.string_at(0)
    if n == 4: os.kill(os.getpid(), signal.SIGKILL)
    if n == 5: os._exit(0)
    if n == 6: os.closerange(3, 100)
    return n

@hr.function
def sturdy(n: int) -> int:
    return os.getpid()
)");
  const Rows pid = call("sturdy", {{0}});
  const char* how[] = {"", "exit code 3", "signal 6", "signal 11", "signal 9", "exit code 0"};
  for (int64_t n = 1; n <= 5; ++n) {
    EXPECT_EQ(call("fragile", {{Value::BIGINT(n)}}), (Rows{"function_died"}));
    EXPECT_THAT(last_error_.message, HasSubstr(how[n]));
    EXPECT_EQ(call("fragile", {{0}}), (Rows{"0"}));
  }
  call("fragile", {{6}});  // Whether the answer still gets through is open; the next call works.
  EXPECT_EQ(call("fragile", {{0}}), (Rows{"0"}));
  EXPECT_EQ(call("sturdy", {{0}}), pid);
}

TEST_F(FunctionHostTest, the_failing_rows_of_a_batch_are_found_in_one_pass) {
  start(R"(
import os, time
@hr.function(timeout="300 ms")
def fragile(n: int) -> int:
    if n == 700: os._exit(1)
    if n == 900: time.sleep(60)
    if n == 1500: raise ValueError("no")
    return n
)");
  std::vector<std::vector<Value>> rows;
  for (int64_t n = 0; n < 2048; ++n) rows.push_back({Value::BIGINT(n)});
  EXPECT_EQ(call("fragile", rows), (Rows{"function_died"}));
  EXPECT_THAT(last_error_.detail, HasSubstr(R"("function":"fragile","file":"functions/f.py")"));
  EXPECT_THAT(last_error_.detail, HasSubstr(R"("arguments":{"n":700})"));
  // The whole batch; then up to the first bad row, that row by itself, from there to the second, and so to the end.
  EXPECT_LE(status("restarts"), 4);
  // What is known to fail calls nothing: parts around a bad row are quick.
  EXPECT_EQ(call("fragile", {{1}, {900}, {2}}), (Rows{"function_timeout"}));
  EXPECT_EQ(call("fragile", {{1500}}), (Rows{"function_raised"}));
  EXPECT_LE(status("restarts"), 4);
  EXPECT_EQ(call("fragile", {{1}, {2}}), (Rows{"1", "2"}));
}

TEST_F(FunctionHostTest, what_a_row_leaves_behind_is_no_other_rows_fault) {
  start(R"(
import os
armed = []
@hr.function
def trap(n: int) -> int:
    if n == 3: armed.append(n)
    elif armed: os._exit(1)
    return n
)");
  EXPECT_EQ(call("trap", {{0}, {3}, {4}}), (Rows{"function_died"}));  // Each row by itself is fine: the caller goes on.
  EXPECT_EQ(call("trap", {{3}}), (Rows{"3"}));
  EXPECT_EQ(call("trap", {{4}}), (Rows{"4"}));
}

TEST_F(FunctionHostTest, on_error_says_what_becomes_of_failing_rows) {
  start(R"(
import os
@hr.function(on_error="null")
def gap(n: int) -> int:
    if n == 2: os._exit(1)
    if n == 4: raise ValueError("no")
    return n
@hr.function(on_error="null", vectorized=True)
def one_only(n: pa.Int64Array) -> pa.Int64Array:
    if len(n) > 1: raise ValueError("too many")
    return n
@hr.function(on_error="fail")
def strict(n: int) -> int:
    return 1 // n
)");
  EXPECT_EQ(call("gap", {{1}, {2}, {3}, {4}, {5}}), (Rows{"1", "NULL", "3", "NULL", "5"}));
  EXPECT_EQ(call("one_only", {{1}, {2}, {3}}), (Rows{"1", "2", "3"}));
  EXPECT_EQ(call("strict", {{1}, {0}}), (Rows{"function_stopped_run"}));
  EXPECT_THAT(last_error_.message, HasSubstr("on_error = 'fail': ZeroDivisionError"));
}

TEST_F(FunctionHostTest, exceptions_of_every_kind_are_the_rows_alone) {
  start(R"(
class Odd(BaseException): pass
class Mute(Exception):
    def __str__(self): return 1 / 0
@hr.function
def f(n: int) -> int:
    if n == 1: raise Odd("odd")
    if n == 2: raise KeyboardInterrupt
    if n == 3: raise Mute()
    if n == 4: raise ValueError("\udcff" + "x" * 10_000_000)
    return n
)");
  const char* said[] = {"", "Odd: odd", "KeyboardInterrupt", "Mute: (its text cannot be had", "ValueError: ?xxx"};
  for (int64_t n = 1; n <= 4; ++n) {
    EXPECT_EQ(call("f", {{0}, {Value::BIGINT(n)}}), (Rows{"function_raised"}));
    EXPECT_THAT(last_error_.message, HasSubstr(said[n]));
  }
  EXPECT_EQ(status("restarts"), 0);
}

TEST_F(FunctionHostTest, a_function_may_do_what_it_has_declared_and_no_more) {
  std::filesystem::create_directories(project_ / "out");
  start(R"(
import os, signal, socket, subprocess, pathlib
from headrace.worker import sandbox
HERE = pathlib.Path(__file__).parent

def attempt(n):
    if n == 0: return str(len(sandbox.available()))
    if n == 1: (HERE / "new.txt").write_text("x")
    if n == 2: os.unlink(__file__)
    if n == 3: socket.socket()
    if n == 4: os.fork()
    if n == 5: os.kill(os.getppid(), signal.SIGKILL)
    if n == 6: os.chmod(__file__, 0o777)
    if n == 7: (HERE.parent / "out" / "new.txt").write_text("x")
    return "done"

@hr.function
def closed(n: int) -> str:
    return attempt(n)
@hr.function(network=True, writes=("out",))
def open_(n: int) -> str:
    return attempt(n)
)");
  if (call("closed", {{0}}) != (Rows{"2"})) GTEST_SKIP() << "this kernel has no Landlock or no seccomp";
  for (int64_t n = 1; n <= 7; ++n) {
    EXPECT_EQ(call("closed", {{Value::BIGINT(n)}}), (Rows{"function_raised"})) << n;
    EXPECT_THAT(last_error_.message, HasSubstr("PermissionError"));
    EXPECT_THAT(last_error_.message, HasSubstr("network=True or writes=(...)"));
  }
  EXPECT_EQ(call("open_", {{3}, {7}}), (Rows{"done", "done"}));
  for (int64_t n : {1, 2, 4, 5}) EXPECT_EQ(call("open_", {{Value::BIGINT(n)}}), (Rows{"function_raised"})) << n;
  EXPECT_EQ(status("restarts"), 0);
}

TEST_F(FunctionHostTest, a_worker_killed_between_calls_is_not_noticed) {
  start("import os\n@hr.function\ndef pid(n: int) -> int:\n    return os.getpid()\n");
  const Rows first = call("pid", {{0}});
  ASSERT_EQ(::kill(static_cast<pid_t>(std::stoll(first[0])), SIGKILL), 0);
  while (::kill(static_cast<pid_t>(std::stoll(first[0])), 0) == 0) {
    const Rows second = call("pid", {{0}});
    if (second != first) break;  // Reaped and replaced.
  }
  EXPECT_NE(call("pid", {{0}}), first);
  EXPECT_EQ(status("restarts"), 1);
}

TEST_F(FunctionHostTest, a_hanging_function_is_killed_at_its_deadline) {
  start(R"(
import time
@hr.function(timeout="200 ms")
def hangs(n: int) -> int:
    while n: pass
    return n
@hr.function(timeout="200 ms")
def sleeps(n: int) -> int:
    time.sleep(1000 * n)
    return n
)");
  for (const char* name : {"hangs", "sleeps"}) {
    EXPECT_EQ(call(name, {{1}}), (Rows{"function_timeout"}));
    EXPECT_THAT(last_error_.message, HasSubstr("200 ms"));
    Rows next = call(name, {{0}});
    // A busy machine may starve even a quick function.
    for (int again = 0; again < 50 && next == (Rows{"function_timeout"}); ++again) next = call(name, {{0}});
    EXPECT_EQ(next, (Rows{"0"}));
  }
}

TEST_F(FunctionHostTest, memory_beyond_the_budget_is_a_memory_error) {
  start(R"(
kept = []
@hr.function(memory="256 MB")
def grows(n: int) -> int:
    kept.append(bytearray(n))
    return len(kept)
)");
  EXPECT_EQ(call("grows", {{1}}), (Rows{"1"}));
  EXPECT_EQ(call("grows", {{600'000'000}}), (Rows{"function_raised"}));
  EXPECT_THAT(last_error_.message, HasSubstr("MemoryError"));
  EXPECT_EQ(call("grows", {{1}}), (Rows{"1"}));  // A fresh process.
  EXPECT_GT(status("worker_bytes"), 10'000'000);
}

TEST_F(FunctionHostTest, scribbling_over_shared_memory_harms_the_scribbler_only) {
  start(R"(
import ctypes, random, re, threading, time

def shared():
    for line in open("/proc/self/maps"):
        if "memfd:headrace-worker" in line:
            start, end = (int(part, 16) for part in re.match("([0-9a-f]+)-([0-9a-f]+) ", line).groups())
            return start, end - start

@hr.function(vectorized=True, timeout="500 ms")
def overwrites(seed: pa.Int64Array, text: pa.StringArray) -> pa.StringArray:
    start, size = shared()
    seed = seed[0].as_py()
    random.seed(seed)
    def scribble(for_s):
        ends = time.monotonic() + for_s
        while time.monotonic() < ends:
            place = random.choice([64, 128, 192, 256, 320, 4096, 12288, 32768, 64 * 2**20 + 32768])
            ctypes.memmove(start + place + random.randrange(64), random.randbytes(16), 16)
    if seed % 2:
        scribble(0.002)
    else:
        threading.Thread(target=scribble, args=(0.02,), daemon=True).start()
    return text

@hr.function(vectorized=True)
def shrinks(a: pa.Int64Array) -> pa.Int64Array:
    import os
    for name in os.listdir("/proc/self/fd"):
        try: os.truncate("/proc/self/fd/" + name, 0)
        except OSError: pass
    start, size = shared()
    fd = os.open(f"/proc/self/map_files/{start:x}-{start + size:x}", os.O_RDWR)
    try: os.ftruncate(fd, 0)
    except PermissionError: return a
    raise RuntimeError("the memory could be cut")
)");
  for (int64_t seed = 0; seed < 40; ++seed) {
    Rows rows = call("overwrites", {{Value::BIGINT(seed), "one text of some length"}, {Value::BIGINT(seed), Value()}});
    // Any answer or error will do: the engine lives, and what it takes over is well formed.
    EXPECT_FALSE(rows.empty());
  }
  Rows cut = call("shrinks", {{1}});
  EXPECT_TRUE(cut == (Rows{"1"}) || last_error_.message.find("could be cut") == std::string::npos)
      << last_error_.message;
}

TEST_F(FunctionHostTest, a_full_batch_and_more_than_fits_at_once) {
  start(R"(
@hr.function(vectorized=True)
def same(a: pa.StringArray) -> pa.StringArray:
    return a
@hr.function
def blown(n: int) -> str:
    return "x" * n
)");
  std::vector<std::vector<Value>> rows;
  for (int i = 0; i < 2048; ++i) rows.push_back({i % 7 == 0 ? Value() : Value("row " + std::to_string(i))});
  Rows out = call("same", rows);
  ASSERT_EQ(out.size(), 2048U);
  EXPECT_EQ(out[0], "NULL");
  EXPECT_EQ(out[2047], "row 2047");

  std::vector<std::vector<Value>> large(100, {Value(std::string(1 << 20, 'a'))});
  out = call("same", large);
  ASSERT_EQ(out.size(), 100U);
  EXPECT_EQ(out[99].size(), 1U << 20);
  out = call("blown", std::vector<std::vector<Value>>(5, {Value::BIGINT(30 << 20)}));
  ASSERT_EQ(out.size(), 5U);
  EXPECT_EQ(out[4].size(), 30U << 20);
  EXPECT_EQ(call("blown", {{Value::BIGINT(80 << 20)}}), (Rows{"function_result"}));
  EXPECT_THAT(last_error_.message, HasSubstr("one row's arguments or result need more than 64 MiB"));
  EXPECT_EQ(call("blown", {{1}}), (Rows{"x"}));
}

TEST_F(FunctionHostTest, takes_vectors_of_every_kind_and_larger_than_a_batch) {
  start(
      "@hr.function(vectorized=True)\ndef same(a: pa.Int64Array, b: hr.column(list[str])) -> hr.column(list[str]):\n   "
      " return b\n");
  const size_t rows = 32'768;
  Value texts = Value::LIST(LogicalType::VARCHAR, {Value("p"), Value("q")});
  DataChunk chunk;
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(),
                   {LogicalType::BIGINT, LogicalType::LIST(LogicalType::VARCHAR)}, rows);
  chunk.data[0].Reference(Value::BIGINT(1));  // A constant.
  Vector dictionary(LogicalType::LIST(LogicalType::VARCHAR), 3);
  dictionary.SetValue(0, texts);
  dictionary.SetValue(1, Value(LogicalType::LIST(LogicalType::VARCHAR)));
  dictionary.SetValue(2, Value::LIST(LogicalType::VARCHAR, {Value("r"), Value(LogicalType::VARCHAR)}));
  duckdb::SelectionVector selection(rows);
  for (size_t row = 0; row < rows; ++row) selection.set_index(row, row % 3);
  chunk.data[1].Slice(dictionary, selection, rows);
  chunk.SetCardinality(rows);
  Vector result(LogicalType::LIST(LogicalType::VARCHAR), rows);
  auto outcome = host_->call(0, chunk, result);
  ASSERT_TRUE(outcome.ok()) << outcome.error().text();
  EXPECT_EQ(result.GetValue(32'766).ToString(), "[p, q]");
  EXPECT_EQ(result.GetValue(32'764).ToString(), "NULL");
  EXPECT_EQ(result.GetValue(32'765).ToString(), "[r, NULL]");
}

TEST_F(FunctionHostTest, calls_at_the_same_time_have_workers_of_their_own) {
  // Each call comes back only when the other has begun, too.
  start(R"(
import pathlib, time
HERE = pathlib.Path(__file__).parent.parent
@hr.function(timeout="60 s", writes=(".",))
def meet(n: int) -> int:
    (HERE / f"here{n}").touch()
    while not (HERE / f"here{1 - n}").exists(): time.sleep(0.001)
    return n
)");
  std::vector<std::thread> threads;
  for (int64_t n = 0; n < 2; ++n)
    threads.emplace_back([&, n] {
      DataChunk chunk;
      chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {LogicalType::BIGINT});
      duckdb::FlatVector::GetData<int64_t>(chunk.data[0])[0] = n;
      chunk.SetCardinality(1);
      Vector result(LogicalType::BIGINT);
      EXPECT_TRUE(host_->call(0, chunk, result).ok());
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(status("workers"), 2);
}

TEST_F(FunctionHostTest, several_threads_share_the_workers) {
  start("@hr.function(workers=2)\ndef twice(n: int) -> int:\n    return 2 * n\n");
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      DataChunk chunk;
      chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {LogicalType::BIGINT});
      for (int i = 0; i < 100; ++i) {
        chunk.Reset();
        for (int64_t row = 0; row < 64; ++row)
          duckdb::FlatVector::GetData<int64_t>(chunk.data[0])[row] = t * 10'000 + i * 64 + row;
        chunk.SetCardinality(64);
        Vector result(LogicalType::BIGINT);
        bool fine = host_->call(0, chunk, result).ok();
        for (int64_t row = 0; row < 64; ++row)
          fine = fine && duckdb::FlatVector::GetData<int64_t>(result)[row] == 2 * (t * 10'000 + i * 64 + row);
        right += fine;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
  EXPECT_EQ(status("calls"), 400);
  EXPECT_EQ(status("workers"), 2);
}

TEST_F(FunctionHostTest, changed_code_is_not_taken_up_in_silence) {
  start("import os\n@hr.function\ndef f(n: int) -> int:\n    if n: os._exit(1)\n    return 1\n");
  EXPECT_EQ(call("f", {{0}}), (Rows{"1"}));
  std::ofstream(project_ / "functions/f.py")
      << "import headrace as hr\n@hr.function\ndef f(n: int) -> int:\n    return 2\n";
  EXPECT_EQ(call("f", {{0}}), (Rows{"1"}));
  EXPECT_EQ(call("f", {{1}}), (Rows{"function_died"}));
  EXPECT_EQ(call("f", {{0}}), (Rows{"1"}));  // A fresh process, and still the code that the pipeline started with.
  auto described = host_->describe_again();
  ASSERT_TRUE(described.ok()) << described.error().text();
  auto taken = host_->take_up(*described);
  ASSERT_TRUE(taken.ok()) << taken.error().text();
  EXPECT_EQ(*taken, (Rows{"f"}));
  EXPECT_EQ(call("f", {{0}}), (Rows{"2"}));
  std::ofstream(project_ / "functions/f.py")
      << "import headrace as hr\n@hr.function\ndef f(n: int) -> str:\n    return 'other'\n";
  described = host_->describe_again();
  ASSERT_TRUE(described.ok());
  EXPECT_EQ(host_->take_up(*described).error().code, Code::state_mismatch);
  EXPECT_EQ(call("f", {{0}}), (Rows{"2"}));
}

TEST_F(FunctionHostTest, what_a_function_prints_is_logged_and_does_not_disturb) {
  start("print('loading')\n@hr.function\ndef f(n: int) -> int:\n    print('x' * n)\n    return n\n");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(call("f", {{10}, {200'000}}), (Rows{"10", "200000"}));
  host_.reset();
  std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr(R"("event":"function_output","function":"f","text":"xxxxxxxxxx"})"));
}

}  // namespace
}  // namespace headrace
