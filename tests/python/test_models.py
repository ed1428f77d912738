"""ONNX models in the engine: scores as in Python to the last bit, errors when planned, what is told of them."""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from headrace.door import Door
from headrace.environments import environment_of
from headrace.loading import load_file
from headrace.repair.records import records
from headrace.repair.repro import write
from headrace.scoring import open_model
from running_engine import BINARY, ROOT, RunningEngine, why_not

pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
needs_engine = pytest.mark.skipif(bool(why_not()), reason=why_not())

FEATURES = ("a", "b", "c")
MODELS = ("logistic", "boosted", "network", "maps", "linear")


def train(folder: pathlib.Path, seed: int = 1) -> None:
    """Writes one model per kind of estimator, as people export them."""
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neural_network import MLPClassifier

    drawn = np.random.default_rng(seed)
    x = drawn.normal(size=(400, 3)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + x[:, 2] > 0.1
    estimators = {
        "logistic": LogisticRegression().fit(x, y),
        "boosted": GradientBoostingClassifier(n_estimators=20, random_state=1).fit(x, y),
        "network": MLPClassifier((9, 5), tol=1.0, n_iter_no_change=3, random_state=1).fit(x, np.where(y, "fraud", "fine")),
        "maps": LogisticRegression().fit(x, np.where(y, "fraud", "fine")),
        "linear": LinearRegression().fit(x, 2 * x[:, 0] - x[:, 1]),
    }
    for name, estimator in estimators.items():
        options = {} if name in ("maps", "linear") else {"zipmap": False}
        exported = skl2onnx.to_onnx(estimator, x[:1], options=options or None)
        (folder / f"{name}.onnx").write_bytes(exported.SerializeToString())


def write_parts(folder: pathlib.Path, functions: str, sql: str) -> pathlib.Path:
    for part in ("functions", "sql"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "headrace.toml").write_text('name = "scores"\n')
    (folder / "functions" / "models.py").write_text(f"import headrace as hr\n\n{functions}")
    (folder / "sql" / "q.sql").write_text(sql)
    return folder


def write_project(folder: pathlib.Path) -> pathlib.Path:
    functions = ""
    for name in MODELS:
        functions += f"{name} = hr.model('{name}.onnx', name='{name}', features={FEATURES})\n"
    functions += f"apart = hr.model('boosted.onnx', name='apart', features={FEATURES}, isolation='process')\n"
    functions += f"beside = hr.model('boosted.onnx', name='beside', features={FEATURES}, shadow='logistic.onnx')\n"
    calls = ", ".join(f"{name}(a, b, c) AS {name}" for name in (*MODELS, "apart", "beside"))
    return write_parts(
        folder,
        functions,
        "CREATE SOURCE rows (id BIGINT, a DOUBLE, b DOUBLE, c DOUBLE) WITH (connector = 'http');\n"
        f"CREATE MATERIALIZED VIEW scores AS SELECT id, a, b, c, {calls} FROM rows;\n",
    )


def engine_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    environment.setdefault("HEADRACE_PYTHON", sys.executable)
    return subprocess.run([str(BINARY), *arguments], env=environment, capture_output=True, text=True, check=False)


def rows_of(count: int) -> list[dict[str, Any]]:
    drawn = random.Random(5)
    return [{"id": n} | {name: None if drawn.random() < 0.05 else drawn.gauss(0, 2) for name in FEATURES} for n in range(count)]


def functions_of(running: RunningEngine) -> dict[str, Any]:
    return {each["name"]: each for each in json.loads(running.request("GET", "/v1/functions")[1])["functions"]}


@needs_engine
@pytest.mark.parametrize("shards", [1, 3])
def test_scores_are_those_of_python_also_after_a_crash(tmp_path: pathlib.Path, shards: int) -> None:
    project = write_project(tmp_path / "project")
    train(project)
    rows = rows_of(600)
    with RunningEngine(project, tmp_path / "state", shards=shards) as running:
        for first, last in ((0, 1), (1, 8), (8, 300)):  # The cut must not be seen in a score.
            assert running.post_rows("rows", rows[first:last])[0] == 200
        running.wait_for("SELECT count(*) FROM scores", [[300]])
        running.kill()
        running.start()
        assert running.post_rows("rows", rows[300:])[0] == 200
        running.wait_for("SELECT count(*) FROM scores", [[600]])
        found = running.sql(f"SELECT id, {', '.join((*MODELS, 'apart', 'beside'))} FROM scores ORDER BY id")
        told = functions_of(running)
    columns = [np.array([row[name] for row in rows], dtype=np.float64) for name in FEATURES]
    for place, name in enumerate((*MODELS, "boosted", "boosted"), start=1):
        wanted = open_model(project / f"{name}.onnx").score(columns)
        shown = np.array([row[place] for row in found], dtype=np.float64)
        assert np.array_equal(shown, wanted, equal_nan=True), name
    assert told["boosted"]["in_engine"] and not told["apart"]["in_engine"]
    assert told["boosted"]["rows"] >= 300 and told["boosted"]["busy_us"] > 0 and told["boosted"]["worker_bytes"] == 0
    assert set(told["beside"]["gauges"]) == {"psi", "mean_difference"} and told["beside"]["gauges"]["mean_difference"] != 0


@needs_engine
def test_the_plan_says_where_a_model_runs_and_which_file_it_is(tmp_path: pathlib.Path) -> None:
    project = write_project(tmp_path / "project")
    train(project)
    first = engine_command("explain", str(project))
    train(project, seed=2)
    second = engine_command("explain", str(project))
    assert first.returncode == second.returncode == 0, first.stderr

    def lines(shown: str) -> dict[str, str]:
        return {line.split()[0]: line for line in shown.partition("\nfunctions\n")[2].splitlines()}

    import onnxruntime

    assert lines(first.stdout)["boosted"].endswith(f"in the engine, onnxruntime {onnxruntime.__version__}")
    assert "in the engine" not in lines(first.stdout)["apart"]
    assert all(lines(first.stdout)[name] != lines(second.stdout)[name] for name in (*MODELS, "apart", "beside"))


def describe(project: pathlib.Path, behind: pathlib.Path) -> dict[str, Any]:
    """Describes a project where the package in `behind` is found first."""
    environment = {**os.environ, "PYTHONPATH": f"{behind}:{ROOT / 'python'}"}
    command = [sys.executable, "-m", "headrace.worker", "describe", "--project", str(project)]
    found: dict[str, Any] = json.loads(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False).stdout)
    return found


