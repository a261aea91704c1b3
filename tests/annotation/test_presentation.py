"""How texts are shown: no markup gets through, no word is lost, and what no page could show is refused before."""

import json
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from django.template import Context, Template
from hypothesis import example, given, settings
from hypothesis import strategies as st

from annotation.crowd_client import read_page
from annotation.presentation import (
    END_OF_TURN,
    MOST_CHARACTERS,
    MOST_PARTS,
    Article,
    Dialogue,
    Plain,
    find_problem,
    present_completion,
    present_prompt,
)
from annotation.tables import MOST_CELLS, Table
from annotation.task_templates import Question, TaskTemplate

LAYOUTS = ("plain", "article", "dialogue", "table")
OUR_TAGS = {"div", "p", "span", "b", "table", "caption", "tbody", "tr", "th", "td"}
OUR_ATTRIBUTES = {"class", "dir", "lang", "data-text", "role", "tabindex", "aria-label", "scope", "colspan", "rowspan"}
TAGS = Template(
    "{% load texts %}{% prompt_text task prompt place='prompt' %}"
    "{% for text in completions %}{% completion_text task prompt text place='completion' tag=tag %}{% endfor %}"
)
# What a database stores: no NUL, no half surrogate pairs.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=300)
HOSTILE = (
    "</div></span></td><script>alert(1)</script><img src=x onerror=alert(1)>\" ' & &amp; {{ prompt }} \u202eabc\u2066"
)


def task(prompt_layout: str = "plain", completion_layout: str = "plain") -> TaskTemplate:
    return TaskTemplate(
        "likert", "title", "summary", "label", (), (Question("q", "q?", labels=("no", "yes")),),
        prompt_layout=prompt_layout, completion_layout=completion_layout,
    )  # fmt: skip  # type: ignore[arg-type]


def render(prompt: str, *completions: str, tag: str = "div", **layouts: str) -> str:
    return TAGS.render(Context({"task": task(**layouts), "prompt": prompt, "completions": completions, "tag": tag}))


