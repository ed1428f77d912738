"""Boosted trees as plain JSON: written from scikit-learn when a model is trained, read by numpy alone when it is used.

The JSON holds one list per node field over all trees; `root` says where each tree begins. A leaf's value is an integer (the
prediction times `scale`, rounded), so that a sum of leaves is exact: the same on every machine, in any order, for any cut of the rows
into batches.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def export_trees(model: Any, *, scale: int) -> dict[str, Any]:
    """Turns a fitted HistGradientBoosting model of scikit-learn into plain lists.

    Args:
        model: a fitted `HistGradientBoostingRegressor` or binary `HistGradientBoostingClassifier`; its inputs may not be missing.
        scale: a leaf's integer per 1.0 of the model's raw prediction.
    """
    out: dict[str, Any] = {
        "scale": scale,
        "depth": 0,
        "base": round(float(model._baseline_prediction.ravel()[0]) * scale),
        "root": [],
        "feature": [],
        "threshold": [],
        "left": [],
        "right": [],
        "leaf": [],
    }
    for (predictor,) in model._predictors:
        first = len(out["feature"])
        out["root"].append(first)
        out["depth"] = max(out["depth"], int(predictor.nodes["depth"].max()))
        for place, node in enumerate(predictor.nodes):
            leaf = bool(node["is_leaf"])
            # A leaf leads to itself, so that every row can walk `depth` steps without asking where it stands.
            out["feature"].append(0 if leaf else int(node["feature_idx"]))
            out["threshold"].append(0.0 if leaf else float(node["num_threshold"]))
            out["left"].append(first + (place if leaf else int(node["left"])))
            out["right"].append(first + (place if leaf else int(node["right"])))
            out["leaf"].append(round(float(node["value"]) * scale) if leaf else 0)
    return out


def write_model(path: Path, model: dict[str, Any]) -> None:
    """Writes a model as JSON, one field a line, so that a change can be seen in a diff."""
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in model.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
