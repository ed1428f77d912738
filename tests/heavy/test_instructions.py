"""What a NEXMark event costs in instructions stays what it was (bench/nexmark/instructions.py)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KIT = ROOT.parent / "shared" / "bench"


@pytest.mark.timeout(1800)  # Twenty-one queries below valgrind: five minutes where nothing else runs.
@pytest.mark.skipif(not KIT.is_dir(), reason="the NEXMark kit, ../shared/bench, is not there")
def test_no_query_costs_more_instructions_than_on_record(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "bench" / "nexmark" / "instructions.py"), "--scratch", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
