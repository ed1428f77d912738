"""What the tests of the Python package share."""

from __future__ import annotations

import pathlib
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(REPOSITORY / "python"))

pytest_plugins = ["headrace.testing"]
