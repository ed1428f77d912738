"""The doors do what /openapi.json says, for whatever Schemathesis thinks of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import running_engine
from running_engine import RunningEngine

pytestmark = pytest.mark.skipif(bool(running_engine.why_not()), reason=running_engine.why_not())

SQL = """
CREATE SOURCE tx (id VARCHAR, n BIGINT) WITH (connector = 'http');
CREATE MATERIALIZED VIEW total AS SELECT id, count(*) AS rows FROM tx GROUP BY id;
"""

# Event streams do not end. Most texts are not SELECTs, and most names are not views: refusing them is right.
ARGUMENTS = ["--exclude-path-regex", "changes$", "--exclude-checks", "positive_data_acceptance", "--max-examples", "30", "--seed", "1"]


# Not the script of that name: it names its interpreter by path, which is gone where a cache has been moved to another home.
COMMAND = [sys.executable, "-c", "import schemathesis.cli as cli; cli.schemathesis(prog_name='schemathesis')"]


@pytest.mark.timeout(1200)  # A thousand requests, one after the other.
def test_the_document_holds(tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    with RunningEngine(running_engine.write_project(tmp_path / "project", SQL), tmp_path / "state") as engine:
        done = subprocess.run(
            [*COMMAND, "run", engine.url + "/openapi.json", *ARGUMENTS], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:]
        assert engine.request("GET", "/healthz")[0] == 200
