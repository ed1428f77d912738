"""The decorator, hints, hashes, loading and calling of user functions, without an engine."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import os
import pathlib
import subprocess
import sys
from typing import Annotated, Any, TypedDict

import headrace as hr
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pytest
from headrace.column_types import hint_of, type_of
from headrace.errors import BadConfig, BadDuration, FunctionLoad
from headrace.loading import load_file, load_project
from headrace.source_hash import source_hash
from headrace.worker.calling import caller_of
from headrace.worker.values import WrongResult
from running_engine import why_not, write_project

PACKAGE = pathlib.Path(hr.__file__).parent.parent


@dataclasses.dataclass
class Point:
    x: float
    y: float | None


class Pair(TypedDict):
    name: str
    points: list[Point]


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (bool, "BOOLEAN"), (int, "BIGINT"), (float, "DOUBLE"), (str, "VARCHAR"), (bytes, "BLOB"),
        (datetime.datetime, "TIMESTAMP"), (datetime.date, "DATE"), (datetime.time, "TIME"),
        (decimal.Decimal, "DECIMAL(38, 18)"), (hr.decimal(5, 0), "DECIMAL(5, 0)"),
        (list[int], "BIGINT[]"), (list[int | None], "BIGINT[]"), (dict[str, list[float]], "MAP(VARCHAR, DOUBLE[])"),
        (Point, "STRUCT(x DOUBLE, y DOUBLE)"), (Pair, "STRUCT(name VARCHAR, points STRUCT(x DOUBLE, y DOUBLE)[])"),
    ],
)  # fmt: skip
def test_hints_of_values(hint: Any, text: str) -> None:
    assert str(type_of(hint)) == text
    nullable = hint_of(hint | None if not isinstance(hint, type(Annotated[int, 1])) else hint)
    assert str(nullable.type) == text


@pytest.mark.parametrize(
    ("hint", "text", "container", "nullable"),
    [
        (pa.DoubleArray, "DOUBLE", "arrow", True),
        (pa.Int64Array, "BIGINT", "arrow", True),
        (pa.StringArray, "VARCHAR", "arrow", True),
        (pa.TimestampArray, "TIMESTAMP", "arrow", True),
        (npt.NDArray[np.float32], "FLOAT", "numpy", False),
        (hr.column(list[int]), "BIGINT[]", "arrow", True),
        (hr.column(str, "pandas"), "VARCHAR", "pandas", False),
        (Annotated[pd.Series, hr.column(float)], "DOUBLE", "pandas", False),
    ],
)
def test_hints_of_columns(hint: Any, text: str, container: str, nullable: bool) -> None:
    found = hint_of(hint)
    assert (str(found.type), found.container, found.nullable) == (text, container, nullable)


@pytest.mark.parametrize("hint", [complex, list, dict, int | str, pa.ListArray, np.ndarray, pd.Series, "text", npt.NDArray[np.complex128]])
def test_hints_that_stand_for_nothing(hint: Any) -> None:
    with pytest.raises(BadConfig) as failure:
        hint_of(hint)
    assert failure.value.remedy


@pytest.mark.parametrize(
    "options",
    [
        {"memory": "12 parsecs"}, {"memory": 0}, {"on_error": "ignore"}, {"workers": 0}, {"workers": 65}, {"workers": True},
        {"isolation": "none"}, {"env": 3}, {"writes": "/tmp"}, {"writes": (1,)},
    ],
)  # fmt: skip
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(BadConfig):
        hr.function(**options)


@pytest.mark.parametrize("timeout", ["soon", "0 s", 5, "-1 s", "3"])
def test_timeouts_are_checked(timeout: Any) -> None:
    with pytest.raises(BadDuration):
        hr.function(timeout=timeout)


def test_a_decorated_function_is_still_a_function() -> None:
    @hr.function(memory="64 MiB", timeout=datetime.timedelta(seconds=2), workers=2)
    def half(x: float) -> float:
        """Half of it."""
        return x / 2

    assert half(3.0) == 1.5
    assert (half.name, half.__doc__) == ("half", "Half of it.")
    assert (half.options.memory_bytes, half.options.timeout_ms, half.options.workers) == (64 << 20, 2000, 2)


def test_signatures_are_checked() -> None:
    def no_hint(a) -> int: ...  # type: ignore[no-untyped-def]
    def no_result(a: int): ...  # type: ignore[no-untyped-def]
    def default(a: int = 1) -> int: ...
    def many(*a: int) -> int: ...
    def keyword(*, a: int) -> int: ...
    def array(a: pa.Int64Array) -> int: ...

    for body in (no_hint, no_result, default, many, keyword, array):
        with pytest.raises(BadConfig):
            _ = hr.function(body).signature
    with pytest.raises(BadConfig):
        _ = hr.function(vectorized=True)(test_hints_that_stand_for_nothing).signature
    for body in (lambda: (yield), int, 3):
        with pytest.raises(BadConfig):
            hr.function(body)  # type: ignore[arg-type]


# ---- Hashes ------------------------------------------------------------------------------------------------------------------------

FILE = """
import math
RATE = 2

