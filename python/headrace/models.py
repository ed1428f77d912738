"""`hr.model`: a trained model as a function of SQL."""

from __future__ import annotations

import functools
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from headrace.column_types import ColumnHint, ColumnType
from headrace.errors import BadConfig
from headrace.user_function import FunctionOptions, Options, Signature, UserFunction, read_options

if TYPE_CHECKING:  # Not at run time: `import headrace` stays quick.
    import pyarrow as pa

    from headrace.model_trial import Trial
    from headrace.scoring import Drift, OpenModel, Scores

FORMATS = (".onnx", ".joblib", ".pkl")
#: What only a process can be held to: a model with one of these options stays in a worker.
OF_A_PROCESS = ("isolation", "memory", "timeout", "workers")


class Model(UserFunction):
    """A model that scores rows in batches. Calling it in Python scores arrays.

    Attributes:
        path, shadow: the files of the live model and of the one beside it, if any.
        in_engine: the engine calls onnxruntime itself; otherwise a worker does.
        features: the names of the arguments in SQL, all DOUBLE.
    """

    def __init__(self, path: pathlib.Path, features: tuple[str, ...], shadow: pathlib.Path | None, in_engine: bool, module: str, line: int,
                 name: str, options: FunctionOptions) -> None:  # fmt: skip
        def body(*columns: pa.Array) -> pa.Array:
            import pyarrow

            return pyarrow.array(self.score([column.to_numpy(zero_copy_only=False) for column in columns]), pyarrow.float64())

        body.__name__ = body.__qualname__ = name
        body.__doc__ = f"The score of {path.name}."
        body.__module__ = module
        super().__init__(body, options)
        self.kind = "vectorized"
        self.path, self.shadow, self.in_engine = path, shadow, in_engine
        self._features, self._line = features, line
        self._trials: tuple[Trial, ...] = ()

    def __call__(self, *columns: pa.Array) -> pa.Array:
        return self.body(*columns)

    @property
    def line(self) -> int:
        return self._line

    @functools.cached_property
    def features(self) -> tuple[str, ...]:
        return self._features or self._names_in(0)

    def score(self, columns: list[Scores]) -> Scores:
        """Scores rows given as one column per feature, and lets the shadow model score them, too."""
        scores = self._opened[0].score(columns)
        if self.shadow is not None:
            self._drift.note(scores, self._opened[1].score(columns))
        return scores

    @property
    def files(self) -> tuple[pathlib.Path, ...]:
        """The models' files."""
        return (self.path,) if self.shadow is None else (self.path, self.shadow)

    def gauges(self) -> dict[str, float]:
        """How far the shadow's scores lie from the live ones: "psi" and "mean_difference"."""
        return {} if self.shadow is None else {"psi": self._drift.psi(), "mean_difference": self._drift.mean_difference()}

    def try_out(self) -> None:
        """Opens the files of a model that the engine runs in a process of its own first (headrace.model_trial).

        Raises:
            BadConfig: one cannot be used (code 1001).
        """
        if self.in_engine:
            from headrace.model_trial import try_apart

            self._trials = tuple(try_apart(file) for file in self.files)

    def model_document(self) -> dict[str, Any] | None:
        """What the trial found; None = the model runs in a worker."""
        if not self._trials:
            return None
        files = [{"path": str(file), **trial} for file, trial in zip(self.files, self._trials, strict=True)]
        return {"library": files[0].pop("library"), "version": files[0].pop("version"), "files": files}

    @functools.cached_property
    def _drift(self) -> Drift:
        from headrace.scoring import Drift

        return Drift()

    @functools.cached_property
    def _opened(self) -> tuple[OpenModel, ...]:
        from headrace.scoring import open_model

        return tuple(open_model(file) for file in self.files)

    def _names_in(self, place: int) -> tuple[str, ...]:
        """The names of the features as the live model's file (0) or the shadow's (1) says them."""
        return tuple(self._trials[place]["features"]) if self._trials else self._opened[place].features

    def _read_signature(self) -> Signature:
        if self._trials or self.shadow is not None:
            for place, file in enumerate(self.files):
                takes = len(self._names_in(place))
                if takes != len(self.features):
                    raise BadConfig(f"{file.name} takes {takes} features, and here are {len(self.features)}: {', '.join(self.features)}")
        column = ColumnHint(ColumnType("DOUBLE"), False, "numpy")
        return Signature(dict.fromkeys(self.features, ColumnHint(ColumnType("DOUBLE"), True, "arrow")), column)


def model(path: str, *, name: str = "", features: Sequence[str] = (), shadow: str = "", **options: Unpack[Options]) -> Model:
    """Makes a model's file a function of SQL that takes numbers and gives its score.

    Write it in a file of `functions/` and give the variable the function's name: `predict_fraud = hr.model("models/fraud.onnx")`.
    For a classifier of two classes the score is the probability of the second; otherwise it is the prediction. NULL is NaN to the model.

    Args:
        path: in the project. `.onnx` runs in onnxruntime, which must be installed (`env=`): the engine calls it, unless an option needs a
            process (`isolation="process"`, `memory`, `timeout`, `workers`). `.joblib` and `.pkl` are scikit-learn estimators. Unpickling
            runs code of the file: such a file is as trusted as the project's own code.
        name: in SQL; default "predict_" and the file's name.
        features: names of the arguments; default what the file says, else f0, f1, ...
        shadow: a second model that scores the same rows; SQL sees the first. How far the two differ stands as gauge `psi` (population
            stability index, over tenths of the live scores) and `mean_difference` with the function's workers.
        options: as of `hr.function`.

    Raises:
        BadConfig: there is no such file, or it is of no known kind (code 1001).
    """
    frame = sys._getframe(1)
    project = pathlib.Path(frame.f_code.co_filename).resolve().parent.parent
    files = [project / file for file in (path, shadow) if file]
    for file in files:
        if not file.is_file():
            raise BadConfig(f"there is no model {file}", remedy="its path is relative to the project's folder")
        if file.suffix not in FORMATS:
            raise BadConfig(f"{file.name} is of no known kind", remedy=f"one of {', '.join(FORMATS)}")
    in_engine = all(file.suffix == ".onnx" for file in files) and not any(option in options for option in OF_A_PROCESS)
    return Model(files[0], tuple(features), files[1] if shadow else None, in_engine, frame.f_globals["__name__"], frame.f_lineno,
                 name or f"predict_{files[0].stem}", read_options(options))  # fmt: skip
