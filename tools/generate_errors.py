"""Makes python/headrace/errors.py from src/base/error_codes.def. `--check` only says whether it is current."""

from __future__ import annotations

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "src/base/error_codes.def"
OUTPUT = ROOT / "python/headrace/errors.py"

GROUPS = {
    1: ("ConfigError", "Configuration: a project, an option, a decorator's argument."),
    2: ("SqlError", "SQL and plans."),
    3: ("RecordError", "A record or row."),
    4: ("FunctionError", "A Python function."),
    5: ("OutsideError", "Another system or the disk."),
    6: ("RequestError", "A request to the engine's doors."),
    9: ("InternalError", "A bug in Headrace."),
}

HEAD = '''"""The exceptions of Headrace, one per error code. Made by tools/generate_errors.py from src/base/error_codes.def: do not edit."""

from __future__ import annotations

from typing import ClassVar


class HeadraceError(Exception):
    """What went wrong, its number and name, what can be done about it, and where.

    Attributes:
        code: the number in the table of errors, such as 2003.
        name: its name there, such as "unknown_column".
        message: what happened, with the values concerned.
        remedy: what the user can do; may be empty.
        at: the place in a project's file, such as "sql/pipeline.sql:12:8"; may be empty.

    >>> str(UnknownColumn("no column 'prize'", remedy="did you mean 'price'?", at="sql/a.sql:1:8"))
    "sql/a.sql:1:8: error 2003 (unknown_column): no column 'prize'; did you mean 'price'?"
    """

    code: ClassVar[int] = 9001
    name: ClassVar[str] = "internal"

    def __init__(self, message: str, *, remedy: str = "", at: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.at = at

    def __str__(self) -> str:
        place = f"{self.at}: " if self.at else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{place}error {self.code} ({self.name}): {self.message}{remedy}"

'''

TAIL = '''
BY_CODE: dict[int, type[HeadraceError]] = {
%s
}


def error_of(code: int, message: str, *, remedy: str = "", at: str = "") -> HeadraceError:
    """Makes the exception that belongs to `code`; an unknown code gives an InternalError.

    >>> type(error_of(6003, "nothing here")).__name__
    'NotFound'
    """
    return BY_CODE.get(code, Internal)(message, remedy=remedy, at=at)
'''


def python_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def generate() -> str:
    codes = [
        (int(number), name, summary)
        for number, name, summary in re.findall(r'^HEADRACE_ERROR\((\d+), (\w+), "(.*)"\)$', TABLE.read_text(), re.M)
    ]
    text = HEAD
    for name, summary in GROUPS.values():
        text += f'\nclass {name}(HeadraceError):\n    """{summary}"""\n\n'
    for number, name, summary in codes:
        parent = GROUPS[number // 1000][0]
        text += f'\nclass {python_name(name)}({parent}):\n    """{summary}"""\n\n    code = {number}\n    name = "{name}"\n\n'
    return text + TAIL % "\n".join(f"    {number}: {python_name(name)}," for number, name, _ in codes)


def main() -> int:
    text = generate()
    if "--check" in sys.argv:
        if OUTPUT.read_text() == text:
            return 0
        print(f"{OUTPUT} is not current: run tools/generate_errors.py", file=sys.stderr)
        return 1
    OUTPUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
