"""`examples/fraud`: equal to batch DuckDB on several shards, and the model better than the rules."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import engine
import oracle_fraud
import pytest
from headrace.demo import fraud

PROJECT = oracle_fraud.PROJECT
SEED = 2  # Not the seed that the model was trained on.


def load_evaluate() -> ModuleType:
    """Loads examples/fraud/evaluate.py, which belongs to the example and to no package."""
    spec = importlib.util.spec_from_file_location("evaluate", PROJECT / "evaluate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluate"] = module
    spec.loader.exec_module(module)
    return module


evaluate = load_evaluate()


@pytest.fixture(scope="session")
def fraud_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fraud_data")
    fraud.generate(out, seed=SEED, broken=True)
    return out


@pytest.fixture(scope="session")
def fraud_answers(fraud_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[engine.Row]]:
    return oracle_fraud.answers(oracle_fraud.load(fraud_data, tmp_path_factory.mktemp("fraud_oracle")))


def test_generating_is_deterministic(tmp_path: Path) -> None:
    for name in ("a", "b"):
        fraud.generate(tmp_path / name, transactions=2000, seed=5, broken=True)
    for file in ("tx.ndjson", "cards.csv", "labels.ndjson"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_some_payments_are_late_and_some_broken(fraud_data: Path, fraud_answers: dict[str, list[engine.Row]]) -> None:
    """Without them the comparison below would prove less."""
    assert len(fraud_answers["late_out"]) > 0
    assert sum(not oracle_fraud.sound(line) for line in (fraud_data / "tx.ndjson").open()) > 10


def check_model_beats_rules(model: list[engine.Row], rules: list[engine.Row], data: Path) -> None:
    """Columns: card, window_start, window_end."""
    incidents = evaluate.truth(data)
    found = {
        name: evaluate.measure(evaluate.windows((row[0], row[2]) for row in rows), incidents)
        for name, rows in (("rules", rules), ("model", model))
    }
    print("\n" + evaluate.table(found))
    assert found["model"].f1 > found["rules"].f1
    assert found["model"].precision > found["rules"].precision
    assert found["model"].recall > found["rules"].recall


def test_model_beats_rules_in_batch(fraud_data: Path, fraud_answers: dict[str, list[engine.Row]]) -> None:
    check_model_beats_rules(fraud_answers["risky"], fraud_answers["rule_hits"], fraud_data)


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_fraud_equals_batch(
    binary: Path, tmp_path: Path, fraud_data: Path, fraud_answers: dict[str, list[engine.Row]], shards: int
) -> None:
    """Views and sinks equal batch DuckDB; a second run over the same state changes nothing; the model beats the rules here, too."""
    state, out = tmp_path / "state", tmp_path / "out"
    variables = {"FRAUD_DATA": str(fraud_data), "FRAUD_OUT": str(out)}
    lines = sum(1 for _ in (fraud_data / "tx.ndjson").open())
    sound = sum(oracle_fraud.sound(line) for line in (fraud_data / "tx.ndjson").open())
    for _ in range(2):
        books = engine.source_books(engine.run(PROJECT, state, shards=shards, variables=variables).output, "tx")
        assert books == (lines, sound, lines - sound)
        got = {
            name: engine.query(PROJECT, state, f"SELECT * FROM {name}", variables=variables)
            for name in ("risky", "rule_hits", "by_category", "per_hour")
        }
        assert {name: text for name in got if (text := engine.difference(got[name], fraud_answers[name]))} == {}
        for sink, view in (("risky", "risky"), ("late", "late_out")):
            rows = [tuple(json.loads(line).values()) for line in (out / f"{sink}.ndjson").open()]
            assert engine.difference(rows, fraud_answers[view]) == ""
    check_model_beats_rules(got["risky"], got["rule_hits"], fraud_data)
