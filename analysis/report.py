"""A page from plain parts: paragraphs, headline numbers, tables, figures, texts side by side -> one HTML file.

Everything is inline (style, vector figures), so that the file can be mailed. All text is escaped; the only markup
that passes through is the SVG of `analysis.drawing.figure_svg`. The page adapts to phones, print and dark themes.
"""

import dataclasses
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from analysis.report_style import STYLE_SHEET

# A number, an interval or a p-value, with at most one word (its unit) after it.
NUMBER = re.compile(r"(p [=<] )?[\[<−+\-]?[\d.,−+\-\s%]+\]?( of \d+)?( \w+)?")

INTERVAL = re.compile(r"\[[\d.,−% ]+\]|\(no interval\)")


@dataclasses.dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Note:
    """A remark set off from the text: what a reader must know before believing the numbers."""

    text: str
    title: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Bullets:
    entries: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class KeyNumber:
    """A headline: the number, what it is, and a line below it (its interval, its n)."""

    value: str
    label: str
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class KeyNumbers:
    numbers: tuple[KeyNumber, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Rows of text; columns whose cells all look like numbers are set flush right. `caption` stands above."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """`svg` is an element from `figure_svg`; `description` is for those who cannot see it.

    narrow: the same for a phone, another `<svg>`; without one a phone shows `svg`, scaled down.
    """

    svg: str
    caption: str
    description: str = ""
    narrow: str = ""

    def __post_init__(self) -> None:
        for svg in (self.svg, self.narrow or self.svg):
            if not svg.lstrip().startswith("<svg") or "<script" in svg.lower():
                raise ValueError("expected one <svg> element without scripts")


@dataclasses.dataclass(frozen=True, slots=True)
class LabelledText:
    label: str
    text: str
    detail: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class SideBySide:
    """Texts to compare, for example the completions of several systems for one prompt."""

    heading: str
    texts: tuple[LabelledText, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Details:
    """Parts that open on a click: the long tables."""

    summary: str
    parts: tuple["Part", ...]


Part = Paragraph | Note | Bullets | KeyNumbers | Table | Figure | SideBySide | Details


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    title: str
    parts: tuple[Part, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """`kicker` is the small line above the title, `lead` the paragraph below it, `footer` the provenance."""

    title: str
    sections: tuple[Section, ...]
    kicker: str = ""
    lead: str = ""
    key_numbers: tuple[KeyNumber, ...] = ()
    footer: str = ""


def write_report(report: Report, path: Path) -> None:
    path.write_text(render_report(report), encoding="utf-8")


def render_report(report: Report) -> str:
    """The whole page."""
    anchors = _anchors([section.title for section in report.sections])
    links = [
        f'<a href="#{anchor}">{escape(section.title)}</a>'
        for anchor, section in zip(anchors, report.sections, strict=True)
    ]
    contents = f'<nav aria-label="Contents">{"".join(links)}</nav>' if len(links) > 1 else ""
    sections = [
        f'<section id="{anchor}"><h2>{_breakable(section.title)}</h2>{_render_parts(section.parts)}</section>'
        for anchor, section in zip(anchors, report.sections, strict=True)
    ]
    head = [
        f'<p class="kicker">{escape(report.kicker)}</p>' if report.kicker else "",
        f"<h1>{escape(report.title)}</h1>",
        f'<p class="lead">{_prose(report.lead)}</p>' if report.lead else "",
        render_part(KeyNumbers(report.key_numbers)) if report.key_numbers else "",
    ]
    footer = f"<footer><p>{escape(report.footer)}</p></footer>" if report.footer else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(report.title)}</title>\n<style>\n{STYLE_SHEET}</style>\n</head>\n<body>\n<main>\n"
        f"<header>{''.join(head)}{contents}</header>\n"
        + "\n".join(sections)
        + f"\n{footer}\n</main>\n</body>\n</html>\n"
    )


def _anchors(titles: Sequence[str]) -> list[str]:
    """A readable anchor a title, numbered so that equal titles differ."""
    words = [re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles]
    return [f"{word or 'section'}-{index + 1}" for index, word in enumerate(words)]


def _render_parts(parts: Sequence[Part]) -> str:
    return "\n".join(render_part(part) for part in parts)


def render_part(part: Part) -> str:
    """One part as HTML."""
    match part:
        case Paragraph(text):
            return f"<p>{_prose(text)}</p>"
        case Note(text, title):
            heading = f"<strong>{escape(title)}</strong> " if title else ""
            return f'<aside class="note"><p>{heading}{_prose(text)}</p></aside>'
        case Bullets(entries):
            return "<ul>" + "".join(f"<li>{_prose(entry)}</li>" for entry in entries) + "</ul>"
        case KeyNumbers(numbers):
            return f'<dl class="numbers">{"".join(map(_render_key_number, numbers))}</dl>'
        case Table():
            return _render_table(part)
        case Figure():
            return _render_figure(part)
        case SideBySide():
            return _render_side_by_side(part)
        case Details(summary, parts):
            return f"<details><summary>{escape(summary)}</summary>{_render_parts(parts)}</details>"


def _render_key_number(number: KeyNumber) -> str:
    detail = f'<dd class="detail">{_prose(number.detail)}</dd>' if number.detail else ""
    return f'<div><dt>{_breakable(number.label)}</dt><dd class="value">{escape(number.value)}</dd>{detail}</div>'


def _render_table(table: Table) -> str:
    for row in table.rows:
        if len(row) != len(table.columns):
            raise ValueError(f"a row has {len(row)} cells; expected {len(table.columns)}: {row}")
    kinds = [' class="number"' if _is_numeric(table.rows, index) else "" for index in range(len(table.columns))]
    head = "".join(
        f'<th scope="col"{kind}>{_breakable(name)}</th>' for name, kind in zip(table.columns, kinds, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{_breakable(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in table.rows
    )
    # Outside of what scrolls, so that it is read whole beside a wide table.
    caption = f'<p class="caption">{_prose(table.caption)}</p>' if table.caption else ""
    # Focusable, so that a wide table can be scrolled from the keyboard.
    label = escape(table.caption or "table", quote=True)
    return (
        f'<div class="table">{caption}<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>"
    )


def _is_numeric(rows: Sequence[Sequence[str]], column: int) -> bool:
    cells = [row[column] for row in rows if row[column] not in ("", "—", "not defined", "no interval")]
    return bool(cells) and all(NUMBER.fullmatch(cell) for cell in cells)


def _prose(text: str) -> str:
    """Escaped; a p-value or an interval is not torn apart at the end of a line."""
    return _keep_whole(escape(text))


def _breakable(text: str) -> str:
    """As `_prose`, with places where a long name such as supervised+nlpo may break."""
    return _keep_whole(re.sub(r"(?<=[+_/])(?=\w)", "<wbr>", escape(text)))


def _keep_whole(escaped: str) -> str:
    p_values = re.sub(r"\bp (=|&lt;) (?=[\d.])", "p&nbsp;\\1&nbsp;", escaped)
    return INTERVAL.sub(r'<span class="interval">\g<0></span>', p_values)


def _render_figure(figure: Figure) -> str:
    label = escape(figure.description or figure.caption, quote=True)
    layouts = {"wide": figure.svg, "narrow": figure.narrow} if figure.narrow else {"only": figure.svg}
    svgs = [
        svg.strip().replace("<svg", f'<svg class="{layout}" role="img" aria-label="{label}"', 1)
        for layout, svg in layouts.items()
    ]
    return (
        f'<figure><div class="scroll">{"".join(svgs)}</div><figcaption>{_prose(figure.caption)}</figcaption></figure>'
    )


def _render_side_by_side(part: SideBySide) -> str:
    cards = []
    for text in part.texts:
        detail = f'<p class="detail">{escape(text.detail)}</p>' if text.detail else ""
        cards.append(f'<div class="card"><h4>{_breakable(text.label)}</h4><p>{escape(text.text)}</p>{detail}</div>')
    return f'<div class="compare"><h3>{_breakable(part.heading)}</h3><div class="cards">{"".join(cards)}</div></div>'