def scaled(x):
    return x * RATE

class Table:
    size = 3

def f(x: int) -> float:
    # doubled
    return math.sqrt(scaled(x))

def unrelated(x):
    return Table.size
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# doubled", "# twice", True),
        ("    # doubled\n", "\n", True),
        ("size = 3", "size = 4", True),
        ("RATE = 2", "RATE = 3", False),
        ("x * RATE", "RATE * x", False),
        ("import math", "import cmath as math", False),
        ("def f(x: int)", "def f(x: float)", False),
    ],
)
def test_the_hash_follows_what_the_function_uses(old: str, new: str, same: bool) -> None:
    assert old in FILE
    assert (source_hash(FILE, "f") == source_hash(FILE.replace(old, new), "f")) is same


def test_the_hash_of_a_redefinition_in_a_branch_counts_whole() -> None:
    text = "try:\n    import fast as impl\nexcept ImportError:\n    import slow as impl\ndef f(x):\n    return impl.run(x)\n"
    assert source_hash(text, "f") != source_hash(text.replace("slow", "slower"), "f")


# ---- Loading -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Any:
    (tmp_path / "functions").mkdir()
    yield tmp_path
    sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]
    for name in [name for name in sys.modules if name == "functions" or name.startswith("functions.")]:
        del sys.modules[name]


def write(project: pathlib.Path, name: str, text: str) -> None:
    (project / "functions" / name).write_text("import headrace as hr\n" + text)


def test_files_may_import_one_another(project: pathlib.Path) -> None:
    write(project, "a.py", "from functions.shared import twice\n@hr.function\ndef f(n: int) -> int:\n    return twice(n)\n")
    write(project, "shared.py", "def twice(n): return 2 * n\n@hr.function\ndef g(n: int) -> int:\n    return n\n")
    functions, errors = load_project(project)
    assert not errors
    assert [(found.function.name, found.file) for found in functions] == [("f", "functions/a.py"), ("g", "functions/shared.py")]
    assert functions[0].function(4) == 8


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("def f(:\n", "functions/a.py:2", "invalid syntax"),
        ("\n\nimport no_such_module\n", "functions/a.py:4", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("def f():\n    1 / 0\nf()\n", "functions/a.py:3", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "functions/a.py:2", "SystemExit: 3"),
        ("@hr.function(workers=0)\ndef f(n: int) -> int: ...\n", "functions/a.py:2", "workers = 0 is not a number from 1 to 64"),
        ("\n@hr.function\ndef f(n: int) -> 'Later': ...\n", "functions/a.py:3", "a hint of f cannot be read: name 'Later' is not defined"),
    ],
)
def test_load_errors_have_a_place(project: pathlib.Path, text: str, at: str, message: str) -> None:
    write(project, "a.py", text)
    with pytest.raises(FunctionLoad) as failure:
        load_file(project, "functions/a.py")
    assert failure.value.at == at
    assert message in failure.value.message


def test_all_load_errors_are_told_at_once(project: pathlib.Path) -> None:
    write(project, "a.py", "@hr.function\ndef f(n: int) -> int: ...\n")
    write(project, "b.py", "1 / 0\n")
    write(project, "c.py", "@hr.function\ndef F(n: int) -> int: ...\n")
    functions, errors = load_project(project)
    assert [found.function.name for found in functions] == ["f"]
    assert [error.at for error in errors] == ["functions/b.py:2", "functions/c.py:2"]


