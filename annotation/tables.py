"""Tables as a prompt brings them: ToTTo's JSON, or the linearised form that a T5 reads.

ToTTo: Parikh et al. 2020 (arXiv 2004.14373). The JSON has the whole table, with the cells to be described listed in
`highlighted_cells`. The linearised form has those cells alone, each with its headers; what else stood in its row is
unknown, so each cell gets a row of its own here and no two are put side by side.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

MOST_CELLS = 5_000
MOST_SPAN = 1_000  # HTML's own limit for columns
UNSHOWABLE = re.compile("[\0\ud800-\udfff]")
TAG = re.compile(r"<(/?)(page_title|section_title|table|cell|col_header|row_header)>")
PARENTS = {
    "page_title": "",
    "section_title": "",
    "table": "",
    "cell": "table",
    "col_header": "cell",
    "row_header": "cell",
}
HOLD_TEXT = {"page_title", "section_title", "cell", "col_header", "row_header"}


class LayoutError(ValueError):
    """A text that does not have the form its layout wants: what was expected, and what was found."""


@dataclass(frozen=True, slots=True)
class Cell:
    """`scope` is that of a header, "col" or "row"; empty for data."""

    text: str
    scope: str = ""
    column_span: int = 1
    row_span: int = 1
    is_highlighted: bool = False

    @property
    def is_ordinary(self) -> bool:
        """Nothing but its text, as most cells of a large table are."""
        return not (self.scope or self.is_highlighted) and self.column_span == self.row_span == 1


@dataclass(frozen=True, slots=True)
class Table:
    """Title and section of the page that the table comes from, and its rows."""

    partial: ClassVar[str] = "annotation/texts/table.html"

    title: str
    section: str
    rows: tuple[tuple[Cell, ...], ...]

    @property
    def has_highlights(self) -> bool:
        return any(cell.is_highlighted for row in self.rows for cell in row)

    def texts(self) -> Iterator[str]:
        """All there is to read, in order."""
        yield from (self.title, self.section)
        yield from (cell.text for row in self.rows for cell in row)


def parse_table(text: str) -> Table:
    """LayoutError if `text` is neither of the two forms, or more than a page can show."""
    if text.lstrip().startswith("{"):
        table = _read_json_table(text)
    elif "<table>" in text:
        table = _read_linearised_table(text)
    else:
        raise LayoutError("expected a table: a JSON object as in ToTTo, or <table> <cell> … </cell> </table>")
    area = sum(cell.column_span * cell.row_span for row in table.rows for cell in row)
    if not 1 <= area <= MOST_CELLS:
        raise LayoutError(f"table: expected 1 to {MOST_CELLS:,} cells with all that they span, found {area:,}")
    return table


def _read_json_table(text: str) -> Table:
    try:
        return _read_content(json.loads(text))
    except RecursionError:
        raise LayoutError("expected a table as JSON, found lists nested too deep") from None
    except json.JSONDecodeError as error:
        raise LayoutError(f"expected a table as JSON, found none that can be read ({error})") from None


def _read_content(content: dict[str, Any]) -> Table:
    rows = content.get("table")
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise LayoutError("table: expected a list of rows, each a list of cells")
    lit = _highlighted_places(content.get("highlighted_cells", []), rows)
    return Table(
        title=_text_of(content.get("table_page_title", ""), "table_page_title"),
        section=_text_of(content.get("table_section_title", ""), "table_section_title"),
        rows=tuple(_read_row(row, number, lit) for number, row in enumerate(rows)),
    )


def _highlighted_places(places: Any, rows: list[list[Any]]) -> set[tuple[int, int]]:
    """Places as (row, place in its row), both from 0."""
    if not isinstance(places, list):
        raise LayoutError(f"highlighted_cells: expected a list of [row, cell], found {_brief(places)}")
    for place in places:
        is_pair = isinstance(place, list) and len(place) == 2 and all(type(number) is int for number in place)
        if not is_pair or not (0 <= place[0] < len(rows) and 0 <= place[1] < len(rows[place[0]])):
            raise LayoutError(f"highlighted_cells: expected [row, cell] of a cell in the table, found {_brief(place)}")
    return {(row, cell) for row, cell in places}


def _read_row(row: list[Any], number: int, lit: set[tuple[int, int]]) -> tuple[Cell, ...]:
    """Headers that open a row with data in it head that row; all others head what is below them."""
    cells: list[Cell] = []
    opens_row = not all(isinstance(raw, dict) and raw.get("is_header") is True for raw in row)
    for place, raw in enumerate(row):
        where = f"table[{number}][{place}]"
        if not isinstance(raw, dict):
            raise LayoutError(f'{where}: expected a cell such as {{"value": "text"}}, found {_brief(raw)}')
        is_header = raw.get("is_header", False)
        if not isinstance(is_header, bool):
            raise LayoutError(f"{where}: is_header: expected true or false, found {_brief(is_header)}")
        opens_row = opens_row and is_header
        cells.append(
            Cell(
                text=_text_of(raw.get("value"), f"{where}: value"),
                scope=("row" if opens_row else "col") if is_header else "",
                column_span=_span_of(raw, "column_span", where),
                row_span=_span_of(raw, "row_span", where),
                is_highlighted=(number, place) in lit,
            )
        )
    return tuple(cells)


def _text_of(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise LayoutError(f"{where}: expected text, found {'nothing' if value is None else _brief(value)}")
    if UNSHOWABLE.search(value):
        raise LayoutError(f"{where}: holds a NUL or half a surrogate pair, which no page can show")
    return value


def _span_of(raw: dict[str, Any], key: str, where: str) -> int:
    span = raw.get(key, 1)
    if type(span) is not int or not 1 <= span <= MOST_SPAN:
        raise LayoutError(f"{where}: {key}: expected 1 to {MOST_SPAN:,}, found {_brief(span)}")
    return span


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


@dataclass(slots=True)
class _Element:
    """One element of the linearised form while it is read."""

    tag: str
    text: str = ""
    children: "list[_Element]" = field(default_factory=list)

    def inner(self, tag: str) -> list[str]:
        """The texts of the elements of that tag inside."""
        return [child.text for child in self.children if child.tag == tag]


def _read_linearised_table(text: str) -> Table:
    """RL4LMs writes the table twice, first without and then with titles; that is one table here."""
    root = _read_elements(text)
    tables = [element.children for element in root.children if element.tag == "table"]
    if any(table != tables[0] for table in tables):
        raise LayoutError("expected one table, found several that differ")
    titles = {tag: list(dict.fromkeys(root.inner(tag))) for tag in ("page_title", "section_title")}
    for tag, found in titles.items():
        if len(found) > 1:
            raise LayoutError(f"expected one <{tag}>, found {len(found)} that differ")
    has_headers = any(cell.children for cell in tables[0])
    return Table(
        title=next(iter(titles["page_title"]), ""),
        section=next(iter(titles["section_title"]), ""),
        rows=tuple(_row_of_cell(cell, has_headers) for cell in tables[0]),
    )


def _row_of_cell(cell: _Element, has_headers: bool) -> tuple[Cell, ...]:
    headers = " · ".join(cell.inner("row_header") + cell.inner("col_header"))
    if headers:
        return Cell(headers, scope="row"), Cell(cell.text, is_highlighted=True)
    return (Cell(cell.text, column_span=2 if has_headers else 1, is_highlighted=True),)


def _read_elements(text: str) -> _Element:
    opened = [_Element("")]
    end = 0
    for tag in TAG.finditer(text):
        _add_text(opened[-1], text[end : tag.start()])
        end = tag.end()
        closes, name = tag[1], tag[2]
        if not closes and PARENTS[name] == opened[-1].tag:
            opened[-1].children.append(_Element(name))
            opened.append(opened[-1].children[-1])
        elif closes and name == opened[-1].tag:
            opened.pop()
        else:
            raise LayoutError(f"found {tag[0]} in the wrong place, {_place(opened[-1])}")
    _add_text(opened[-1], text[end:])
    if len(opened) > 1:
        raise LayoutError(f"expected </{opened[-1].tag}> before the end of the text")
    return opened[0]


def _add_text(element: _Element, text: str) -> None:
    text = text.strip()
    if text and element.tag not in HOLD_TEXT:
        raise LayoutError(f"expected the text of a table inside its cells, found {_brief(text)} {_place(element)}")
    element.text = f"{element.text} {text}".strip()


def _place(element: _Element) -> str:
    return f"in <{element.tag}>" if element.tag else "outside of <table>"
