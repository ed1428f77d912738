"""An ONNX file's first opening, in a process of its own: a file that kills its reader is an error, and never reaches the engine.

`python -m headrace.model_trial FILE` prints what it finds as JSON.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import signal
import subprocess
import sys
from typing import Any, TypedDict

from headrace.errors import BadConfig, HeadraceError

TIMEOUT_S = 120  # For an import of onnxruntime on a busy machine, and a large model.
ROWS = 3


class Trial(TypedDict):
    """What the engine is told of a file (src/udf/describe.cc reads it)."""

    library: str  #: The shared library of onnxruntime.
    version: str  #: Of onnxruntime.
    features: list[str]
    inputs: list[dict[str, Any]]
    output: str
    maps: bool
    zero_score: float | None  #: What a row of zeros scores; None = it is not finite.
    sha256: str


def try_apart(file: pathlib.Path) -> Trial:
    """Opens a file and scores with it, in a process of its own.

    Raises:
        BadConfig: that failed, or the process did not survive it (code 1001).
    """
    command = [sys.executable, "-m", "headrace.model_trial", str(file)]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as failure:
        raise BadConfig(f"{file.name} was not opened in {TIMEOUT_S} s", remedy=" ".join(command)) from failure
    if done.returncode < 0:
        raise BadConfig(
            f"{file.name} kills who reads it: a process that opened it ended with {signal.Signals(-done.returncode).name}",
            remedy=" ".join(command),
        )
    try:
        document = json.loads(done.stdout)
    except ValueError as failure:
        raise BadConfig(f"{file.name} was not opened: its reader ended with {done.returncode}", remedy=" ".join(command)) from failure
    if "error" in document:
        raise BadConfig(document["error"], remedy=document["remedy"])
    trial: Trial = document
    return trial


def _try(file: pathlib.Path) -> Trial:
    import math

    import numpy as np

    from headrace.scoring import open_model

    opened = open_model(file)
    assert opened.onnx is not None
    try:
        scores = opened.score([np.zeros(ROWS) for _ in opened.features])
    except Exception as failure:  # onnxruntime has a dozen kinds, and none above them.
        raise BadConfig(f"{file.name} cannot score rows of zeros: {failure}", remedy="export the model again") from failure
    layout, (library, version) = opened.onnx, _onnxruntime(file)
    return {
        "library": library,
        "version": version,
        "features": list(opened.features),
        "inputs": [vars(each) for each in layout.inputs],
        "output": layout.output,
        "maps": layout.maps,
        "zero_score": float(scores[0]) if math.isfinite(scores[0]) else None,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }


def _onnxruntime(file: pathlib.Path) -> tuple[str, str]:
    import onnxruntime

    found = sorted((pathlib.Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not found:
        raise BadConfig(
            f"{file.name}: onnxruntime {onnxruntime.__version__} comes without libonnxruntime.so, which the engine calls",
            remedy="take the one from PyPI, or isolation='process'",
        )
    return str(found[0]), onnxruntime.__version__


def main(file: pathlib.Path) -> None:
    try:
        document: Any = _try(file)
    except HeadraceError as failure:
        document = {"error": failure.message, "remedy": failure.remedy}
    print(json.dumps(document))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
