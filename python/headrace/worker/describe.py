"""`describe`: the project's functions as one JSON document on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import sys
from typing import Any

from headrace.errors import HeadraceError
from headrace.loading import FoundFunction, load_project
from headrace.worker import sandbox


def description(found: FoundFunction) -> dict[str, Any]:
    """One function as src/udf/describe.cc reads it."""
    function = found.function
    options, signature = function.options, function.signature
    return {
        "name": function.name,
        "kind": function.kind,
        "arguments": [{"name": name, "nullable": hint.nullable, **hint.type.document()} for name, hint in signature.parameters.items()],
        "result": signature.result.type.document(),
        "state": [{"name": name, **kind.document()} for name, kind in signature.state.items()],
        "key": list(signature.key),
        "retracts": getattr(function, "retracts", False),
        "deterministic": options.deterministic,
        "on_error": options.on_error,
        "memory_bytes": options.memory_bytes,
        "timeout_ms": options.timeout_ms,
        "workers": options.workers,
        "network": options.network,
        "writes": list(options.writes),
        "hash": found.hash,
        "file": found.file,
        "line": function.line,
    }


def error_document(error: HeadraceError) -> dict[str, Any]:
    file, _, line = error.at.rpartition(":")
    return {"code": error.code, "message": error.message, "remedy": error.remedy, "file": file, "line": int(line or 0)}


def main(project: pathlib.Path) -> int:
    """Prints {"functions": [...], "errors": [...]}. What the user's files print while they load goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    with contextlib.redirect_stdout(sys.stderr):
        functions, errors = load_project(project)
    document = {
        "functions": [description(found) for found in functions],
        "errors": [error_document(error) for error in errors],
        "sandbox": sandbox.available(),
    }
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump(document, out)
        out.write("\n")
    sys.stderr.flush()
    os._exit(1 if errors else 0)  # Threads and atexit hooks of the user's modules must not keep the engine waiting.