def test_describe_keeps_its_output_to_itself(project: pathlib.Path) -> None:
    write(project, "a.py", "import os\nprint('one')\nos.system('echo two')\n"
                           "@hr.function(on_error='fail')\ndef f(n: int | None, p: list[str]) -> hr.decimal(9, 2): ...\n")  # fmt: skip
    done = subprocess.run([sys.executable, "-m", "headrace.worker", "describe", "--project", str(project)], capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(PACKAGE)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    [function] = json.loads(done.stdout)["functions"]
    assert function["arguments"] == [
        {"name": "n", "nullable": True, "type": "BIGINT"},
        {"name": "p", "nullable": False, "type": "LIST", "inner": [{"name": "item", "type": "VARCHAR"}]},
    ]
    assert function["result"] == {"type": "DECIMAL", "precision": 9, "scale": 2}
    assert (function["kind"], function["on_error"], function["file"], function["line"]) == ("scalar", "fail", "functions/a.py", 5)
    assert "one" in done.stderr and "two" in done.stderr


# ---- Calling -----------------------------------------------------------------------------------------------------------------------


def run(function: hr.Function[..., Any], *arguments: pa.Array) -> list[Any]:
    return caller_of(function)(list(arguments), len(arguments[0])).to_pylist()


def test_scalar_calls_see_python_values() -> None:
    seen: list[Any] = []

    @hr.function
    def keep(i: int, f: float, s: str, t: datetime.datetime, d: decimal.Decimal, p: Point, m: dict[str, int]) -> bool:
        seen.append((i, f, s, t, d, p, m))
        return True

    when = datetime.datetime(2026, 1, 2, 3, 4, 5, 6)
    columns = [
        pa.array([1, None]), pa.array([0.5, 1.0]), pa.array(["é", ""]), pa.array([when, when], pa.timestamp("us")),
        pa.array([decimal.Decimal("1.5"), None], pa.decimal128(38, 18)),
        pa.array([{"x": 1.0, "y": None}] * 2, pa.struct([("x", pa.float64()), ("y", pa.float64())])),
        pa.array([[("a", 1)], []], pa.map_(pa.string(), pa.int64())),
    ]  # fmt: skip
    assert run(keep, *columns) == [True, None]
    assert seen == [(1, 0.5, "é", when, decimal.Decimal("1.5"), Point(1.0, None), {"a": 1})]


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 2048])
def test_nulls_skip_the_call(rows: int) -> None:
    @hr.function
    def double(n: int) -> int:
        return 2 * n

    values = [None if row % 3 == 0 else row for row in range(rows)]
    assert run(double, pa.array(values, pa.int64())) == [None if value is None else 2 * value for value in values]


def scalar(hint: Any, value: Any) -> Any:
    def body(n: int) -> Any:
        return value

    body.__annotations__["return"] = hint
    return run(hr.function(body), pa.array([1]))[0]


@pytest.mark.parametrize(
    ("hint", "value", "result"),
    [
        (int, np.int64(3), 3), (int, True, 1), (float, 3, 3.0), (bool, np.True_, True),
        (hr.decimal(5, 2), decimal.Decimal("1.005"), decimal.Decimal("1.01")), (hr.decimal(5, 2), 7, decimal.Decimal("7.00")),
        (Point, Point(1.0, None), {"x": 1.0, "y": None}), (list[Point], [Point(1.0, 2.0)], [{"x": 1.0, "y": 2.0}]),
        (dict[str, int], {"a": 1}, [("a", 1)]), (str | None, None, None),
    ],
)  # fmt: skip
def test_results_of_scalar_functions(hint: Any, value: Any, result: Any) -> None:
    assert scalar(hint, value) == result


@pytest.mark.parametrize(
    ("hint", "value"),
    [(int, "1"), (int, 1.5), (int, 2**63), (float, "1"), (str, 1), (str, b"x"), (bool, 1), (bytes, "x"), (hr.decimal(3, 2), 10),
     (hr.decimal(3, 2), 1.5), (list[int], ["a"]), (list[int], 3), (datetime.date, "2026-01-01"),
     (datetime.date, datetime.datetime(2026, 1, 1)),
     (datetime.datetime, datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)), (Point, {"x": 1}), (list[int], [1.5])],
)  # fmt: skip
def test_wrong_results_of_scalar_functions(hint: Any, value: Any) -> None:
    with pytest.raises(WrongResult) as failure:
        scalar(hint, value)
    assert repr(value) in str(failure.value)


def vectorized(hint: Any, value: Any, rows: int = 2) -> Any:
    def body(n: pa.Int64Array) -> Any:
        return value

    body.__annotations__["return"] = hint
    return run(hr.function(vectorized=True)(body), pa.array(range(rows)))


