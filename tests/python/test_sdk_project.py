"""hr.Project: how the engine's program is found, and how its errors become exceptions."""

from __future__ import annotations

import pathlib
import stat

import headrace as hr
import pytest
from headrace.errors import BadProject, UnknownColumn


@pytest.fixture
def engine(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A program in the engine's place; its text is what the test says the engine does."""
    program = tmp_path / "headrace"
    program.touch()
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HEADRACE_BINARY", str(program))
    return program


def test_the_summary_comes_back(engine: pathlib.Path, tmp_path: pathlib.Path) -> None:
    engine.write_text('#!/bin/sh\necho "$@"; test -n "$HEADRACE_PYTHON"\n')
    assert hr.Project(tmp_path).run(state="st ate", shards=2) == f"run {tmp_path} --until-end --state st ate --shards 2\n"
    assert hr.Project(tmp_path, profile="dev").check() == f"check {tmp_path} --profile dev\n"


def test_errors_become_exceptions_with_their_place(engine: pathlib.Path, tmp_path: pathlib.Path) -> None:
    engine.write_text("""#!/bin/sh
cat >&2 <<'END'
sql/my pipeline.sql:12:8: error 2003 (unknown_column): no column 'prize'
  remedy: did you mean 'price'?
sql/b.sql:1:1: error 2001 (syntax_error): what is this
2 errors
END
exit 2
""")
    with pytest.raises(UnknownColumn) as failure:
        hr.Project(tmp_path).check()
    assert (failure.value.at, failure.value.remedy) == ("sql/my pipeline.sql:12:8", "did you mean 'price'?")
    assert failure.value.__notes__ == ["sql/b.sql:1:1: error 2001 (syntax_error): what is this"]


def test_an_engine_that_dies_without_a_word(engine: pathlib.Path, tmp_path: pathlib.Path) -> None:
    engine.write_text("#!/bin/sh\necho Segmentation fault >&2; exit 139\n")
    with pytest.raises(hr.HeadraceError, match=r"exit code 139: Segmentation fault"):
        hr.Project(tmp_path).run()


def test_a_missing_directory_is_a_bad_project() -> None:
    with pytest.raises(BadProject):
        hr.Project("/no/such/directory")
