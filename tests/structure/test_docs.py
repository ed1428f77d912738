"""The documentation's links lead somewhere, and its generated pages are current."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import tree

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Gives the anchors of a page's headings as they are made by the usual renderers."""
    out = set()
    for heading in re.findall(r"^#+\s+(.*)$", CODE.sub("", page.read_text()), re.MULTILINE):
        plain = re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).strip().lower()
        out.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return out


def test_links_resolve() -> None:
    """Every link between files of the project names a file, and a heading in it, that are there."""
    broken = []
    for page in tree.files():
        if page.suffix != ".md":
            continue
        for target in LINK.findall(CODE.sub("", page.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            place = (page.parent / name).resolve() if name else page
            if not place.exists():
                broken.append(f"{tree.relative(page)}: {target}")
            elif anchor and place.suffix == ".md" and anchor not in anchors(place):
                broken.append(f"{tree.relative(page)}: {target} (no such heading)")
    assert not broken, "\n".join(broken)


def test_generated_pages_are_current() -> None:
    """`tools/dev docs` would change nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "workshop", "docs", "--check"],
        cwd=tree.ROOT,
        env={"PYTHONPATH": str(tree.ROOT / "tools"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
