"""Keeps pyarrow from importing pandas before anybody else does.

With its first conversion pyarrow imports pandas where that is installed, to know its objects: 0.3 s and 40 MB. While nobody has imported
pandas there are none to know, so it comes to know them when somebody does.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types
from collections.abc import Sequence

import pyarrow as pa

_NAME = "pandas"


def put_pandas_off() -> None:
    """From here on, pyarrow comes to know pandas when somebody else imports it. Before this process's first conversion."""
    if _NAME in sys.modules:
        return
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    pa.scalar(0)  # Looks for pandas, and finds none.
    finder.hides = False


class _Finder(importlib.abc.MetaPathFinder):
    """Finds no pandas while it hides it, and then once, as it would be found without this."""

    hides = True

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _NAME:
            return None
        if self.hides:
            raise ModuleNotFoundError(f"No module named {_NAME!r} as yet", name=_NAME)
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(_NAME)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads pandas, and makes it known to pyarrow."""

    def __init__(self, inner: importlib.abc.Loader) -> None:
        self._inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        self._inner.exec_module(module)
        _ = pa.lib._pandas_api.pd  # Asked for by name, it looks again (pyarrow/pandas-shim.pxi).
