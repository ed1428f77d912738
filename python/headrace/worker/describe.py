"""The project's functions as one line of JSON: what the engine asks for, and `describe` prints."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from headrace.environments import Environment, ensure, environment_of
from headrace.errors import FunctionLoad, HeadraceError
from headrace.loading import FoundFunction, function_files, load_project
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
        "timeout_ms": function.call_timeout_ms,
        "workers": function.workers,
        "network": options.network,
        "writes": list(options.writes),
        "environment": "" if found.environment is None else found.environment.text(),
        "python": "",
        "model": function.model_document(),
        "beside": [str(path) for path in (*function.files, *((found.environment.lock,) if found.environment else ()))],
        "hash": found.hash,
        "file": found.file,
        "line": function.line,
    }


def error_document(error: HeadraceError) -> dict[str, Any]:
    file, _, line = error.at.rpartition(":")
    return {"code": error.code, "message": error.message, "remedy": error.remedy, "file": file, "line": int(line or 0)}


def main(project: pathlib.Path, only: Sequence[str] = ()) -> NoReturn:
    """Tells it on standard output. What the user's files print while they load goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    tell(project, answer, only)


def tell(project: pathlib.Path, answer: int, only: Sequence[str] = ()) -> NoReturn:
    """Writes {"functions": [...], "errors": [...], "sandbox": [...]} to the descriptor `answer`, and ends the process. Files with an
    environment of their own are described by its interpreter; `only` names the files to look at, in this one."""
    with contextlib.redirect_stdout(sys.stderr):
        document = _described(project, only) if only else _all_described(project)
    sys.stderr.flush()  # Who has its answer does not wait for more.
    with os.fdopen(answer, "w", encoding="utf-8") as out:
        json.dump({**document, "sandbox": sandbox.available()}, out)
        out.write("\n")
    os._exit(1 if document["errors"] else 0)  # Threads and atexit hooks of the user's modules must not keep the engine waiting.


def _described(project: pathlib.Path, files: Sequence[str]) -> dict[str, list[Any]]:
    functions, errors = load_project(project, files)
    return {"functions": [description(found) for found in functions], "errors": [error_document(error) for error in errors]}


def _all_described(project: pathlib.Path) -> dict[str, list[Any]]:
    """Describes each file by the interpreter of its environment; functions stand in the order of the files."""
    files = function_files(project)
    groups: dict[Environment | None, list[str]] = {}
    errors: list[dict[str, Any]] = []
    for file in files:
        try:
            groups.setdefault(environment_of(project, file), []).append(file)
        except SyntaxError:
            groups.setdefault(None, []).append(file)  # Loading it tells where.
        except HeadraceError as failure:
            errors.append(error_document(failure))
    functions: list[dict[str, Any]] = []
    for environment, members in groups.items():
        part = _described(project, members) if environment is None else _described_in(environment, project, members)
        functions += part["functions"]
        errors += part["errors"]
    functions.sort(key=lambda function: files.index(function["file"]))
    return {"functions": functions, "errors": errors + [error_document(error) for error in _twice(functions)]}


def _described_in(environment: Environment, project: pathlib.Path, files: Sequence[str]) -> dict[str, list[Any]]:
    try:
        python = ensure(environment)
    except FunctionLoad as failure:
        return {"functions": [], "errors": [error_document(FunctionLoad(failure.message, remedy=failure.remedy, at=f"{files[0]}:0"))]}
    command = [str(python), "-m", "headrace.worker", "describe", "--project", str(project), "--only", *files]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    try:
        part: dict[str, list[Any]] = json.loads(done.stdout)
    except ValueError:
        nothing = FunctionLoad(f"{python} gave no description (exit code {done.returncode})", remedy=" ".join(command), at=f"{files[0]}:0")
        return {"functions": [], "errors": [error_document(nothing)]}
    for function in part["functions"]:
        function["python"] = str(python)
    return part


def _twice(functions: Sequence[dict[str, Any]]) -> Iterator[FunctionLoad]:
    """Names that two files of different environments have; within one, loading finds them."""
    known: dict[str, dict[str, Any]] = {}
    for function in functions:
        earlier = known.setdefault(function["name"].lower(), function)
        if earlier is not function:
            yield FunctionLoad(
                f"the function {function['name']} is also defined at {earlier['file']}:{earlier['line']}",
                remedy="SQL matches names without regard to case: rename one",
                at=f"{function['file']}:{function['line']}",
            )
