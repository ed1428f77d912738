"""`hr.Project`: a project directory, checked and run by the engine's own program."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

from headrace.errors import BadProject, HeadraceError, error_of

_ERROR_LINE = re.compile(r"^(?:(?P<at>.+?): )?error (?P<code>\d{4}) \(\w+\): (?P<message>.*)$")
_REMEDY_LINE = re.compile(r"^\s+remedy: (?P<remedy>.*)$")


class Project:
    """A project directory.

    Args:
        path: the directory with headrace.toml.
        profile: one of its profiles; "" = none.

    Raises:
        BadProject: there is no such directory (code 1003).

    >>> Project("no/such/place")
    Traceback (most recent call last):
    headrace.errors.BadProject: error 1003 (bad_project): no/such/place is not a directory
    """

    def __init__(self, path: str | os.PathLike[str], *, profile: str = "") -> None:
        self.path = pathlib.Path(path)
        self.profile = profile
        if not self.path.is_dir():
            raise BadProject(f"{path} is not a directory")

    def check(self) -> str:
        """Plans the project without running it; gives what `headrace check` prints.

        Raises:
            HeadraceError: the first error that was found; the others are its notes.
        """
        return self._run(["check", str(self.path)])

    def run(self, *, until_end: bool = True, state: str | os.PathLike[str] | None = None, shards: int | None = None) -> str:
        """Runs the project and waits for its end; gives the summary that `headrace run` prints.

        Args:
            until_end: read all inputs to their end and stop. False: run until Ctrl-C.
            state: the state directory; default `.headrace` in the project.
            shards: engine threads; default one per core.

        Raises:
            HeadraceError: what made the engine stop.
        """
        arguments = ["run", str(self.path)]
        if until_end:
            arguments.append("--until-end")
        if state is not None:
            arguments += ["--state", str(state)]
        if shards is not None:
            arguments += ["--shards", str(shards)]
        return self._run(arguments)

    def _run(self, arguments: list[str]) -> str:
        program, environment = engine_program()
        command = [program, *arguments, *(["--profile", self.profile] if self.profile else [])]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
        if done.returncode in (0, 130):
            return done.stdout
        raise _failure_of(done)


def engine_program() -> tuple[str, dict[str, str]]:
    """Finds the engine, and the environment to start it with: HEADRACE_BINARY, the one installed with this package, the one built in
    this clone, the one in PATH.

    Raises:
        BadProject: there is none (code 1003).
    """
    plain = {"HEADRACE_PYTHON": sys.executable, **os.environ}
    named = os.environ.get("HEADRACE_BINARY")
    if named:
        return named, plain
    if importlib.util.find_spec("headrace_engine") is not None:
        engine = importlib.import_module("headrace_engine")
        return str(engine.PROGRAM), engine.environment()
    clone = pathlib.Path(__file__).resolve().parent.parent.parent
    built = clone / "build/headrace"
    if built.is_file() and os.access(built, os.X_OK):
        path = os.pathsep.join(filter(None, (str(clone / "python"), os.environ.get("PYTHONPATH"))))
        return str(built), {"HEADRACE_SHARE": str(clone), **plain, "PYTHONPATH": path}
    found = shutil.which("headrace")
    if found is None:
        raise BadProject("the engine's program is not found", remedy="install headrace, or set HEADRACE_BINARY to its path")
    return found, plain


def _failure_of(done: subprocess.CompletedProcess[str]) -> HeadraceError:
    found: list[HeadraceError] = []
    for line in [*done.stderr.splitlines(), *done.stdout.splitlines()]:
        error, remedy = _ERROR_LINE.match(line), _REMEDY_LINE.match(line)
        if error:
            found.append(error_of(int(error["code"]), error["message"], at=error["at"] or ""))
        elif remedy and found:
            found[-1].remedy = found[-1].remedy or remedy["remedy"]
    if not found:
        return error_of(9001, f"the engine ended with exit code {done.returncode}: {(done.stderr or done.stdout)[-2000:].strip()}")
    for other in found[1:]:
        found[0].add_note(str(other))
    return found[0]
