"""How unusual a departure's delay is, by two quantiles learnt from January to June (`python -m headrace.demo.train`).

Only integers are added up, so a score is the same to the last bit on every machine and for every cut of the rows into batches.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import headrace as hr
import numpy as np
import pyarrow as pa


@functools.cache
def delay_model() -> dict[str, Any]:
    """Reads models/delay.json once per process; its lists become arrays."""
    model: dict[str, Any] = json.loads((Path(__file__).parent.parent / "models" / "delay.json").read_text())
    for part in ("usual", "high"):
        model[part] = {name: np.asarray(value) for name, value in model[part].items()}
    return model


def predict(trees: dict[str, Any], features: np.ndarray) -> np.ndarray:
    """Walks all rows through all trees at once; gives the sum of the leaves, in thousandths of a minute."""
    nodes = np.broadcast_to(trees["root"], (len(features), len(trees["root"])))
    rows = np.arange(len(features))[:, None]
    for _ in range(int(trees["depth"])):
        goes_left = features[rows, trees["feature"][nodes]] <= trees["threshold"][nodes]
        nodes = np.where(goes_left, trees["left"][nodes], trees["right"][nodes])
    return trees["base"] + trees["leaf"][nodes].sum(axis=1)


@hr.function(vectorized=True)
def anomaly_score(
    dep_delay: pa.Int64Array,
    carrier: pa.StringArray,
    local_hour: pa.Int64Array,
    distance: pa.Int64Array,
    wind_speed: pa.DoubleArray,
    visibility: pa.DoubleArray,
    precipitation: pa.DoubleArray,
    plane_age: pa.Int64Array,
) -> pa.DoubleArray:
    """Scores departures: 0 = no later than usual, 1 = as late as 19 of 20 such flights are not, 3 = three times that.

    `dep_delay` is in minutes, `plane_age` in years (-1 = not known). The score has three decimals. Without a delay (cancelled) there is
    none; the other arguments may not be NULL.
    """
    model = delay_model()
    rank = {name: place for place, name in enumerate(model["carriers"])}
    ranks = [rank.get(name, len(rank)) for name in carrier.to_pylist()]
    columns = [column.to_numpy(zero_copy_only=False) for column in (local_hour, distance, wind_speed, visibility, precipitation, plane_age)]
    features = np.column_stack([np.asarray(ranks, dtype=np.float64), *columns]).astype(np.float64)
    usual, high = predict(model["usual"], features), predict(model["high"], features)
    delays = dep_delay.fill_null(0).to_numpy(zero_copy_only=False)
    over = np.maximum(delays * 1000 - usual, 0)
    spread = np.maximum(high - usual, 15_000)  # At least a quarter of an hour, so that punctual hours do not shout.
    return pa.array((over * 1000 // spread) / 1000, type=pa.float64(), mask=dep_delay.is_null().to_numpy(zero_copy_only=False))
