"""The probability that a card was misused in an hour, by boosted trees (`python -m headrace.demo.train_fraud`).

The leaves are integers and the result has four decimals, so that a score does not depend on machines or batches.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import headrace as hr
import numpy as np
import pyarrow as pa


@functools.cache
def trees() -> dict[str, np.ndarray]:
    """Reads models/fraud.json once per process; its lists become arrays."""
    model = json.loads((Path(__file__).parent.parent / "models" / "fraud.json").read_text())
    return {name: np.asarray(value) for name, value in model["trees"].items()}


@hr.function(vectorized=True)
def fraud_score(
    payments: pa.Int64Array,
    declined: pa.Int64Array,
    online: pa.Int64Array,
    small_online: pa.Int64Array,
    abroad: pa.Int64Array,
    by_night: pa.Int64Array,
    resale: pa.Int64Array,
    merchants: pa.Int64Array,
    countries: pa.Int64Array,
    spread: pa.DoubleArray,
    total_ratio: pa.DoubleArray,
    largest_ratio: pa.DoubleArray,
) -> pa.DoubleArray:
    """Scores what a card did in an hour: 0 = as always, 1 = certainly fraud. `spread` is in degrees of longitude."""
    model = trees()
    columns = (payments, declined, online, small_online, abroad, by_night, resale, merchants, countries, spread, total_ratio, largest_ratio)
    features = np.column_stack([column.to_numpy(zero_copy_only=False) for column in columns]).astype(np.float64)
    # All rows walk through all trees at once; a leaf leads to itself.
    nodes = np.broadcast_to(model["root"], (len(features), len(model["root"])))
    rows = np.arange(len(features))[:, None]
    for _ in range(int(model["depth"])):
        goes_left = features[rows, model["feature"][nodes]] <= model["threshold"][nodes]
        nodes = np.where(goes_left, model["left"][nodes], model["right"][nodes])
    log_odds = (model["base"] + model["leaf"][nodes].sum(axis=1)) / model["scale"]
    return pa.array(np.round(1 / (1 + np.exp(-log_odds)), 4), type=pa.float64())