STAND_IN = """
__version__ = "0.9"
class SessionOptions: pass
class Put:
    def __init__(self, name, kind, shape): self.name, self.type, self.shape = name, kind, shape
class InferenceSession:
    def __init__(self, *_, **__): {opening}
    def get_inputs(self): return [Put("x", "tensor(float)", [None, 2])]
    def get_outputs(self): return [Put("y", "{output}", [None, 1])]
    def run(self, names, given): return [given["x"][:, 0]]
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise ImportError\n", "m.onnx needs onnxruntime"),
        (STAND_IN.format(opening="import os; os.abort()", output="tensor(float)"), "a process that opened it ended with SIGABRT"),
        (STAND_IN.format(opening="import os; os._exit(3)", output="tensor(float)"), "m.onnx was not opened: its reader ended with 3"),
        (STAND_IN.format(opening="raise RuntimeError('no protobuf')", output=""), "m.onnx cannot be opened: no protobuf"),
        (STAND_IN.format(opening="pass", output="tensor(string)"), "its last output, y, is tensor(string), and a score is a number"),
        (STAND_IN.format(opening="pass", output="tensor(float)"), "onnxruntime 0.9 comes without libonnxruntime.so"),
    ],
)  # fmt: skip
def test_what_cannot_be_opened_is_an_error_of_the_file(tmp_path: pathlib.Path, code: str, says: str) -> None:
    project, behind = tmp_path / "project", tmp_path / "behind"
    (project / "functions").mkdir(parents=True)
    (behind / "onnxruntime").mkdir(parents=True)
    (behind / "onnxruntime" / "__init__.py").write_text(code)
    (project / "m.onnx").touch()
    (project / "functions" / "m.py").write_text("import headrace as hr\n\nm = hr.model('m.onnx')\n")
    (error,) = describe(project, behind)["errors"]
    assert says in error["message"] and error["remedy"] and (error["file"], error["line"]) == ("functions/m.py", 3)


def test_what_only_a_process_can_be_held_to_keeps_a_model_in_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "m.onnx").touch()
    (tmp_path / "m.joblib").touch()
    options = ["", "on_error='null'", "isolation='process'", "memory='1 GB'", "timeout='2 s'", "workers=2", "shadow='m.joblib'"]
    calls = "".join(f"m{n} = hr.model('m.onnx', name='m{n}', features=('a',), {each})\n" for n, each in enumerate(options))
    (tmp_path / "functions" / "options.py").write_text(f"import headrace as hr\n{calls}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headrace.models.Model._names_in", lambda *_: ("a",))
        found = load_file(tmp_path, "functions/options.py")
    assert [getattr(each.function, "in_engine", None) for each in found] == [True, True, False, False, False, False, False]


def test_a_model_has_the_environment_that_it_names(tmp_path: pathlib.Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "models.lock").write_text("onnxruntime==1.20.0\n")
    (tmp_path / "functions" / "m.py").write_text("import headrace as hr\n\nm = hr.model('m.onnx', env='models.lock')\n")
    found = environment_of(tmp_path, "functions/m.py")
    assert found is not None and found.name == "models.lock"


@needs_engine
def test_a_row_that_a_model_cannot_score_is_kept_and_made_again(tmp_path: pathlib.Path) -> None:
    onnx = pytest.importorskip("onnx")
    make, project = onnx.helper, tmp_path / "project"
    nodes = [make.make_node("Cast", ["n"], ["i"], to=onnx.TensorProto.INT64), make.make_node("Gather", ["t", "i"], ["score"])]
    inputs = [make.make_tensor_value_info("n", onnx.TensorProto.DOUBLE, [None])]
    output = make.make_tensor_value_info("score", onnx.TensorProto.FLOAT, [None])
    table = onnx.numpy_helper.from_array(np.array([10, 20, 30], np.float32), "t")
    graph = make.make_graph(nodes, "table", inputs, [output], [table])
    write_parts(
        project,
        "table = hr.model('table.onnx', name='priced')\n",
        "CREATE SOURCE rows (n DOUBLE) WITH (connector = 'http');\n"
        "CREATE MATERIALIZED VIEW prices AS SELECT n, priced(n) AS price FROM rows;\n",
    )
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=9), project / "table.onnx")
    with RunningEngine(project, tmp_path / "state") as running:
        assert running.post_rows("rows", [{"n": n} for n in (0, 99, 2)])[0] == 200
        running.wait_for("SELECT n, price FROM prices ORDER BY n", [[0, 10], [2, 30]])
        (refused,) = records(Door(running.url))
        assert refused.function == "priced" and "idx=99" in refused.reason
        assert write(refused, project, tmp_path / "repro") == []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "repro")]
    again = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "python")}, capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "idx=99" in again.stdout