@pytest.mark.parametrize(
    ("hint", "value", "result"),
    [
        (pa.DoubleArray, pa.array([1, 2], pa.float32()), [1.0, 2.0]),
        (pa.Int64Array, pa.array([1, None], pa.int8()), [1, None]),
        (pa.StringArray, pa.chunked_array([["a"], ["b"]]), ["a", "b"]),
        (pa.StringArray, pa.array(["a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.StringArray, pa.array([None, None]), [None, None]),
        (pa.DoubleArray, np.array([1.0, 2.0]), [1.0, 2.0]),
        (pa.DoubleArray, pd.Series([1.0, 2.0], index=[5, 6]), [1.0, 2.0]),
        (pa.TimestampArray, pa.array([0, 1], pa.timestamp("s")), [datetime.datetime(1970, 1, 1), datetime.datetime(1970, 1, 1, 0, 0, 1)]),
        (hr.column(list[int]), pa.array([[1], []], pa.large_list(pa.int64())), [[1], []]),
    ],
)
def test_results_of_vectorized_functions(hint: Any, value: Any, result: Any) -> None:
    assert vectorized(hint, value) == result


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (pa.Int64Array, pa.array([1])), (pa.Int64Array, pa.array([1, 2, 3])), (pa.Int64Array, [1, 2]), (pa.Int64Array, None),
        (pa.Int64Array, pa.scalar(1)), (pa.Int64Array, pa.array(["1", "2"])), (pa.Int64Array, pa.array([1.0, 2.0])),
        (pa.StringArray, pa.array([1, 2])), (pa.Int8Array, pa.array([1, 300])), (pa.DoubleArray, np.zeros((2, 2))),
        (pa.TimestampArray, pa.array([0, 1], pa.timestamp("us", tz="UTC"))), (pa.TimestampArray, pa.array([1, 2], pa.timestamp("ns"))),
        (hr.column(list[int]), pa.array([["a"], []])),
    ],
)  # fmt: skip
def test_wrong_results_of_vectorized_functions(hint: Any, value: Any) -> None:
    with pytest.raises(WrongResult):
        vectorized(hint, value)


def test_rows_with_null_stay_out_of_numpy_and_pandas() -> None:
    seen: list[int] = []

    @hr.function(vectorized=True)
    def added(a: npt.NDArray[np.float64], b: hr.column(int, "pandas"), c: pa.StringArray) -> npt.NDArray[np.float64]:
        seen.append(len(a))
        assert isinstance(a, np.ndarray) and isinstance(b, pd.Series) and isinstance(c, pa.Array) and b.dtype == np.int64
        return a + b.to_numpy()

    assert run(added, pa.array([1.0, None, 3.0, 4.0]), pa.array([1, 2, None, 4]), pa.array([None, "b", "c", "d"])) == [2.0, None, None, 8.0]
    assert run(added, pa.array([None], pa.float64()), pa.array([1]), pa.array(["a"])) == [None]
    assert seen == [2, 0]


@pytest.mark.skipif(why_not() != "", reason=why_not() or "ready")
def test_rows_of_several_batches_of_a_tick_go_together(tmp_path: pathlib.Path) -> None:
    (tmp_path / "in.ndjson").write_text("".join(f'{{"n": {n}, "word": "the word no. {n}"}}\n' for n in range(10_000)))
    project = write_project(
        tmp_path / "project",
        f"""
        CREATE SOURCE t (n BIGINT, word VARCHAR) WITH (connector = 'file', path = '{tmp_path}/in.ndjson');
        CREATE SINK out WITH (connector = 'file', path = '{tmp_path}/out.ndjson') AS
        SELECT n, word, together(n + 1) AS rows FROM t WHERE n % 2 = 0;
        """,
    )
    (project / "functions").mkdir()
    (project / "functions" / "f.py").write_text(
        "import headrace as hr\nimport pyarrow as pa\n\n\n@hr.function(vectorized=True)\n"
        "def together(n: pa.Int64Array) -> pa.Int64Array:\n    return pa.array([len(n)] * len(n), pa.int64())\n"
    )
    hr.Project(project).run()
    rows = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert [(row["n"], row["word"]) for row in rows] == [(n, f"the word no. {n}") for n in range(0, 10_000, 2)]
    assert max(row["rows"] for row in rows) > 2048 // 2  # What passes of one batch.


PANDAS_LATER = """
import sys
import pyarrow as pa, pyarrow.compute as pc
from headrace.worker import parent

parent._warm_up()
assert pc.add(pa.array([1, None]), 1).to_pylist() == [2, None] and pa.array(["a"], pa.string()).to_pylist() == ["a"]
assert "pandas" not in sys.modules
{use}
import pandas as pd
assert pa.array(pd.Series([1.0, float("nan")])).null_count == 1
assert pa.array(pd.Categorical(["a", "b"])).type.value_type == pa.large_string()
"""


@pytest.mark.parametrize("use", ["", "assert type(pa.array([1]).to_pandas()).__name__ == 'Series'"])
def test_pyarrow_knows_pandas_once_somebody_has_imported_it(use: str) -> None:
    subprocess.run([sys.executable, "-c", PANDAS_LATER.format(use=use)], check=True)
