"""What the prompt does with a statement or a command."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

from headrace.client import Connection
from headrace.errors import HeadraceError
from headrace.shell.render import Style, aligned, csv_text, json_text, shown, table_text

Format = Literal["table", "csv", "json"]

HELP = r"""SELECT ...;   over the views, all read at one tick; ends with a semicolon
\d            the views
\d NAME       a view's columns
\q            leave (also Ctrl-D)
\?            this"""

ROWS_SHOWN_MAX = 1000


class Session:
    """Runs statements and commands, and writes their answers.

    Attributes:
        failed: a statement or command has failed.
        left: \\q was given.
    """

    def __init__(self, engine: Connection, form: Format, style: Style, write: Callable[[str], Any], complain: Callable[[str], Any],
                 *, interactive: bool) -> None:  # fmt: skip
        self._engine = engine
        self._form = form
        self._style = style
        self._write = write
        self._complain = complain
        self._interactive = interactive
        self.failed = False
        self.left = False

    def run(self, text: str) -> None:
        """Runs one statement (without its semicolon) or one command."""
        try:
            if text.startswith("\\"):
                self._command(text.split())
            else:
                self._statement(text)
        except (HeadraceError, ConnectionError) as failure:
            self.failed = True
            self._complain(f"{self._style.red}{self._error_text(failure)}{self._style.end}\n")
        except KeyboardInterrupt:
            self.failed = True
            self._complain("stopped\n")

    def _statement(self, sql: str) -> None:
        began_s = time.monotonic()
        answer = self._engine.sql(sql)
        took_ms = (time.monotonic() - began_s) * 1000
        if self._form == "csv":
            self._write(csv_text(answer))
        elif self._form == "json":
            self._write(json_text(answer))
        else:
            rows_max = ROWS_SHOWN_MAX if self._interactive else None
            self._write(table_text(answer, style=self._style, rows_max=rows_max, cut_cells=self._interactive))
            if self._interactive:
                self._write(f"{self._style.dim}{took_ms:.1f} ms, tick {answer.tick}, durable tick {answer.durable_tick}{self._style.end}\n")

    def _command(self, words: list[str]) -> None:
        if words in (["\\q"], ["\\quit"]):
            self.left = True
        elif words == ["\\d"]:
            self._list_views()
        elif words[0] == "\\d" and len(words) == 2:
            self._list_columns(words[1].rstrip(";"))
        elif words in (["\\?"], ["\\h"], ["\\help"]):
            self._write(HELP + "\n")
        else:
            self.failed = True
            self._complain(f"{shown(' '.join(words))} is no command; \\? shows what there is\n")

    def _list_views(self) -> None:
        views = self._engine.views()
        rows = [("view", "changes", "key", "rows")]
        rows += [(shown(view["name"]), view["changelog"], shown(", ".join(view["key"])) or "-", str(view["rows"])) for view in views]
        self._write((aligned(rows) if views else "no views") + "\n")

    def _list_columns(self, name: str) -> None:
        for view in self._engine.views():
            if view["name"].lower() == name.lower().strip('"'):
                self._write(aligned([(shown(column["name"]), column["type"]) for column in view["columns"]]) + "\n")
                return
        self.failed = True
        self._complain(f"there is no view {shown(name)}; \\d lists the views\n")

    @staticmethod
    def _error_text(failure: Exception) -> str:
        if not isinstance(failure, HeadraceError):
            return str(failure)
        place = f"{failure.at}: " if failure.at else ""
        remedy = f"\n  remedy: {failure.remedy}" if failure.remedy else ""
        return f"{place}error {failure.code} ({failure.name}): {failure.message}{remedy}"
