"""Trains models/fraud.onnx: boosted trees over the features of functions/cards.py, from a world of its own (seed 1001).

    python examples/fraud_live/train.py

Needs scikit-learn and skl2onnx; the example needs onnxruntime only.
"""

from __future__ import annotations

import collections
import csv
import datetime
import json
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
from headrace.demo import fraud
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from functions.cards import FEATURES, CardHour  # noqa: E402

SEED = 1001
TRANSACTIONS = 300_000


class NoTimers:
    """Training forgets no card: a payment older than an hour counts for nothing anyway."""

    def at(self, time: datetime.datetime, name: str = "") -> None: ...


def features(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Features of each payment in order of arrival, and whether it is fraud."""
    cards = {row["card"]: row for row in csv.DictReader((data / "cards.csv").open())}
    labels = {json.loads(line)["tx_id"] for line in (data / "labels.ndjson").open()}
    states: dict[str, Any] = collections.defaultdict(lambda: types.SimpleNamespace(hour=None))
    function, rows, fraudulent = CardHour(), [], []
    for tx in map(json.loads, (data / "tx.ndjson").open()):
        card, ts = cards[tx["card"]], datetime.datetime.fromisoformat(tx["ts"])
        tx |= {"ts": ts, "amount": float(tx["amount"]), "ratio": float(tx["amount"]) / float(card["usual_amount"])}
        tx |= {"online": tx["channel"] == "online", "foreign_country": tx["country"] != card["home_country"]}
        tx |= {"local_hour": (ts.hour + int(card["utc_offset"]) + 24) % 24}
        for row in function.on_row(tx["card"], types.SimpleNamespace(**tx), states[tx["card"]], NoTimers()):
            rows.append(row[-len(FEATURES) :])
            fraudulent.append(tx["tx_id"] in labels)
    return np.array(rows, dtype=np.float32), np.array(fraudulent)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        fraud.generate(Path(scratch), transactions=TRANSACTIONS, seed=SEED)
        x, y = features(Path(scratch))
    trained, held, y_trained, y_held = train_test_split(x, y, random_state=1, stratify=y)
    model = GradientBoostingClassifier(n_estimators=120, max_depth=5, learning_rate=0.1, subsample=0.8, random_state=1)
    model.fit(trained, y_trained)
    flagged = model.predict_proba(held)[:, 1] >= 0.5
    hits = (flagged & y_held).sum()
    print(f"payments held back: precision {hits / flagged.sum():.3f}, recall {hits / y_held.sum():.3f}")
    exported = to_onnx(model, initial_types=[("features", FloatTensorType([None, len(FEATURES)]))], options={"zipmap": False})
    (HERE / "models").mkdir(exist_ok=True)
    (HERE / "models" / "fraud.onnx").write_bytes(exported.SerializeToString())


if __name__ == "__main__":
    main()
