"""What a command found, as lines to read; for programs there is --json."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

INTERVAL = {"estimate", "low", "high"}
INDENT = "  "


def describe_result(result: Mapping[str, Any]) -> list[str]:
    """A line for each number, groups indented; three digits, and nothing for what is empty.

    An estimate with its interval is one line: "pair_accuracy: 0.649 [0.513, 0.811]".
    """
    return list(_lines(result, ""))


def _lines(result: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, value in result.items():
        if isinstance(value, Mapping) and not value.keys() >= INTERVAL:
            if value:
                yield f"{indent}{name}:"
                yield from _lines(value, indent + INDENT)
        elif not (isinstance(value, Sequence) and len(value) == 0):
            yield f"{indent}{name}: {_describe(value)}"


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        if value["low"] is None:
            return f"{_describe(value['estimate'])} (no interval)"
        return f"{_describe(value['estimate'])} [{_describe(value['low'])}, {_describe(value['high'])}]"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_describe, value))
    return _round(value) if isinstance(value, float) else "none" if value is None else str(value)


def _round(value: float) -> str:
    """Three digits after the point, or three that say something of a number below a tenth; none of a whole number."""
    if value.is_integer() and abs(value) < 1e15:
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) >= 0.1 else f"{value:.3g}"
