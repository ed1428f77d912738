"""The code of a project's functions as it was at one moment: what runs does not change because somebody is editing it."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import pathlib
import sys
import types
from collections.abc import Sequence

FOLDER = "functions"


class Snapshot(importlib.abc.MetaPathFinder):
    """All that functions/ holds, and the project's lock files. `install` makes imports of `functions.*` see it instead of the disk."""

    def __init__(self, project: pathlib.Path) -> None:
        self._project = project
        self._contents: dict[str, bytes] = {}
        self.take()

    def take(self) -> None:
        """Reads everything anew."""
        files = [*(self._project / FOLDER).rglob("*.py"), *self._project.rglob("*.lock"), *self._project.rglob("requirements.txt")]
        self._contents = {str(path): path.read_bytes() for path in files if path.is_file()}

    def install(self) -> None:
        sys.meta_path.insert(0, self)
        for path, content in self._contents.items():
            lines = content.decode("utf-8", "replace").splitlines(keepends=True)
            linecache.cache[path] = (len(content), None, lines, path)  # Tracebacks show what runs.

    def content(self, path: pathlib.Path) -> bytes:
        """A file as it was, else as it is."""
        found = self._contents.get(str(path))
        return path.read_bytes() if found is None else found

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(FOLDER + "."):
            return None
        file = str(self._project.joinpath(*fullname.split("."))) + ".py"
        content = self._contents.get(file)
        return None if content is None else importlib.util.spec_from_file_location(fullname, file, loader=_Loader(fullname, file, content))


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_data(self, path: str) -> bytes:
        return self._content

    def path_stats(self, path: str) -> dict[str, float]:
        raise OSError("compiled anew each time: a cached file could be of other code")


def installed() -> Snapshot | None:
    """The snapshot that this process runs from, if any."""
    return next((finder for finder in sys.meta_path if isinstance(finder, Snapshot)), None)


def read_bytes(path: pathlib.Path) -> bytes:
    """Reads a file of the project: from the snapshot that this process runs from, else from the disk."""
    snapshot = installed()
    return path.read_bytes() if snapshot is None else snapshot.content(path)
