"""The files that belong to the project, as git knows them, and what C++ files include."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


@cache
def files() -> tuple[Path, ...]:
    """Lists the files that are tracked, or would be by `git add --all`, and are there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(path for name in sorted(set(listed.stdout.split("\0"))) if name and (path := ROOT / name).is_file())


def text_of(path: Path) -> str:
    """Gives a file's text; "" for what is not text."""
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


def relative(path: Path) -> str:
    """Gives the path as people write it."""
    return path.relative_to(ROOT).as_posix()


def cpp_files(top: str) -> list[Path]:
    """Lists the C++ files below a folder of the root."""
    return [path for path in files() if path.suffix in (".cc", ".h") and relative(path).startswith(f"{top}/")]


def includes(path: Path) -> list[tuple[bool, str]]:
    """Gives every include of a file: whether it is written in quotes, and its name."""
    return [(quote == '"', name) for quote, name in INCLUDE.findall(text_of(path))]
