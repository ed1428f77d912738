"""`headrace check` names what keeps state for ever, once per view, and only that."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from running_engine import BINARY, why_not, write_project

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

SOURCES = """
CREATE SOURCE tx (card VARCHAR, amount INTEGER, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'http');
CREATE SOURCE logins (card VARCHAR, ts TIMESTAMP, WATERMARK FOR ts AS ts) WITH (connector = 'http');
CREATE SOURCE cards (card VARCHAR, owner VARCHAR, PRIMARY KEY (card) NOT ENFORCED) WITH (connector = 'http');
CREATE SOURCE history (card VARCHAR, amount INTEGER) WITH (connector = 'file', path = 'history.ndjson');
CREATE VIEW recent AS SELECT * FROM tx WHERE ts > now() - INTERVAL '30' DAY;
CREATE VIEW totals AS SELECT card, sum(amount) AS total FROM tx GROUP BY card;
"""
KEEPS = {
    "SELECT card, count(*) AS n FROM tx GROUP BY card": "GROUP BY keeps every group",
    "SELECT total FROM totals": "GROUP BY keeps every group",
    "SELECT DISTINCT card FROM tx": "DISTINCT keeps every row",
    "SELECT t.card FROM tx AS t JOIN logins AS l ON t.card = l.card": "the join keeps every row of both sides",
    "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY card ORDER BY amount) AS n FROM tx) WHERE n = 1": "every partition",
    "SELECT card FROM tx EXCEPT SELECT card FROM logins": "INTERSECT or EXCEPT",
    "SELECT card, count(*) AS n FROM tx WHERE ts < now() GROUP BY card": "GROUP BY keeps every group",
}
LETS_GO = [
    "SELECT card, amount FROM tx",
    "SELECT count(*) AS n FROM tx",
    "SELECT card, count(*) AS n FROM recent GROUP BY card",
    "SELECT card, count(*) AS n FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '1' HOUR) GROUP BY window_start, window_end, card",
    "SELECT t.card FROM tx AS t JOIN logins AS l ON t.card = l.card AND l.ts BETWEEN t.ts - INTERVAL '1' HOUR AND t.ts",
    "SELECT owner, count(*) AS n FROM cards GROUP BY owner",
    "SELECT card, sum(amount) AS total FROM history GROUP BY card",
]


def check(folder: Path, query: str) -> str:
    project = write_project(folder / "project", SOURCES + f"CREATE MATERIALIZED VIEW asked AS {query};\n")
    answer = subprocess.run([BINARY, "check", str(project)], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stderr


@pytest.mark.parametrize("query", KEEPS)
def test_state_without_bound_is_named(tmp_path: Path, query: str) -> None:
    told = check(tmp_path, query)
    assert told.count("warning 2015") == 1 and KEEPS[query] in told and "now()" in told


@pytest.mark.parametrize("query", LETS_GO)
def test_state_that_goes_is_not(tmp_path: Path, query: str) -> None:
    assert check(tmp_path, query) == ""
