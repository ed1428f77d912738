"""What the steward tells the engine when it cannot do what it was asked."""

from __future__ import annotations


class Refusal(Exception):
    """An error for the user, under one of the engine's codes.

    Attributes:
        code: its name in the table of errors, such as "bad_config".
        message: what happened.
        remedy: what the user can do.
    """

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
