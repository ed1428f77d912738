"""Models of several kinds as what scores columns of numbers, and how far two of them drift apart."""

from __future__ import annotations

import dataclasses
import itertools
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.errors import BadConfig

Scores = npt.NDArray[np.float64]
Scorer = Callable[[list[Scores]], Scores]

ROWS_STEP = 16  # As in src/udf/onnx.cc.


@dataclasses.dataclass(frozen=True)
class OnnxInput:
    """One input of an ONNX file: `columns` arguments as a tensor [rows, columns], or [rows] where its rank is 1."""

    name: str
    number: str  #: "float", "double" or "int64".
    columns: int
    rank: int


@dataclasses.dataclass(frozen=True)
class OnnxLayout:
    """How an ONNX file is asked; src/udf/onnx.h says the same."""

    inputs: tuple[OnnxInput, ...]
    output: str
    maps: bool  #: The output is a map by class a row (ZipMap), not a tensor.


@dataclasses.dataclass(frozen=True)
class OpenModel:
    """A model that has been opened.

    Attributes:
        scorer: gives one number a row, of one column per feature; of one length.
        features: the names of the columns; none where the file does not say.
        onnx: of an ONNX file, how it is asked.
    """

    scorer: Scorer
    features: tuple[str, ...]
    onnx: OnnxLayout | None = None

    def score(self, columns: list[Scores]) -> Scores:
        """Gives one number a row. The rows are filled up to a multiple of ROWS_STEP, so that no score depends on how rows were cut into
        calls: a matrix product takes a lone row, or the odd one of a few, by another way, whose sums differ in the last bit.

        Raises:
            ValueError: the number of columns, or the shape of what the model gives, is wrong.
            Exception: whatever its package raises.
        """
        if self.features and len(columns) != len(self.features):
            raise ValueError(f"it takes {len(self.features)} features, and is given {len(columns)}")
        rows = len(columns[0])
        if rows == 0:
            return np.empty(0)
        missing = -rows % ROWS_STEP
        scores = self.scorer([np.append(column, [column[-1]] * missing) for column in columns] if missing else columns)
        if scores.shape != (rows + missing,):
            raise ValueError(f"its output has the shape {scores.shape} for {rows + missing} rows")
        return scores[:rows]


def open_model(path: pathlib.Path) -> OpenModel:
    """Opens a model.

    Raises:
        BadConfig: it is broken, needs a package that is not there, or takes or gives what SQL cannot (code 1001).
    """
    return _OPENERS[path.suffix](path)


def _open_onnx(path: pathlib.Path) -> OpenModel:
    try:
        import onnxruntime
    except ImportError as failure:
        raise BadConfig(f"{path.name} needs onnxruntime", remedy="name it in the lock file of env=, or install it") from failure
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # A worker has one core; several workers share the rows.
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as failure:  # onnxruntime has a dozen kinds, and none above them.
        raise BadConfig(f"{path.name} cannot be opened: {failure}", remedy="export the model again") from failure
    layout = _layout_of(path, session.get_inputs(), session.get_outputs()[-1])
    features = tuple(
        name for each in layout.inputs for name in ([each.name] if each.columns == 1 else [f"f{place}" for place in range(each.columns)])
    )

    def score(columns: list[Scores]) -> Scores:
        given: dict[str, npt.NDArray[Any]] = {}
        waiting = iter(columns)
        with np.errstate(invalid="ignore", over="ignore"):  # What a narrower number cannot hold.
            for each in layout.inputs:
                tensor = np.column_stack(list(itertools.islice(waiting, each.columns))).astype(_NUMBERS[each.number])
                given[each.name] = tensor if each.rank == 2 else tensor[:, 0]
        return _score_of(session.run([layout.output], given)[0])

    return OpenModel(score, features, layout)


#: What an input may be: as onnxruntime says it, and as numpy does.
_NUMBERS = {"float": np.float32, "double": np.float64, "int64": np.int64}
_SCORES = ("float", "double", "int32", "int64")


def _layout_of(path: pathlib.Path, inputs: Sequence[Any], output: Any) -> OnnxLayout:
    found = []
    for each in inputs:
        number = each.type.removeprefix("tensor(").removesuffix(")")
        if number not in _NUMBERS or len(each.shape) not in (1, 2):
            raise BadConfig(
                f"{path.name}: the input {each.name} is {each.type} {each.shape}, and SQL gives numbers",
                remedy="one input float, double or int64 [rows, features], or one [rows, 1] per feature",
            )
        if isinstance(each.shape[0], int):
            raise BadConfig(
                f"{path.name}: the input {each.name} takes {each.shape[0]} rows, and SQL gives any number",
                remedy="export it with a first dimension that is open",
            )
        wide = len(inputs) == 1 and len(each.shape) == 2 and isinstance(each.shape[1], int)
        found.append(OnnxInput(each.name, number, each.shape[1] if wide else 1, len(each.shape)))
    maps = output.type in ("seq(map(int64,tensor(float)))", "seq(map(string,tensor(float)))")
    if not maps and output.type not in [f"tensor({number})" for number in _SCORES]:
        raise BadConfig(
            f"{path.name}: its last output, {output.name}, is {output.type}, and a score is a number",
            remedy="export it with the probabilities as the last output",
        )
    return OnnxLayout(tuple(found), output.name, maps)


def _open_joblib(path: pathlib.Path) -> OpenModel:
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

    return OpenModel(score, names)


_OPENERS: dict[str, Callable[[pathlib.Path], OpenModel]] = {
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
