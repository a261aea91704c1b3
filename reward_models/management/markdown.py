"""Text and tables in Markdown that no text from outside can break."""

import re
from collections.abc import Sequence
from html import escape

SYNTAX = re.compile(r"([\\`*_\[\]|~$#!])")


def quote_markdown(text: str) -> str:
    """`text` on one line, to be shown as it is: neither Markdown nor HTML in it means anything.

    For the inside of a line or a cell; what only means something at a line's beginning (1., -, +) is left.
    """
    return SYNTAX.sub(r"\\\1", escape(" ".join(text.split()), quote=False))


def write_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's Markdown, of cells that are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
