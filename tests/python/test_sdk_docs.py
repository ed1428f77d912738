"""Every example in a docstring runs, and what is generated is current."""

from __future__ import annotations

import doctest
import importlib
import pathlib
import pkgutil
import subprocess
import sys

import headrace
import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
OURS = ("headrace.demo", "headrace.lake")  # Tested by those who wrote them.


def modules() -> list[str]:
    found = [info.name for info in pkgutil.walk_packages(headrace.__path__, "headrace.") if not info.name.endswith("__main__")]
    return ["headrace", *(name for name in found if not name.startswith(OURS))]


@pytest.mark.parametrize("name", modules())
def test_examples_run(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert failed == 0


def test_public_names_have_docstrings() -> None:
    for name in headrace.__all__:
        value = getattr(headrace, name)
        assert value.__doc__, name
        if isinstance(value, type):
            for method, body in vars(value).items():
                if callable(body) and not method.startswith("_") and method not in ("close", "vectorized", "file", "line"):
                    assert body.__doc__, f"{name}.{method}"


def test_exceptions_follow_the_table_of_errors() -> None:
    subprocess.run([sys.executable, REPOSITORY / "tools/generate_errors.py", "--check"], check=True)
    from headrace.errors import BY_CODE, ConfigError, HeadraceError, SqlError, error_of

    assert all(code == kind.code and issubclass(kind, HeadraceError) for code, kind in BY_CODE.items())
    assert isinstance(error_of(2003, "x"), SqlError) and isinstance(error_of(1001, "x"), ConfigError)
    assert error_of(4321, "an engine of another version").code == 9001
