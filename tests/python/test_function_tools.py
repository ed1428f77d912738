"""Environments, models, profiling and the sandbox of functions, without an engine."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import headrace as hr
import joblib
import numpy as np
import pyarrow as pa
import pytest
from headrace.develop import profile
from headrace.develop.flame import flame_graph, speedscope
from headrace.environments import environment_of
from headrace.errors import BadConfig, FunctionLoad
from headrace.loading import load_file
from headrace.scoring import Drift
from headrace.worker.calling import caller_of
from headrace.worker.memory_watch import MemoryWatch, bytes_by_type
from sklearn.linear_model import LinearRegression, LogisticRegression

PACKAGE = pathlib.Path(hr.__file__).parent.parent


def write(project: pathlib.Path, name: str, text: str) -> None:
    (project / "functions").mkdir(exist_ok=True)
    (project / "functions" / name).write_text("import headrace as hr\n" + text)


def describe(project: pathlib.Path, cache: pathlib.Path) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE), "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-m", "headrace.worker", "describe", "--project", str(project)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# ---- Environments ------------------------------------------------------------------------------------------------------------------


def test_two_pins_of_one_package_stand_side_by_side(tmp_path: pathlib.Path) -> None:
    project, cache = tmp_path / "project", tmp_path / "cache"
    project.mkdir()
    (project / "old.lock").write_text("iniconfig==1.1.1\n")
    (project / "new").mkdir()
    (project / "new" / "requirements.lock").write_text(
        "iniconfig==2.0.0 --hash=sha256:b6a85871a79d2e3b22d2d1b94ac2824226a63c6b741c88f7ae975f18b6778374\n"
    )
    body = "def {}(n: int) -> str:\n    return iniconfig.__file__\n"
    write(project, "a.py", "import iniconfig\n@hr.function(env='old.lock')\n" + body.format("old"))
    write(project, "b.py", "import iniconfig\n@hr.function(env='new')\n" + body.format("new"))
    write(project, "c.py", "@hr.function\ndef plain(n: int) -> int:\n    return n\n")
    found = describe(project, cache)
    if any("cannot be made" in error["message"] for error in found["errors"]):
        pytest.skip(f"no packages to be had here: {found['errors'][0]['message'][:200]}")
    old, new, plain = found["functions"]
    assert [old["name"], new["name"], plain["name"]] == ["old", "new", "plain"]
    assert "iniconfig 1.1.1" in old["environment"] and "iniconfig 2.0.0" in new["environment"]
    assert plain["environment"] == plain["python"] == ""
    for function, version in ((old, "1.1.1"), (new, "2.0.0")):
        code = "import importlib.metadata, pyarrow; print(importlib.metadata.version('iniconfig'))"
        assert subprocess.run([function["python"], "-c", code], capture_output=True, text=True, check=True).stdout == version + "\n"
    (project / "old.lock").write_text("# another text\niniconfig==1.1.1\n")
    again = describe(project, cache)["functions"]
    assert again[0]["hash"] != old["hash"] and again[1]["hash"] == new["hash"] and again[2]["hash"] == plain["hash"]


def test_environments_are_named_by_texts_that_are_there(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.lock").write_text("")
    write(
        tmp_path, "two.py", "@hr.function(env='a.lock')\ndef f(n: int) -> int: ...\n@hr.function(env='b.lock')\ndef g(n: int) -> int: ...\n"
    )
    with pytest.raises(FunctionLoad, match=r"and these name 'a\.lock' and 'b\.lock'"):
        environment_of(tmp_path, "functions/two.py")
    write(tmp_path, "none.py", "@hr.function(env='none.lock')\ndef f(n: int) -> int: ...\n")
    with pytest.raises(FunctionLoad, match="no such lock file") as failure:
        environment_of(tmp_path, "functions/none.py")
    assert failure.value.at == "functions/none.py:2"
    write(tmp_path, "computed.py", "LOCK = 'a.lock'\n@hr.function(env=LOCK)\ndef f(n: int) -> int: ...\n")
    with pytest.raises(FunctionLoad, match="must stand in the decorator as a text"):
        load_file(tmp_path, "functions/computed.py")


def test_what_a_function_writes_is_there_before(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "w.py", "@hr.sink(writes=('out', 'seen.txt'))\ndef put(rows, commit): ...\n")
    (tmp_path / "out").mkdir()
    (error,) = describe(tmp_path, tmp_path / "cache")["errors"]
    assert (error["code"], error["file"], error["line"]) == (4005, "functions/w.py", 2)
    assert "'seen.txt'" in error["message"] and "make it before the run" in error["remedy"]
    (tmp_path / "seen.txt").touch()
    assert [found["name"] for found in describe(tmp_path, tmp_path / "cache")["functions"]] == ["put"]


def test_a_lock_that_cannot_be_installed_is_an_error_of_the_file(tmp_path: pathlib.Path) -> None:
    (tmp_path / "bad.lock").write_text("no such === requirement\n")
    write(tmp_path, "f.py", "@hr.function(env='bad.lock')\ndef f(n: int) -> int:\n    return n\n")
    (error,) = describe(tmp_path, tmp_path / "cache")["errors"]
    assert error["file"] == "functions/f.py" and "bad.lock cannot be made" in error["message"]


# ---- Models ------------------------------------------------------------------------------------------------------------------------


def test_models_are_functions_of_numbers(tmp_path: pathlib.Path) -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(2000, 2))
    joblib.dump(LogisticRegression().fit(rows, rows[:, 0] + rows[:, 1] > 0), tmp_path / "fraud.joblib")
    joblib.dump(LogisticRegression().fit(rows, rows[:, 0] > 0.5), tmp_path / "candidate.joblib")
    joblib.dump(LinearRegression().fit(rows, 2 * rows[:, 0]), tmp_path / "delay.joblib")
    write(
        tmp_path,
        "m.py",
        "predict_fraud = hr.model('fraud.joblib', features=('amount', 'age'), shadow='candidate.joblib', timeout='2 s')\n"
        "predict_delay = hr.model('delay.joblib')\n",
    )
    fraud, delay = load_file(tmp_path, "functions/m.py")
    assert list(fraud.function.signature.parameters) == ["amount", "age"] and list(delay.function.signature.parameters) == ["f0", "f1"]
    assert (fraud.function.kind, fraud.function.name, fraud.function.options.timeout_ms) == ("vectorized", "predict_fraud", 2000)
    columns = [pa.array(rows[:, 0]), pa.array(rows[:, 1])]
    scores = caller_of(fraud.function)(columns, 2000).to_numpy()
    assert ((scores > 0.5) == (rows.sum(axis=1) > 0)).mean() > 0.99
    assert 0.1 < fraud.function.gauges()["psi"] < 1
    assert np.allclose(caller_of(delay.function)(columns, 2000).to_numpy(), 2 * rows[:, 0])
    joblib.dump(LinearRegression().fit(rows, 3 * rows[:, 0]), tmp_path / "delay.joblib")
    del sys.modules["functions.m"]
    again = load_file(tmp_path, "functions/m.py")
    assert again[0].hash == fraud.hash and again[1].hash != delay.hash


@pytest.mark.parametrize(("file", "what"), [("none.onnx", "there is no model"), ("model.txt", "of no known kind")])
def test_models_that_cannot_be(tmp_path: pathlib.Path, file: str, what: str) -> None:
    (tmp_path / "model.txt").touch()
    write(tmp_path, "m.py", f"predict = hr.model({file!r})\n")
    with pytest.raises(FunctionLoad, match=what):
        load_file(tmp_path, "functions/m.py")


def test_drift_tells_populations_apart() -> None:
    random = np.random.default_rng(2)
    same, other = Drift(), Drift()
    for _ in range(20):
        live = random.beta(2, 5, 500)
        same.note(live, random.beta(2, 5, 500))
        other.note(live, random.beta(5, 2, 500))
    assert same.psi() < 0.02 and other.psi() > 1 and other.mean_difference() > 0.3


# ---- Profiling and memory ----------------------------------------------------------------------------------------------------------


def test_profile_finds_where_the_time_goes(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        tmp_path,
        "p.py",
        "def slow_part(n):\n    return sum(range(200))\n\n@hr.function\ndef costly(n: int) -> int:\n    return slow_part(n)\n",
    )
    rows = tmp_path / "rows.csv"
    rows.write_text("other,n\n" + "".join(f"x,{n}\n" for n in range(1000)))
    assert (
        profile.main(["costly", "--project", str(tmp_path), "--rows", str(rows), "--seconds", "0.5", "--out", str(tmp_path / "out")]) == 0
    )
    shown = capsys.readouterr().out
    assert "rows/s" in shown and "ns per row" in shown
    assert "slow_part" in (tmp_path / "out.svg").read_text()
    document = json.loads((tmp_path / "out.speedscope.json").read_text())
    assert any("slow_part" in frame["name"] for frame in document["shared"]["frames"])
    with pytest.raises(BadConfig, match="has no function cheap"):
        profile.main(["cheap", "--project", str(tmp_path), "--rows", str(rows)])


def test_flame_graphs_show_shares() -> None:
    stacks = {("main", "a"): 3, ("main", "b<c>"): 1}
    drawn = flame_graph(stacks, "t")
    assert "a (75.0%, 3 samples)" in drawn and "b&lt;c&gt; (25.0%" in drawn
    assert json.loads(speedscope(stacks, "t", 0.01))["profiles"][0]["endValue"] == pytest.approx(0.04)


def test_the_memory_watch_names_the_types_that_grow() -> None:
    resident = [100 << 20]
    watch = MemoryWatch(lambda: resident[0])
    kept: list[bytearray] = []
    at = 0
    for _ in range(3):
        kept += [bytearray(1000) for _ in range(1000)]
        resident[0] += 20 << 20
        at += 6_000_000_000
        watch.look(10**18 + at)
    assert watch.looks == 3
    grown = {entry["type"]: entry for entry in watch.growing}
    assert grown["bytearray"]["objects"] == 2000 and grown["bytearray"]["bytes"] > 2_000_000
    assert bytes_by_type()["bytearray"][1] >= 3000


def test_onnx_models_take_a_matrix_or_columns(tmp_path: pathlib.Path) -> None:
    pytest.importorskip("onnxruntime")
    onnx = pytest.importorskip("onnx")
    make, floats = onnx.helper, onnx.TensorProto.FLOAT
    weights = onnx.numpy_helper.from_array(np.array([[1.0], [2.0]], np.float32), "w")
    graphs = {
        "matrix": ([make.make_node("MatMul", ["x", "w"], ["score"])], [("x", 2)], [weights]),
        "columns": ([make.make_node("Add", ["p", "q"], ["score"])], [("p", 1), ("q", 1)], []),
    }
    for name, (nodes, inputs, constants) in graphs.items():
        given = [make.make_tensor_value_info(each, floats, [None, width]) for each, width in inputs]
        graph = make.make_graph(nodes, name, given, [make.make_tensor_value_info("score", floats, [None, 1])], constants)
        onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9), tmp_path / f"{name}.onnx")
    write(
        tmp_path,
        "m.py",
        "predict_matrix = hr.model('matrix.onnx', features=('amount', 'age'))\npredict_columns = hr.model('columns.onnx')\n",
    )
    matrix, columns = load_file(tmp_path, "functions/m.py")
    assert list(matrix.function.signature.parameters) == ["amount", "age"] and list(columns.function.signature.parameters) == ["p", "q"]
    rows = [pa.array([1.0, 2.0]), pa.array([10.0, 20.0])]
    assert caller_of(matrix.function)(rows, 2).to_pylist() == [21.0, 42.0]
    assert caller_of(columns.function)(rows, 2).to_pylist() == [11.0, 22.0]
