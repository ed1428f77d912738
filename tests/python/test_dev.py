"""`headrace dev`: what is saved is taken up by a running pipeline."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator

import pytest
from running_engine import BINARY, ROOT, RunningEngine, free_port, wait_until, why_not, write_project

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

SQL = """
CREATE SOURCE numbers (n BIGINT) WITH (connector = 'http');
CREATE MATERIALIZED VIEW answers AS SELECT n, f(n) AS y FROM numbers;
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS rows, sum(y) AS total FROM answers;
"""
CODE = "import headrace as hr\n\n@hr.function\ndef f(n: int) -> int:\n    return n + {}\n"


class Dev(RunningEngine):
    """A `headrace dev` in the place of `headrace run`."""

    def start(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "HEADRACE_BIN": str(BINARY), "HEADRACE_PYTHON": sys.executable}
        command = [str(BINARY), "dev", str(self.project), "--listen", f"127.0.0.1:{port}", "--state", str(self.state)]
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)
        self.wait_until_ready()


@pytest.fixture
def dev(tmp_path: pathlib.Path) -> Iterator[Dev]:
    project = write_project(tmp_path / "project", SQL)
    (project / "functions").mkdir()
    (project / "functions" / "f.py").write_text(CODE.format(0))
    with Dev(project, tmp_path / "state") as started:
        started.post_rows("numbers", [{"n": 1}])
        started.wait_for("SELECT rows, total FROM totals", [[1, 1]])
        yield started


def wait_for_text(dev: Dev, text: str) -> None:
    wait_until(lambda: text in dev.printed(), dev.printed)


def test_a_changed_function_is_seen_in_the_next_rows_with_state_kept(dev: Dev) -> None:
    (dev.project / "functions" / "f.py").write_text(CODE.format(100))
    wait_for_text(dev, "took up f after")
    dev.post_rows("numbers", [{"n": 2}])
    dev.wait_for("SELECT rows, total FROM totals", [[2, 103]])


def test_code_that_does_not_load_leaves_the_old_one_running(dev: Dev) -> None:
    (dev.project / "functions" / "f.py").write_text("def f(:\n")
    wait_for_text(dev, "the old code goes on running")
    dev.post_rows("numbers", [{"n": 2}])
    dev.wait_for("SELECT rows, total FROM totals", [[2, 3]])
    (dev.project / "functions" / "f.py").write_text(CODE.format(10))
    wait_for_text(dev, "took up f after")


def test_changed_sql_is_taken_over_when_it_is_right(dev: Dev) -> None:
    sql = dev.project / "sql" / "pipeline.sql"
    sql.write_text(SQL + "CREATE MATERIALIZED VIEW wrong AS SELECT x FROM nothing;")
    wait_for_text(dev, "the old pipeline goes on running")
    sql.write_text(SQL + "CREATE MATERIALIZED VIEW largest AS SELECT max(y) AS y FROM answers;")
    wait_for_text(dev, "went over")
    dev.wait_for("SELECT y FROM largest", [[1]])
    dev.wait_for("SELECT rows, total FROM totals", [[1, 1]])
    dev.post_rows("numbers", [{"n": 2}])
    dev.wait_for("SELECT y FROM largest", [[2]])
