"""The page: escaped, well-formed, self-contained."""

from html.parser import HTMLParser

import pytest

from analysis.report import (
    Bullets,
    Details,
    Figure,
    KeyNumber,
    LabelledText,
    Note,
    Paragraph,
    Report,
    Section,
    SideBySide,
    Table,
    render_part,
    render_report,
)

NASTY = "<script>alert(1)</script> & \"quoted\" 'text'"
SVG = '<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>'
VOID = {"meta", "wbr", "br", "path"}


class Tags(HTMLParser):
    """Fails where an element is closed that is not open; remembers tags, text and links."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parse(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    tags.close()
    assert tags.open == []
    return tags


def a_report(text: str) -> Report:
    parts = (
        Paragraph(text),
        Note(text, text),
        Bullets((text,)),
        Table((text, "n"), ((text, "1"),), caption=text),
        Figure(SVG, text),
        SideBySide(text, (LabelledText(text, text, text),)),
        Details(text, (Paragraph(text),)),
    )
    sections = (Section(text, parts), Section(text, ()))
    return Report(text, sections, kicker=text, lead=text, key_numbers=(KeyNumber(text, text, text),), footer=text)


def test_text_is_escaped_everywhere_and_every_element_is_closed() -> None:
    tags = parse(render_report(a_report(NASTY)))
    assert "script" not in tags.seen
    # Every place where the report takes text shows all of it.
    assert "".join(tags.text).count("<script>alert(1)</script>") == render_report(a_report("X")).count(">X<") + 1
    plain = parse(render_report(a_report("X")))
    assert [tag for tag in tags.seen if tag != "wbr"] == plain.seen


def test_the_page_loads_nothing_from_elsewhere() -> None:
    tags = parse(render_report(a_report("words")))
    assert not {"link", "script", "img", "iframe"} & set(tags.seen)
    assert all(value and value.startswith("#") for name, value in tags.attributes if name in ("href", "src"))


def test_every_link_of_the_contents_has_its_section() -> None:
    tags = parse(render_report(a_report("The same title")))
    links = [value for name, value in tags.attributes if name == "href"]
    anchors = [f"#{value}" for name, value in tags.attributes if name == "id"]
    assert links == anchors
    assert len(set(anchors)) == 2


def test_only_columns_of_numbers_are_set_right() -> None:
    rows = (("nlpo", "0.31", "[−0.1, 0.7]", "p < .0001", "240 units", "60 items, 4 systems"), ("x", "—", *["—"] * 4))
    html = render_part(Table(("system", "mean", "interval", "p", "used", "from"), rows))
    head = html[: html.index("</thead>")]
    assert [' class="number"' in cell for cell in head.split("<th ")[1:]] == [False, True, True, True, True, False]


def test_intervals_are_not_torn_apart_and_captions_do_not_scroll_with_their_table() -> None:
    html = render_part(
        Table(("share",), (("a/b 0.52 [−0.39, 0.65]",), ("0.1 (no interval)",), ("[sic]",)), "the caption")
    )
    assert 'a/<wbr>b 0.52 <span class="interval">[−0.39, 0.65]</span></td>' in html
    assert '<span class="interval">(no interval)</span>' in html and ">[sic]<" in html
    assert html.index("the caption</p>") < html.index('class="scroll"')
    parse(html)
    assert '<span class="interval">[1, 2%]</span>' in render_part(Paragraph("from [1, 2%] on"))


def test_a_figure_has_one_layout_for_a_desk_and_one_for_a_phone() -> None:
    html = render_part(Figure(SVG, "caption", "what it shows", SVG.replace("M0", "M1")))
    assert [part.split('"')[0] for part in html.split('<svg class="')[1:]] == ["wide", "narrow"]
    assert html.count('aria-label="what it shows"') == 2 and html.index("M0") < html.index("M1")
    assert '<svg class="only"' in render_part(Figure(SVG, "caption"))
    with pytest.raises(ValueError, match="expected one <svg>"):
        Figure(SVG, "caption", narrow="<img>")


def test_a_p_value_is_not_torn_apart_and_long_names_may_break() -> None:
    assert "p&nbsp;&lt;&nbsp;.0001" in render_part(Paragraph("differs, p < .0001."))
    assert "supervised+<wbr>nlpo" in render_part(Table(("system",), (("supervised+nlpo",),)))


def test_a_ragged_table_and_a_figure_that_is_not_svg_are_refused() -> None:
    with pytest.raises(ValueError, match="a row has 1 cells; expected 2"):
        render_part(Table(("a", "b"), (("1",),)))
    with pytest.raises(ValueError, match="expected one <svg>"):
        Figure("<img>", "caption")
    with pytest.raises(ValueError, match="without scripts"):
        Figure("<svg><script>1</script></svg>", "caption")