class Markup(HTMLParser):
    """Collects the names of elements and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)


def squeezed(*texts: str) -> str:
    """Without white space, which layouts may turn into space between blocks."""
    return "".join("".join(texts).split())


def totto(rows: list[list[str]], **more: Any) -> str:
    return json.dumps({"table": [[{"value": value} for value in row] for row in rows], **more})


@pytest.mark.parametrize("layout", LAYOUTS)
@given(text=TEXTS, completion=TEXTS)
@example(text=HOSTILE, completion=HOSTILE)
@example(text=f"A: {HOSTILE}\nB: {HOSTILE}", completion=f"A: {HOSTILE}")
@example(text=f"{HOSTILE}\n\n{HOSTILE}", completion=HOSTILE)
@example(text=totto([[HOSTILE]], table_page_title=HOSTILE, table_section_title=HOSTILE), completion=HOSTILE)
@example(text=f"<table> <cell> {HOSTILE} <col_header> {HOSTILE} </col_header> </cell> </table>", completion="")
@settings(max_examples=40, deadline=None)
def test_no_markup_of_a_text_gets_through(layout: str, text: str, completion: str) -> None:
    completion_layout = "plain" if layout == "table" else layout
    for tag in ("div", "span"):
        page = render(text, completion, tag=tag, prompt_layout=layout, completion_layout=completion_layout)
        found = Markup(page)
        assert found.tags <= OUR_TAGS
        assert found.attributes <= OUR_ATTRIBUTES


@given(text=TEXTS, completion=TEXTS)
@example(text=HOSTILE, completion="\n two lines\r\n")
@settings(max_examples=40, deadline=None)
def test_a_plain_text_arrives_exactly(text: str, completion: str) -> None:
    assert read_page(render(text, completion, tag="span")).texts == {"prompt": text, "completion": completion}


@given(
    text=TEXTS
    | st.lists(st.sampled_from(["The harbour 12.", "was closed today.", "\n", " \n\n", "Short"])).map(" ".join)
)
@example(text="Headline\n\nOne. " + "Nothing is cut here. " * 90)
@settings(max_examples=60, deadline=None)
def test_an_article_keeps_every_word(text: str) -> None:
    assert squeezed(read_page(render(text, prompt_layout="article")).texts["prompt"]) == squeezed(text)


@given(text=TEXTS | st.lists(st.sampled_from(["A: hi", "Bo: ", "x", "<EOU>", "__eou__", "\n"])).map(" ".join))
@settings(max_examples=60, deadline=None)
def test_a_dialogue_keeps_every_word_but_its_ends_of_turns(text: str) -> None:
    shown = present_prompt("dialogue", text)
    assert isinstance(shown, Dialogue)
    words = (f"{turn.speaker}: {turn.text}" if turn.speaker else turn.text for turn in shown.turns)
    assert squeezed(*words) == squeezed(END_OF_TURN.sub("", text))
    lines = (f"{turn.speaker or f'Speaker {turn.voice}'}: {turn.text}" for turn in shown.turns)
    assert read_page(render(text, prompt_layout="dialogue")).texts["prompt"] == "\n".join(lines)


@given(rows=st.lists(st.lists(TEXTS, min_size=1, max_size=4), min_size=1, max_size=4), title=TEXTS, section=TEXTS)
@settings(max_examples=40, deadline=None)
def test_a_table_keeps_every_cell(rows: list[list[str]], title: str, section: str) -> None:
    prompt = totto(rows, table_page_title=title, table_section_title=section)
    assert find_problem("table", prompt) is None
    shown = read_page(render(prompt, prompt_layout="table")).texts["prompt"]
    dot = "·" if title and section else ""
    assert squeezed(shown) == squeezed(title, dot, section, *(text for row in rows for text in row))


def test_an_article_has_its_headline_and_paragraphs() -> None:
    text = "Bridge closed\n\nThe bridge was\nclosed on Monday.\n \nA ferry runs."
    assert present_prompt("article", text) == Article(
        "Bridge closed", ("The bridge was\nclosed on Monday.", "A ferry runs.")
    )
    assert present_prompt("article", "It rained.\nNobody came.") == Article("", ("It rained.", "Nobody came."))
    assert present_prompt("article", "Only a line") == Article("", ("Only a line",))


def test_a_wall_of_text_is_divided_where_sentences_end() -> None:
    text = 'The mayor of U.S. towns met Mr. Smith there. "We will build it again," she said. ' * 20
    shown = present_prompt("article", text.strip())
    assert isinstance(shown, Article)
    assert len(shown.paragraphs) > 3
    assert " ".join(shown.paragraphs) == text.strip()
    for paragraph in shown.paragraphs:
        assert 30 <= len(paragraph.split()) <= 120
        assert paragraph.endswith(("there.", "said."))


@pytest.mark.parametrize(
    "text",
    [
        "Hi.<EOU>Hello!<EOU>How are you? <EOU>",
        "Hi. __eou__ Hello! __eou__ How are you? __eou__",
        "Hi.\nHello!\n\nHow are you?\n",
        "Ann: Hi.\nBob: Hello!\nAnn: How are you?",
        "Ann: Hi. <EOU> Bob: Hello! <EOU> Ann: How are you? <EOU>",
    ],
)
def test_turns_are_found_however_they_are_parted(text: str) -> None:
    prompt = present_prompt("dialogue", text)
    assert isinstance(prompt, Dialogue)
    assert [(turn.voice, turn.text) for turn in prompt.turns] == [(1, "Hi."), (2, "Hello!"), (1, "How are you?")]
    names = ["Ann", "Bob", "Ann"] if "Ann" in text else ["", "", ""]
    assert [turn.speaker for turn in prompt.turns] == names
    reply = present_completion("dialogue", "Fine. <EOU>", prompt)
    assert isinstance(reply, Dialogue)
    (turn,) = reply.turns
    assert (turn.speaker, turn.voice, turn.text) == (names[1], 2, "Fine.")


def test_a_reply_may_name_its_speaker_and_go_on_for_several_turns() -> None:
    prompt = present_prompt("dialogue", "Ann: Hi.\nBob: Hello!")
    reply = present_completion("dialogue", "Bob: Well: I must go. <EOU> Note: bye", prompt)
    assert isinstance(reply, Dialogue)
    assert [(turn.speaker, turn.voice, turn.text) for turn in reply.turns] == [
        ("Bob", 2, "Well: I must go."),
        ("Ann", 1, "Note: bye"),  # nobody is called Note
    ]


def test_a_colon_in_one_turn_makes_no_speaker() -> None:
    shown = present_prompt("dialogue", "Listen: it rains.\nSo it does.")
    assert isinstance(shown, Dialogue)
    assert [(turn.speaker, turn.text) for turn in shown.turns] == [("", "Listen: it rains."), ("", "So it does.")]


def test_an_empty_reply_is_still_a_turn() -> None:
    shown = present_completion("dialogue", "", present_prompt("dialogue", "Hi. <EOU>"))
    assert isinstance(shown, Dialogue)
    assert [(turn.voice, turn.text) for turn in shown.turns] == [(2, "")]


HEAD = [{"value": "Year", "is_header": True}, {"value": "Goals", "is_header": True, "column_span": 2}]
BODY = [{"value": "2014", "is_header": True, "row_span": 2}, {"value": "7"}, {"value": "Cup", "is_header": True}]
TOTTO = json.dumps(
    {
        "table_page_title": "Ann Lee",
        "table_section_title": "Career",
        "table": [HEAD, BODY, [{"value": "9"}]],
        "highlighted_cells": [[1, 1], [2, 0]],
        "sentence_annotations": [{"final_sentence": "not for workers"}],
    }
)


def test_a_totto_table_has_headers_spans_and_marks_that_are_not_colour_alone() -> None:
    page = render(TOTTO, prompt_layout="table")
    for part in (
        '<caption lang="en" dir="auto">Ann Lee · Career</caption>',
        '<th scope="col">Year</th>',
        '<th scope="col" colspan="2">Goals</th>',
        '<th scope="row" rowspan="2">2014</th>',
        '<td class="lit"><span class="visually-hidden" lang="en">highlighted: </span>7</td>',
        '<th scope="col">Cup</th>',  # behind data, so it heads no row
        "★ marks a highlighted cell.",
        'tabindex="0"',
    ):
        assert part in page
    assert page.count('class="lit"') == 2
    assert "not for workers" not in page


CELLS = (
    "<table> <cell> 7 <col_header> Goals </col_header> <row_header> 2014 </row_header> </cell> "
    "<cell> Ann & Bo </cell> </table>"
)
TITLES = "<page_title> Ann Lee </page_title> <section_title> Career </section_title> "


@pytest.mark.parametrize("text", [TITLES + CELLS, f"{CELLS} {TITLES}{CELLS}"])
def test_a_linearised_table_is_shown_cell_by_cell_with_its_headers(text: str) -> None:
    shown = present_prompt("table", text)
    assert isinstance(shown, Table)
    assert (shown.title, shown.section) == ("Ann Lee", "Career")
    seen = [[(cell.text, cell.scope, cell.is_highlighted) for cell in row] for row in shown.rows]
    assert seen == [[("2014 · Goals", "row", False), ("7", "", True)], [("Ann & Bo", "", True)]]
    assert shown.rows[1][0].column_span == 2


def with_cell(**cell: Any) -> str:
    return json.dumps({"table": [[{"value": "x"} | cell]]})


BAD_TABLES = [
    ("Ann Lee scored 7 goals.", "expected a table: a JSON object as in ToTTo, or <table>"),
    ("{", "expected a table as JSON, found none that can be read"),
    ('{"table": ' + "[" * 100_000, "found lists nested too deep"),
    ('{"table": 3}', "table: expected a list of rows"),
    ('{"table": []}', "expected 1 to 5,000 cells with all that they span, found 0"),
    ('{"table": [["x"]]}', 'table[0][0]: expected a cell such as {"value": "text"}, found \'x\''),
    ('{"table": [[{}]]}', "table[0][0]: value: expected text, found nothing"),
    (with_cell(value=3), "table[0][0]: value: expected text, found 3"),
    (with_cell(value="\ud800"), "table[0][0]: value: holds a NUL or half a surrogate pair"),
    (with_cell(is_header="yes"), "table[0][0]: is_header: expected true or false, found 'yes'"),
    (with_cell(column_span=0), "table[0][0]: column_span: expected 1 to 1,000, found 0"),
    (with_cell(row_span=10**9), "table[0][0]: row_span: expected 1 to 1,000, found 1000000000"),
    (with_cell(row_span=True), "table[0][0]: row_span: expected 1 to 1,000, found True"),
    (with_cell(row_span=1000, column_span=1000), "with all that they span, found 1,000,000"),
    (totto([["x"] * 100] * 100), f"expected 1 to {MOST_CELLS:,} cells with all that they span, found 10,000"),
    (totto([["x"]], highlighted_cells=[[0, 1]]), "highlighted_cells: expected [row, cell] of a cell in the table"),
    (totto([["x"]], highlighted_cells=[[0, -1]]), "found [0, -1]"),
    (totto([["x"]], highlighted_cells="all"), "highlighted_cells: expected a list of [row, cell], found 'all'"),
    (totto([["x"]], table_page_title=None), "table_page_title: expected text, found nothing"),
    ("<table> <cell> a </cell>", "expected </table> before the end"),
    ("<table> </cell> </table>", "found </cell> in the wrong place, in <table>"),
    ("<table> <row> <cell> a </cell> </row> </table>", "inside its cells, found '<row>' in <table>"),
    ("<table> <cell> a </cell> </table> <table> <cell> b </cell> </table>", "expected one table, found several"),
    ("<page_title> A </page_title> <page_title> B </page_title> <table> <cell> a </cell> </table>", "one <page_title>"),
    ("<table> <cell> <table> </table> </cell> </table>", "found <table> in the wrong place, in <cell>"),
    ("Describe: <table> <cell> a </cell> </table>", "found 'Describe:' outside of <table>"),
]


@pytest.mark.parametrize(("text", "reason"), BAD_TABLES)
def test_what_is_no_table_is_refused_with_the_reason_and_shown_plain_otherwise(text: str, reason: str) -> None:
    problem = find_problem("table", text)
    assert problem is not None
    assert reason in problem
    assert len(problem) < 300 and "\n" not in problem
    assert present_prompt("table", text) == Plain(text)


@pytest.mark.parametrize(
    ("layout", "text", "reason"),
    [
        ("plain", "x" * (MOST_CHARACTERS + 1), "expected at most 200,000 characters, found 200,001"),
        ("article", "x.\n\n" * (MOST_PARTS + 1), "expected at most 2,000 paragraphs, found 2,001"),
        ("dialogue", "x <EOU> " * (MOST_PARTS + 1), "expected at most 2,000 turns, found 2,001"),
    ],
)
def test_a_text_that_would_slow_the_page_is_refused(layout: Any, text: str, reason: str) -> None:
    assert find_problem(layout, text) == reason
    assert present_prompt(layout, text) == Plain(text)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("article", "Some words stand here. " * 20_000),
        ("article", ". " * 200_000),
        ("article", "\n" * 400_000),
        ("dialogue", " " * 400_000 + "<EOU>"),
        ("dialogue", "Ann: x\nBob: y\n" * (MOST_PARTS // 2)),
        ("dialogue", "".join(f"N{'abcdefghij'[number % 10]}{number}: x\n" for number in range(MOST_PARTS))),
        ("table", totto([["x"] * 50] * 100)),
        ("table", "<table>" + "<cell>" * 50_000),
        ("table", "<table> <cell>" + "x<col_header></col_header>" * 15_000 + "</cell> </table>"),
    ],
)
def test_the_worst_text_that_is_let_in_is_shown_in_a_moment(layout: str, text: str) -> None:
    """A second of processor time is far more than any takes, and far less than what grows with the square."""
    started = time.process_time()
    render(text, prompt_layout=layout)
    assert time.process_time() - started < 1
