"""Trains the model behind `fraud_score` of `examples/fraud` and writes `models/fraud.json`.

It learns from a world of its own (seed 1001) and never sees the one it is measured on. The features are those of
`examples/fraud/sql/20_features.sql`, computed here by batch DuckDB. Needs scikit-learn and duckdb; the example itself needs neither.

    python -m headrace.demo.train_fraud --out examples/fraud/models/fraud.json
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import precision_recall_curve

from headrace.demo.fraud import generate
from headrace.demo.trees import export_trees, write_model

SEED = 1001
TRANSACTIONS = 300_000

TX_TYPES = (
    "{'tx_id': 'VARCHAR', 'card': 'VARCHAR', 'ts': 'TIMESTAMP', 'amount': 'DECIMAL(12, 2)', 'merchant': 'VARCHAR', "
    "'category': 'VARCHAR', 'country': 'VARCHAR', 'lat': 'DOUBLE', 'lon': 'DOUBLE', 'channel': 'VARCHAR', 'declined': 'BOOLEAN'}"
)
CARD_TYPES = "{'card': 'VARCHAR', 'home_country': 'VARCHAR', 'utc_offset': 'INTEGER', 'usual_amount': 'DECIMAL(12, 2)'}"

FEATURES = (
    "payments",
    "declined",
    "online",
    "small_online",
    "abroad",
    "by_night",
    "resale",
    "merchants",
    "countries",
    "spread",
    "total_ratio",
    "largest_ratio",
)
"""The arguments of fraud_score, in order."""

WINDOWS = """
SELECT t.*, c.home_country, c.usual_amount, (hour(t.ts) + c.utc_offset + 24) % 24 AS local_hour,
       unnest([time_bucket(INTERVAL 15 MINUTE, t.ts) - n * INTERVAL 15 MINUTE FOR n IN range(4)]) AS window_start
FROM tx t JOIN cards c USING (card)
"""
"""Each payment once per window: an hour long, one every quarter."""

CARD_WINDOWS = """
SELECT card, window_start, window_start + INTERVAL 1 HOUR AS window_end,
       count(*) AS payments,
       sum(declined::INT)::BIGINT AS declined,
       sum((channel = 'online')::INT)::BIGINT AS online,
       sum((channel = 'online' AND amount < 6)::INT)::BIGINT AS small_online,
       sum((channel = 'pos' AND country <> home_country)::INT)::BIGINT AS abroad,
       sum((local_hour >= 1 AND local_hour < 6)::INT)::BIGINT AS by_night,
       sum((category IN ('electronics', 'jewelry', 'gift_cards'))::INT)::BIGINT AS resale,
       count(DISTINCT merchant) AS merchants,
       count(DISTINCT CASE WHEN channel = 'pos' THEN country END) AS countries,
       coalesce(max(lon) FILTER (channel = 'pos') - min(lon) FILTER (channel = 'pos'), 0) AS spread,
       sum(amount)::DOUBLE / any_value(usual_amount)::DOUBLE AS total_ratio,
       max(amount)::DOUBLE / any_value(usual_amount)::DOUBLE AS largest_ratio,
       sum(amount) AS total
FROM windows GROUP BY ALL
"""
"""One row per card and window that the card paid in."""


def load(data: Path) -> duckdb.DuckDBPyConnection:
    """Gives a database with the tables tx (in order of arrival), cards and labels of a folder made by headrace.demo.fraud."""
    db = duckdb.connect()
    db.sql(f"CREATE TABLE tx AS SELECT * FROM read_json('{data}/tx.ndjson', format = 'newline_delimited', columns = {TX_TYPES})")
    db.sql(f"CREATE TABLE cards AS FROM read_csv('{data}/cards.csv', header = true, columns = {CARD_TYPES})")
    db.sql(f"CREATE TABLE labels AS FROM read_json('{data}/labels.ndjson', format = 'newline_delimited')")
    return db


def train(out: Path) -> None:
    """Trains on two thirds of the cards, chooses the threshold with the best F1 on the others, writes the model."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), transactions=TRANSACTIONS, seed=SEED)
        db = load(Path(folder))
    db.sql(f"CREATE TABLE windows AS {WINDOWS}")
    rows = db.sql(f"""
        SELECT f.*, g.card IS NOT NULL AS fraud, substr(f.card, 7, 1) IN ('0', '3', '6') AS held_out
        FROM ({CARD_WINDOWS}) f
        LEFT JOIN (SELECT DISTINCT card, window_start FROM windows JOIN labels USING (tx_id)) g USING (card, window_start)
        ORDER BY f.card, f.window_start""").df()
    features = rows[list(FEATURES)].to_numpy(dtype=np.float64)
    fraud, held_out = rows.fraud.to_numpy(), rows.held_out.to_numpy()
    trees = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.15,
        max_depth=5,
        max_leaf_nodes=16,
        min_samples_leaf=60,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=7,
    )
    trees.fit(features[~held_out], fraud[~held_out])
    precision, recall, thresholds = precision_recall_curve(fraud[held_out], trees.predict_proba(features[held_out])[:, 1])
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(np.argmax(f1[:-1]))
    write_model(
        out,
        {
            "trained_on": f"headrace.demo.fraud, seed {SEED}, {TRANSACTIONS} transactions",
            "features": list(FEATURES),
            "trees": export_trees(trees, scale=1_000_000),
        },
    )
    print(f"{len(rows):,} card windows, {fraud.mean():.2%} with fraud")
    print(
        f"on cards held out: best F1 {f1[best]:.3f} (precision {precision[best]:.3f}, recall {recall[best]:.3f}) "
        f"at score >= {thresholds[best]:.2f}"
    )
    print(f"wrote {out} ({out.stat().st_size / 1024:.0f} KiB)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m headrace.demo.train_fraud", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    train(parser.parse_args(arguments).out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
