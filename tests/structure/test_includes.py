"""Include directions go down the table of rooms, and DuckDB's headers stay behind one door."""

from __future__ import annotations

from graphlib import TopologicalSorter

import rooms
import tree


def test_the_table_is_read() -> None:
    """The rooms of CMakeLists.txt are found and have no cycle."""
    assert {"base", "duck", "data", "plan", "ops", "run", "serve"} <= rooms.links().keys()
    assert next(iter(TopologicalSorter(rooms.links()).static_order())) == "base"


def test_every_folder_of_src_is_a_room() -> None:
    """No folder stands beside the table."""
    folders = {tree.relative(path).split("/")[1] for path in tree.cpp_files("src")}
    assert folders <= rooms.links().keys() | {"app"}


def test_includes_go_down_the_table() -> None:
    """A file includes its own room and rooms below it only."""
    wrong = []
    for path in tree.cpp_files("src"):
        room = tree.relative(path).split("/")[1]
        for quoted, name in tree.includes(path):
            if not quoted or name.split("/")[0] not in rooms.links().keys() | {"app"}:
                continue
            if reason := rooms.refusal(room, name):
                wrong.append(f"{tree.relative(path)} includes {name}: {reason}")
    assert not wrong, "\n".join(wrong)


def test_no_connector_includes_a_sibling() -> None:
    """Each folder of src/connect stands alone."""
    wrong = []
    for path in tree.cpp_files("src/connect"):
        parts = tree.relative(path).split("/")
        for _, name in tree.includes(path):
            named = name.split("/")
            if len(parts) == 4 and named[0] == "connect" and len(named) == 3 and named[1] != parts[2]:
                wrong.append(f"{tree.relative(path)} includes {name}")
    assert not wrong, "\n".join(wrong)


def test_duckdb_stays_in_its_room() -> None:
    """Only src/duck includes DuckDB's headers: its internals change with each version. A benchmark may have DuckDB as its peer."""
    wrong = []
    for top in ("src", "tests"):
        for path in tree.cpp_files(top):
            if tree.relative(path).startswith(("src/duck/", "tests/duck/")):
                continue
            wrong += [
                f"{tree.relative(path)} includes {name}" for _, name in tree.includes(path) if name.split("/")[0].startswith("duckdb")
            ]
    assert not wrong, "\n".join(wrong)


def test_tests_include_what_exists() -> None:
    """Every quoted include names a file below src/, tests/ or bench/."""
    wrong = []
    for top in ("src", "tests", "bench"):
        for path in tree.cpp_files(top):
            for quoted, name in tree.includes(path):
                places = (tree.ROOT / "src" / name, tree.ROOT / "tests" / name, tree.ROOT / "bench" / name, path.parent / name)
                if quoted and not name.startswith("duckdb/") and not any(place.is_file() for place in places):
                    wrong.append(f"{tree.relative(path)} includes {name}")
    assert not wrong, "\n".join(wrong)
