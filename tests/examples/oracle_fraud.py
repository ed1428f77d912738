"""What batch DuckDB says about `examples/fraud`: the same features, written for batch, without broken records and without the payments
that came too late for a window.

Lateness is decided as `docs` say: a row meets the watermark that the rows before it made (their newest time less 30 seconds), and is
too late for a window when window_end - 1 ms <= watermark.
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import engine
import oracle_demo
import pyarrow as pa
from headrace.demo import train_fraud

PROJECT = engine.ROOT / "examples" / "fraud"

ANSWERS = {
    "risky": "SELECT card, window_start, window_end, payments, total, score FROM scored WHERE score >= 0.45",
    "rule_hits": """
        SELECT card, window_start, window_end, payments, total FROM features
        WHERE countries > 1 OR small_online > 2 OR declined > 2 OR (payments > 2 AND total_ratio > 15) OR by_night > 2 OR resale > 2""",
    "by_category": "SELECT category, count(*), sum(declined::INT)::BIGINT, sum(amount) FROM arrived GROUP BY 1",
    "per_hour": """
        SELECT date_trunc('hour', ts) AS hour, count(*), count(DISTINCT card), sum(amount) FROM arrived
        WHERE NOT late_for_hour GROUP BY 1""",
    "late_out": "SELECT card, ts, amount, merchant, country FROM arrived WHERE late_for_hour",
}


def sound(line: str) -> bool:
    """Says whether the door lets a record in."""
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return False
    return record["card"] is not None and isinstance(record["amount"], float) and record["amount"] > 0


def load(data: Path, scratch: Path) -> duckdb.DuckDBPyConnection:
    """Gives a database with arrived (all sound payments, in order), features and scored."""
    scratch.mkdir(parents=True, exist_ok=True)
    lines = (data / "tx.ndjson").read_text().splitlines()
    (scratch / "tx.ndjson").write_text("".join(line + "\n" for line in lines if sound(line)))
    for name in ("cards.csv", "labels.ndjson"):
        (scratch / name).write_text((data / name).read_text())
    db = train_fraud.load(scratch)
    db.sql("ALTER TABLE tx RENAME TO tx_read")
    db.sql("""CREATE TABLE tx AS
              SELECT *, max(ts) OVER (ORDER BY rowid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - INTERVAL 30 SECOND AS watermark
              FROM tx_read""")
    db.sql("""CREATE TABLE arrived AS
              SELECT *, coalesce(date_trunc('hour', ts) + INTERVAL 1 HOUR - INTERVAL 1 MILLISECOND <= watermark, false) AS late_for_hour
              FROM tx""")
    db.sql(f"""CREATE TABLE windows AS FROM ({train_fraud.WINDOWS})
               WHERE coalesce(window_start + INTERVAL 1 HOUR - INTERVAL 1 MILLISECOND > watermark, true)""")
    db.sql(f"CREATE TABLE features AS {train_fraud.CARD_WINDOWS}")
    fraud_score = oracle_demo.load_function("fraud_score", PROJECT / "functions" / "fraud.py")
    table = db.sql("FROM features").to_arrow_table()
    scores = [fraud_score(*(batch.column(name) for name in train_fraud.FEATURES)) for batch in table.to_batches(max_chunksize=20_000)]
    scored = table.append_column("score", pa.chunked_array(scores))  # noqa: F841
    db.sql("CREATE TABLE scored AS FROM scored")
    return db


def answers(db: duckdb.DuckDBPyConnection) -> dict[str, list[engine.Row]]:
    """Gives the rows of every view and sink."""
    return {name: db.sql(sql).fetchall() for name, sql in ANSWERS.items()}
