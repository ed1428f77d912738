"""Loads a project's functions/*.py."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.machinery
import importlib.util
import linecache
import pathlib
import sys
import traceback
import types
from collections.abc import Iterable

from headrace.environments import Environment, environment_of
from headrace.errors import BadConfig, FunctionLoad, HeadraceError
from headrace.snapshot import FOLDER, installed, read_bytes
from headrace.source_hash import source_hash
from headrace.user_function import UserFunction


@dataclasses.dataclass(frozen=True)
class FoundFunction:
    function: UserFunction
    file: str  #: Relative to the project: "functions/risk.py".
    hash: str
    environment: Environment | None = None


def function_files(project: pathlib.Path) -> list[str]:
    """The paths of the project's function files, relative to it, sorted by name."""
    return sorted(f"{FOLDER}/{path.name}" for path in (project / FOLDER).glob("*.py"))


def load_file(project: pathlib.Path, file: str, name: str = "", *, try_out: bool = False) -> list[FoundFunction]:
    """Imports one function file as the module `functions.<stem>` and gives the functions that it defines, in order, or the one called
    `name`. With `try_out` the project is read to be planned: models that are for the engine are opened apart first.

    The project's directory is on `sys.path` meanwhile and afterwards, so that files may import one another
    (`from functions.shared import ...`).

    Raises:
        FunctionLoad: the file cannot be imported or a function's hints cannot be read; `at` is file:line (code 4005).
    """
    root = str(project)
    if root not in sys.path:
        sys.path.insert(0, root)
    path = project / file
    try:
        text = read_bytes(path).decode()
        environment = environment_of(project, file)
        module = _imported(f"{FOLDER}.{path.stem}", path)
    except SyntaxError as failure:
        raise FunctionLoad(failure.msg, at=f"{_relative(project, failure.filename or str(path))}:{failure.lineno or 0}") from failure
    except HeadraceError as failure:
        raise FunctionLoad(failure.message, remedy=failure.remedy, at=_place(project, file, failure)) from failure
    except BaseException as failure:  # Also SystemExit: a file that ends the process is a file that cannot be loaded.
        if isinstance(failure, KeyboardInterrupt):
            raise
        raise FunctionLoad(f"{type(failure).__name__}: {failure}", at=_place(project, file, failure)) from failure
    return [
        _found(project, value, file, text, environment, try_out)
        for value in vars(module).values()
        if isinstance(value, UserFunction) and value.module == module.__name__ and name in ("", value.name)
    ]


def load_project(project: pathlib.Path, files: Iterable[str] | None = None) -> tuple[list[FoundFunction], list[HeadraceError]]:
    """Loads every function file, or those named; gives what was found and all errors at once."""
    functions: dict[str, FoundFunction] = {}
    errors: list[HeadraceError] = []
    for file in function_files(project) if files is None else files:
        try:
            for found in load_file(project, file, try_out=True):
                name = found.function.name
                earlier = functions.get(name.lower())
                if earlier is not None:
                    raise FunctionLoad(
                        f"the function {name} is also defined at {earlier.file}:{earlier.function.line}",
                        remedy="SQL matches names without regard to case: rename one",
                        at=f"{file}:{found.function.line}",
                    )
                functions[name.lower()] = found
        except HeadraceError as failure:
            errors.append(failure)
    return list(functions.values()), errors


def _imported(name: str, path: pathlib.Path) -> types.ModuleType:
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path):
        return sys.modules[name]  # A sibling has imported it already.
    snapshot = installed()
    if snapshot is None:
        linecache.checkcache(str(path))
    spec = (snapshot.find_spec(name, None) if snapshot else None) or importlib.util.spec_from_file_location(name, path)
    assert spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _found(
    project: pathlib.Path, function: UserFunction, file: str, text: str, environment: Environment | None, try_out: bool
) -> FoundFunction:
    if function.options.env and environment is None:
        raise FunctionLoad("env must stand in the decorator as a text: it is read before the file is run", at=f"{file}:{function.line}")
    try:
        if try_out:
            _require_writable(project, function)
            function.try_out()
        _ = function.signature
    except BadConfig as failure:
        raise FunctionLoad(failure.message, remedy=failure.remedy, at=f"{file}:{function.line}") from failure
    code = source_hash(text, function.name)
    beside = [hashlib.sha256(path.read_bytes()).hexdigest() for path in function.files] + ([environment.digest] if environment else [])
    if beside:
        code = hashlib.sha256(" ".join([code, *beside]).encode()).hexdigest()
    return FoundFunction(function, file, code, environment)


def _require_writable(project: pathlib.Path, function: UserFunction) -> None:
    """The kernel gives rights to what is there when a worker starts: a path that is missing would be refused at every call."""
    for path in function.options.writes:
        if not (project / path).exists():
            raise BadConfig(
                f"writes = {path!r}: there is no such file or folder",
                remedy="make it before the run, or name the folder that the file is to stand in; it is relative to the project's folder",
            )


def _place(project: pathlib.Path, file: str, failure: BaseException) -> str:
    """The innermost line of the project that the failure went through."""
    for frame in reversed(traceback.extract_tb(failure.__traceback__)):
        relative = _relative(project, frame.filename)
        if not relative.startswith("/") and not relative.startswith("<"):
            return f"{relative}:{frame.lineno}"
    return f"{file}:0"


def _relative(project: pathlib.Path, filename: str) -> str:
    try:
        return str(pathlib.Path(filename).relative_to(project))
    except ValueError:
        return filename
