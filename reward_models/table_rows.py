"""A row of somebody else's table: its cells, checked as they are taken out, and the place that a refusal names."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.errors import InputError

Messages = Sequence[Mapping[str, Any]]
SHOWN = 60  # characters of a refused value


@dataclass(frozen=True, slots=True)
class TableRow:
    """cells: by column. where: the file and the number of the row in it."""

    cells: Mapping[str, Any]
    where: str

    def refuse(self, column: str, expected: str) -> InputError:
        """Of a cell that is not what was expected."""
        return InputError(f"{self.where}: {column}: expected {expected}, found {_show(self.cells.get(column))}.")

    def text(self, column: str) -> str:
        """A text, which may be empty."""
        value = self.cells.get(column)
        if not _is_text(value):
            raise self.refuse(column, "a text")
        return str(value)

    def speech(self, column: str) -> str | Messages:
        """A text, or a list of messages as chat models take them, each with a role and a content."""
        value = self.cells.get(column)
        if not isinstance(value, list):
            return self.text(column)
        # The role of a message alone is not read.
        needed = ("content",) if len(value) == 1 else ("role", "content")
        for message in value:
            if not isinstance(message, Mapping) or not all(_is_text(message.get(key)) for key in needed):
                raise self.refuse(column, f"messages with texts as {' and '.join(needed)}")
        return value

    def name(self, column: str) -> str:
        """An id or a system's name as a text; empty where there is none."""
        value = self.cells.get(column)
        if value is None:
            return ""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if not _is_text(value):
            raise self.refuse(column, "a text or a number")
        return str(value)

    def count(self, column: str, *, is_optional: bool = False) -> int:
        """A whole number of at least 0, also as a text; 0 for an optional one that is not there."""
        value = self.cells.get(column)
        if is_optional and value in (None, ""):
            return 0
        number = _number(value)
        if number is None or number < 0 or number != int(number):
            raise self.refuse(column, "a whole number of at least 0")
        return int(number)

    def number(self, column: str) -> float:
        """A finite number, also as a text; 0 where there is none."""
        value = self.cells.get(column)
        if value in (None, ""):
            return 0.0
        number = _number(value)
        if number is None:
            raise self.refuse(column, "a number")
        return number

    def truth(self, column: str) -> bool:
        """True or false, also as 1 or 0, and as a text."""
        value = self.cells.get(column)
        if isinstance(value, bool):
            return value
        number = _number(value)
        if number in (0, 1):
            return bool(number)
        if str(value).strip().lower() not in ("true", "false"):
            raise self.refuse(column, "true or false, or 1 or 0")
        return str(value).strip().lower() == "true"

    def rows(self, column: str) -> "list[TableRow]":
        """The rows that a cell holds; none where it is empty."""
        value = self.cells.get(column)
        if not value:
            return []
        if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
            raise self.refuse(column, "a list of objects")
        return [TableRow(cells, f"{self.where}: {column} {number}") for number, cells in enumerate(value, start=1)]


def _is_text(value: Any) -> bool:
    """Whether it can be written again: JSON may hold the half of a character (a surrogate without its other)."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(value: Any) -> float | None:
    """What is a finite number, or reads as one."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    shown = ascii(value) if isinstance(value, str) and not _is_text(value) else repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"
