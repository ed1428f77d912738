"""What a file of the project may be called, weigh and name."""

from __future__ import annotations

import re

import tree

BYTES_MAX = 1 << 20
VAGUE = re.compile(r"(^|[_/-])(utils?|helpers?|managers?|misc|common)([_./-]|$)", re.IGNORECASE)
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("maven", "org"),
        ("maven", "apache", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("extensions", "duckdb", "org"),
    )
]
"""Packages are had by name, from whatever registry a machine is set up with: no file says where. (Joined, so that none stands here.)"""
DOWNLOAD = re.compile(r"https?://\S+\.(?:tar\.\w+|t[gx]z|zip|whl|jar|deb|rpm|xz|zst)\b")
LOOPBACK = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\]|\$\{?\w+|\{\w+)")


def test_no_file_is_large() -> None:
    """A megabyte is enough for anything that people read."""
    large = [f"{tree.relative(path)}: {path.stat().st_size} bytes" for path in tree.files() if path.stat().st_size > BYTES_MAX]
    assert not large, "\n".join(large)


def test_names_say_something() -> None:
    """No `util`, `helper`, `manager`."""
    vague = [tree.relative(path) for path in tree.files() if VAGUE.search(tree.relative(path))]
    assert not vague, "\n".join(vague)


def test_no_registry_is_named() -> None:
    """No host of a package registry and no address of a download stands in a file."""
    found = []
    for path in tree.files():
        for number, line in enumerate(tree.text_of(path).splitlines(), 1):
            named = [host for host in REGISTRIES if host in line]
            if named or (DOWNLOAD.search(line) and not LOOPBACK.search(line)):
                found.append(f"{tree.relative(path)}:{number}: {line.strip()[:160]}")
    assert not found, "\n".join(found)


def test_scripts_are_executable() -> None:
    """What starts with `#!` and stands in the root or tools/ can be started."""
    wrong = []
    for path in tree.files():
        name = tree.relative(path)
        if (
            ("/" not in name or name.startswith(("tools/", ".ci/")))
            and tree.text_of(path).startswith("#!")
            and not path.stat().st_mode & 0o100
        ):
            wrong.append(name)
    assert not wrong, "\n".join(wrong)


def test_open_ends_have_a_reason() -> None:
    """A mark for later says in brackets what it waits for."""
    mark = "TO" + "DO"
    bare = re.compile(rf"\b{mark}\b(?!\([^)]+\))|\bFIX{'ME'}\b|\bX{'XX'}\b")
    found = []
    for path in tree.files():
        if path.suffix not in (".cc", ".h", ".py", ".ts", ".tsx", ".mjs", ".sql", ".cmake", ".sh"):
            continue
        found += [f"{tree.relative(path)}:{number}" for number, line in enumerate(tree.text_of(path).splitlines(), 1) if bare.search(line)]
    assert not found, "\n".join(found)
