"""The prompt for people: editing over lines, colours, completion, history."""

from __future__ import annotations

import os
import pathlib
import re
import time
from collections.abc import Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer  # type: ignore[import-untyped]

from headrace.client import Connection
from headrace.errors import HeadraceError
from headrace.shell.session import Session
from headrace.shell.statements import ends_statement, split_statements

_KEYWORD_TEXT = """
SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET JOIN LEFT RIGHT FULL INNER OUTER CROSS ASOF ON USING AS AND OR NOT IN IS NULL
LIKE ILIKE BETWEEN CASE WHEN THEN ELSE END CAST DISTINCT UNION ALL INTERSECT EXCEPT WITH OVER PARTITION ROWS RANGE WINDOW QUALIFY
ASC DESC NULLS FIRST LAST INTERVAL DATE TIMESTAMP TRUE FALSE EXISTS VALUES UNNEST FILTER COUNT SUM AVG MIN MAX
"""
KEYWORDS = tuple(_KEYWORD_TEXT.split())
COMMANDS = ("\\d", "\\q", "\\?")
VIEWS_KEPT_S = 10.0

_WORD = re.compile(r"\\?\w*$")


class SqlCompleter(Completer):
    """Completes keywords, views, and the columns of the views that the statement names."""

    def __init__(self, engine: Connection) -> None:
        self._engine = engine
        self._columns: dict[str, list[str]] = {}
        self._read_s = 0.0

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        match = _WORD.search(before)
        word = match[0] if match else ""
        if word.startswith("\\"):
            yield from (Completion(command, -len(word)) for command in COMMANDS if command.startswith(word))
            return
        if not word and not complete_event.completion_requested and not before.endswith("."):
            return
        views = self._views()
        named = set(re.findall(r"\w+", document.text.lower()))
        columns = dict.fromkeys(column for view, names in views.items() if view.lower() in named for column in names)
        found = [*((column, "column") for column in columns), *((view, "view") for view in views)]
        if not before[: len(before) - len(word)].endswith("."):
            found += [(keyword, "") for keyword in KEYWORDS]
        for text, kind in found:
            if text.lower().startswith(word.lower()):
                yield Completion(text, -len(word), display_meta=kind)

    def _views(self) -> dict[str, list[str]]:
        if time.monotonic() - self._read_s > VIEWS_KEPT_S:
            self._read_s = time.monotonic()
            try:
                self._columns = {view["name"]: [column["name"] for column in view["columns"]] for view in self._engine.views()}
            except (HeadraceError, ConnectionError):
                pass  # The next statement says what is wrong.
        return self._columns


def converse(engine: Connection, session: Session, address: str, *, colour: bool) -> None:
    """Asks for statements and runs them until \\q or Ctrl-D."""
    asking: PromptSession[str] = PromptSession(
        lexer=PygmentsLexer(SqlLexer) if colour else None,
        completer=SqlCompleter(engine),
        complete_while_typing=True,
        complete_in_thread=True,
        history=_history(),
        multiline=True,
        key_bindings=_keys(),
        prompt_continuation=lambda width, line, wrapped: "." * (width - 1) + " ",
    )
    print(f"Headrace at {address}; \\? for help")
    while not session.left:
        try:
            text = asking.prompt("headrace> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        for statement in split_statements(text)[0]:
            session.run(statement)


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=~completion_is_selected)
    def _enter(event: KeyPressEvent) -> None:
        """Sends a finished statement; otherwise begins a new line."""
        if ends_statement(event.current_buffer.text):
            event.current_buffer.validate_and_handle()
        else:
            event.current_buffer.insert_text("\n")

    return keys


def _history() -> History:
    folder = pathlib.Path(os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local/state") / "headrace"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / "sql_history"
        file.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()  # A home that cannot be written: the prompt works without memory.
    return FileHistory(str(file))
