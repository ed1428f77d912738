"""Cuts what was typed into statements."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""--[^\n]*(?:\n|\Z)             # a comment to the end of the line
      | /\*.*?(?:\*/|\Z)             # a comment over lines
      | '(?:[^']|'')*(?:'|\Z)        # a text
      | "(?:[^"]|"")*(?:"|\Z)        # a quoted name
      | `[^`]*(?:`|\Z)               # a quoted name
      | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)   # a text between dollars
      | \\[^\n]*(?:\n|\Z)          # a command, where a statement may begin
      | ;
      | .""",
    re.DOTALL | re.VERBOSE,
)


def split_statements(text: str) -> tuple[list[str], str]:
    """Gives the statements that end with a semicolon, without it, and what stands behind the last one. A line that begins with a
    backslash between statements is a command and stands for itself.

    Semicolons in texts, quoted names and comments do not count; empty statements are left out.

    >>> split_statements("SELECT ';'; -- done; \\nSELECT 2; SELECT")
    (["SELECT ';'", '-- done; \\nSELECT 2'], 'SELECT')
    >>> split_statements("\\\\d a\\nSELECT 2;")
    (['\\\\d a', 'SELECT 2'], '')
    """
    statements: list[str] = []
    start = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            statements.append(text[start : token.start()].strip())
            start = token.end()
        elif token[0].startswith("\\") and is_blank(text[start : token.start()]):
            statements.append(token[0].strip())
            start = token.end()
    return [statement for statement in statements if not is_blank(statement)], text[start:].strip()


def is_blank(text: str) -> bool:
    """Nothing but space and comments.

    >>> is_blank("  -- nothing\\n /* here */")
    True
    """
    return all(token[0].isspace() or token[0].startswith(("--", "/*")) for token in _TOKEN.finditer(text))


def ends_statement(text: str) -> bool:
    """True when Enter should send `text`: it is a command, is blank, or its last statement is finished.

    >>> ends_statement("SELECT 1;"), ends_statement("SELECT ';"), ends_statement("\\\\d"), ends_statement("")
    (True, False, True, True)
    """
    if text.lstrip().startswith("\\") or not text.strip():
        return True
    statements, rest = split_statements(text)
    return bool(statements) and is_blank(rest)
