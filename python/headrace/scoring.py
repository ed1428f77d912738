"""Models of several kinds as what scores columns of numbers, and how far two of them drift apart."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import BadConfig

Scores = npt.NDArray[np.float64]
Scorer = Callable[[list[Scores]], Scores]


def open_model(path: pathlib.Path) -> tuple[Scorer, tuple[str, ...]]:
    """Opens a model; gives what scores columns, and the names of its features."""
    return _OPENERS[path.suffix](path)


def _open_onnx(path: pathlib.Path) -> tuple[Scorer, tuple[str, ...]]:
    try:
        import onnxruntime
    except ImportError as failure:
        raise BadConfig(f"{path.name} needs onnxruntime", remedy="name it in the lock file of env=, or install it") from failure
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # A worker has one core; several workers share the rows.
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), [output.name for output in session.get_outputs()]
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    for each in inputs:
        if each.type not in kinds:
            raise BadConfig(f"{path.name}: the input {each.name} is {each.type}, and SQL gives numbers")
    wide = len(inputs) == 1 and len(inputs[0].shape) == 2 and isinstance(inputs[0].shape[1], int) and inputs[0].shape[1] != 1
    names = tuple(f"f{place}" for place in range(inputs[0].shape[1])) if wide else tuple(each.name for each in inputs)

    def score(columns: list[Scores]) -> Scores:
        if wide:
            given = {inputs[0].name: np.column_stack(columns).astype(kinds[inputs[0].type])}
        else:
            given = {each.name: column.astype(kinds[each.type]).reshape((-1, 1) if len(each.shape) == 2 else (-1,))
                     for each, column in zip(inputs, columns, strict=True)}  # fmt: skip
        return _score_of(session.run(outputs[-1:], given)[0])

    return score, names


def _open_joblib(path: pathlib.Path) -> tuple[Scorer, tuple[str, ...]]:
    import joblib

    estimator: Any = joblib.load(path)
    count = int(getattr(estimator, "n_features_in_", 0))
    known = getattr(estimator, "feature_names_in_", None)
    names = tuple(str(name) for name in known) if known is not None else tuple(f"f{place}" for place in range(count))
    predict = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict

    def score(columns: list[Scores]) -> Scores:
        rows: Any = np.column_stack(columns)
        if known is not None:
            import pandas

            rows = pandas.DataFrame(rows, columns=list(names))
        return _score_of(predict(rows))

    return score, names


_OPENERS: dict[str, Callable[[pathlib.Path], tuple[Scorer, tuple[str, ...]]]] = {
    ".onnx": _open_onnx,
    ".joblib": _open_joblib,
    ".pkl": _open_joblib,
}


def _score_of(output: Any) -> Scores:
    """One number a row: of two probabilities the second, else the first column."""
    if isinstance(output, list):  # A classifier's ZipMap: a dict a row, by class.
        output = [list(row.values()) for row in output]
    scores = np.asarray(output, dtype=np.float64)
    if scores.ndim == 2:
        scores = scores[:, 1] if scores.shape[1] == 2 else scores[:, 0]
    return scores


class Drift:
    """How far the scores of one model lie from another's: the population stability index over tenths of the first.

    >>> drift = Drift()
    >>> drift.note(np.linspace(0, 1, 1000), np.linspace(0, 1, 1000))
    >>> round(drift.psi(), 6)
    0.0
    """

    BINS = 10
    FIRST = 1000  # Scores that the tenths are cut by.

    def __init__(self) -> None:
        self._waiting: list[tuple[Scores, Scores]] = []
        self._edges: Scores | None = None
        self._live = np.zeros(self.BINS)
        self._beside = np.zeros(self.BINS)
        self._difference, self._rows = 0.0, 0

    def note(self, live: Scores, beside: Scores) -> None:
        """Takes the scores of the same rows."""
        both = np.isfinite(live) & np.isfinite(beside)
        live, beside = live[both], beside[both]
        self._difference += float(np.sum(beside - live))
        self._rows += len(live)
        self._waiting.append((live, beside))
        if self._edges is None and self._rows >= self.FIRST:
            self._edges = np.quantile(np.concatenate([part for part, _ in self._waiting]), np.linspace(0, 1, self.BINS + 1)[1:-1])
        if self._edges is not None:
            for first, second in self._waiting:
                self._live += np.bincount(np.searchsorted(self._edges, first, side="right"), minlength=self.BINS)
                self._beside += np.bincount(np.searchsorted(self._edges, second, side="right"), minlength=self.BINS)
            self._waiting.clear()

    def psi(self) -> float:
        """The index; 0 while there are too few scores. Below 0.1 is usually called stable, above 0.25 another population."""
        if self._edges is None:
            return 0.0
        p, q = ((counts + 0.5) / (counts.sum() + 0.5 * self.BINS) for counts in (self._live, self._beside))
        index = float(np.sum((p - q) * np.log(p / q)))
        return index if math.isfinite(index) else 0.0

    def mean_difference(self) -> float:
        return self._difference / self._rows if self._rows else 0.0
