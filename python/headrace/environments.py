"""Virtual environments of functions: made from a lock file, kept by its digest, used by all functions of a file.

An environment holds what its lock file names; everything else (headrace, pyarrow) comes from the engine's own environment, which stands
behind it on `sys.path`. So two files may pin different versions of one package, and their functions run side by side.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator

from headrace.errors import BadConfig, FunctionLoad
from headrace.snapshot import read_bytes

LOCK_NAMES = ("requirements.lock", "requirements.txt")
PACKAGES_TOLD = 8
_COMPLETE = "headrace-complete"


@dataclasses.dataclass(frozen=True)
class Environment:
    """What a file's functions run in.

    Attributes:
        name: as the decorators write it.
        lock: the lock file.
        digest: SHA-256 over the lock file's text and the version of Python; part of the functions' hash.
    """

    name: str
    lock: pathlib.Path
    digest: str

    def text(self) -> str:
        """The lock file, the digest and the versions in it, for people."""
        pins = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", self.lock.read_text(encoding="utf-8"), re.MULTILINE)
        shown = ", ".join(f"{package} {version}" for package, version in pins[:PACKAGES_TOLD])
        more = f" and {len(pins) - PACKAGES_TOLD} more" if len(pins) > PACKAGES_TOLD else ""
        return f"{self.name} {self.digest[:12]} ({shown}{more})"


def environment_of(project: pathlib.Path, file: str) -> Environment | None:
    """Reads off a function file, without running it, which environment its decorators and models name.

    Raises:
        FunctionLoad: two decorators name two, or there is no such lock file (code 4005).
        SyntaxError: the file is no Python.
    """
    path = project / file
    names = dict(_named(ast.parse(read_bytes(path), filename=str(path))))
    if not names:
        return None
    if len(names) > 1:
        raise FunctionLoad(
            f"functions of one file run in one environment, and these name {' and '.join(map(repr, names))}",
            remedy="put them into two files",
            at=f"{file}:{list(names.values())[1]}",
        )
    ((name, line),) = names.items()
    lock = _lock_file(project / name)
    if lock is None:
        raise FunctionLoad(
            f"env = {name!r}: there is no such lock file", remedy="it is relative to the project's folder", at=f"{file}:{line}"
        )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Environment(name, lock, hashlib.sha256(f"{version}\n".encode() + read_bytes(lock)).hexdigest())


def _named(module: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module):
        calls: list[ast.expr] = getattr(node, "decorator_list", [])
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "model":
            calls = [node]
        for call in calls:
            for keyword in getattr(call, "keywords", []):
                if keyword.arg == "env" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
                    yield keyword.value.value, call.lineno


def _lock_file(path: pathlib.Path) -> pathlib.Path | None:
    candidates = [path / name for name in LOCK_NAMES] if path.is_dir() else [path]
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def check_env(name: object) -> str:
    """Checks a decorator's `env`.

    Raises:
        BadConfig: it is not a text (code 1001).
    """
    if not isinstance(name, str) or not name:
        raise BadConfig(f"env = {name!r} is not a path", remedy="write env='requirements.lock', relative to the project's folder")
    return name


def ensure(environment: Environment) -> pathlib.Path:
    """Makes the environment if it is not there yet; gives its interpreter.

    Raises:
        FunctionLoad: pip could not install what the lock file says (code 4005).
    """
    behind = sysconfig.get_paths()["purelib"]
    folder = _cache() / f"{environment.digest[:16]}-{hashlib.sha256(behind.encode()).hexdigest()[:8]}"
    python = folder / "bin" / "python"
    with _locked(folder.with_suffix(".lock")):
        if (folder / _COMPLETE).exists():
            return python
        shutil.rmtree(folder, ignore_errors=True)
        import venv  # Here: hardly ever needed, and slow to import.

        venv.EnvBuilder(with_pip=not _has_pip()).create(folder)
        _install(environment, python)
        site = next((folder / "lib").glob("python*/site-packages"))
        (site / "headrace_behind.pth").write_text(
            "".join(f"{path}\n" for path in dict.fromkeys([behind, sysconfig.get_paths()["platlib"]]))
        )
        (folder / _COMPLETE).touch()
    return python


def _install(environment: Environment, python: pathlib.Path) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python)] if _has_pip() else [str(python), "-m", "pip"]
    hashes = ["--require-hashes"] if "--hash=" in environment.lock.read_text(encoding="utf-8") else []
    command = [*pip, "install", "--quiet", "--disable-pip-version-check", *hashes, "--requirement", str(environment.lock)]
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-3:]
        raise FunctionLoad(f"the environment of {environment.name} cannot be made: {' / '.join(last)}", remedy=" ".join(command))


def _has_pip() -> bool:
    return subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def _cache() -> pathlib.Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(pathlib.Path.home() / ".cache")
    folder = pathlib.Path(cache) / "headrace" / "environments"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    """Two engines that start at once make an environment once."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
