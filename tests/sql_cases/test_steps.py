"""The cases with steps give every intermediate answer, in each way in which `headrace test` runs a golden text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import shared_cases
import steps


@pytest.mark.parametrize("case", shared_cases.case_folders(stepwise=True), ids=lambda path: path.name)
def test_steps(case: Path, tmp_path: Path) -> None:
    text = tmp_path / f"{case.name}.slt"
    text.write_text(steps.golden_text(case))
    done = subprocess.run([shared_cases.BINARY, "test", text], capture_output=True, text=True, check=False)
    if refused := re.search(r"error 20\d\d .*", done.stdout + done.stderr):
        pytest.xfail(f"not yet: {refused[0]}")
    assert done.returncode == 0, done.stdout + done.stderr
