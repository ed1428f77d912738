"""`examples/fraud_live`: what it flags over HTTP is what its function and model say in plain Python, on any number of shards."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import engine
import pytest
from headrace.demo import fraud

sys.path.insert(0, str(engine.ROOT / "tests" / "python"))

from running_engine import RunningEngine

PROJECT = engine.ROOT / "examples" / "fraud_live"
THRESHOLD = 0.85
ROWS_PER_REQUEST = 500

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")


def load_train() -> ModuleType:
    """Loads the example's train.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("fraud_live_train", PROJECT / "train.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def flagged_in_python(data: Path) -> set[str]:
    import onnxruntime

    features, _ = load_train().features(data)
    session = onnxruntime.InferenceSession(PROJECT / "models" / "fraud.onnx")
    scores = session.run(None, {session.get_inputs()[0].name: features})[1][:, 1]
    ids = [json.loads(line)["tx_id"] for line in (data / "tx.ndjson").open()]
    return {tx_id for tx_id, score in zip(ids, scores, strict=True) if score >= THRESHOLD}


@pytest.mark.parametrize("shards", [1, 3])
def test_live_equals_plain_python(binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    data = tmp_path / "data"
    fraud.generate(data, transactions=20_000, seed=2)
    monkeypatch.setenv("FRAUD_DATA", str(data))
    monkeypatch.setenv("FRAUD_WEBHOOK", "http://127.0.0.1:9/nobody")  # The discard port: its messages wait.
    rows = [json.loads(line) for line in (data / "tx.ndjson").open()]
    with RunningEngine(PROJECT, tmp_path / "state", shards=shards) as running:
        for first in range(0, len(rows), ROWS_PER_REQUEST):
            assert running.post_rows("tx", rows[first : first + ROWS_PER_REQUEST])[0] == 200
        running.wait_for("SELECT payments FROM scores", [[len(rows)]])
        flagged = {tx_id for (tx_id,) in running.sql("SELECT tx_id FROM risky")}
    assert flagged == flagged_in_python(data)
    frauds = {json.loads(line)["tx_id"] for line in (data / "labels.ndjson").open()}
    assert len(flagged & frauds) / len(flagged) > 0.85 and len(flagged & frauds) / len(frauds) > 0.6
