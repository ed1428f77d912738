"""Shared parts of the example tests: the prepared data, made once per machine, and the oracle's answers, made once per session."""

from __future__ import annotations

import fcntl
from pathlib import Path

import engine
import oracle_demo
import pytest
from headrace.demo import prepare


@pytest.fixture(scope="session")
def demo_data() -> Path:
    """The whole year of departures."""
    out = prepare.cache_directory() / "demo"
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_suffix(".lock").open("w") as lock:  # One of the processes that share the tests prepares, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare.prepare(out)
    return out


@pytest.fixture(scope="session")
def demo_answers(demo_data: Path) -> dict[str, list[engine.Row]]:
    """What batch DuckDB says over `demo_data`."""
    return oracle_demo.answers(oracle_demo.load(demo_data))


@pytest.fixture(scope="session")
def binary() -> Path:
    """The engine; a test that needs it is skipped where it is not built."""
    if not engine.BINARY.exists():
        pytest.skip(f"{engine.BINARY} is not built")
    return engine.BINARY
