"""A worker's way from landing to finish in a real browser, and what the database holds afterwards."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PHONE, Study, Visit, Visitor
from tests.e2e.kinds import KINDS, LIKERT, PAIRWISE, RANKING, Kind, touch

STORED = """
SELECT assignment.token, judgment.question, judgment.value, judgment.choice, judgment.strength, judgment.ranking,
    assignment.left, assignment.shown
FROM annotation_judgment AS judgment JOIN annotation_assignment AS assignment ON assignment.id = judgment.assignment_id
JOIN annotation_worker AS worker ON worker.id = assignment.worker_id WHERE worker.handle = ?
"""
by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.campaign)
SEND = "#judgment button[type=submit]"


def stored(study: Study, handle: str) -> dict[str, set[tuple[str, object]]]:
    """The worker's answers by assignment, in terms of what was shown where; each stored once."""
    found: dict[str, set[tuple[str, object]]] = {}
    for token, question, value, choice, strength, ranking, left, shown in study.rows(STORED, handle):
        sides = {left: "left", "ab".replace(left, "") if left else "": "right"}
        answer = value if value is not None else name_cards(ranking, shown) or sides.get(choice, choice)
        answers = {(question, answer)} | ({(f"{question}-strength", strength)} if strength else set())
        assert not answers & found.setdefault(token, set())
        found[token] |= answers
    return found


def name_cards(ranking: str, shown: str) -> str:
    """A ranking of letters as one of the names that the cards had on the page, where A came first."""
    named = ranking.translate({ord(letter): name for letter, name in zip(shown, "ABCDEF", strict=False)})
    return ">".join("=".join(sorted(group.split("="))) for group in named.split(">"))


def arrive(visit: Visit, kind: Kind, handle: str) -> Page:
    """The first HIT, by pointing."""
    page = visit.new_tab()
    page.goto(f"/c/{kind.campaign}/?worker={handle}")
    return begin(page)


def begin(page: Page) -> Page:
    """From the landing page to the first HIT."""
    touch(page, "label.check")
    touch(page, "form.card button")
    touch(page, "form.onward button")
    wait_for_a_hit(page)
    return page


def wait_for_a_hit(page: Page) -> None:
    """With its scripts: what is pressed or typed before they run, they do not see."""
    page.wait_for_selector("#judgment")
    page.wait_for_load_state()


def send(page: Page) -> None:
    before = page.url
    touch(page, SEND)
    page.wait_for_url(lambda url: url != before)


WAYS = {
    "by mouse": {},
    "by touch on a phone": {"viewport": PHONE, "has_touch": True, "is_mobile": True},
    "without JavaScript": {"java_script_enabled": False},
}


@by_kind
@pytest.mark.parametrize("way", WAYS)
def test_a_worker_goes_from_landing_to_finish(visitor: Visitor, study: Study, kind: Kind, way: str) -> None:
    handle = f"{way} {kind.campaign}"
    options: dict[str, Any] = WAYS[way]
    page = arrive(visitor(**options), kind, handle)
    for done in range(2):
        expect(page.locator("header")).to_contain_text(f"{done} done")
        kind.point(page)
        send(page)
    assert page.url.endswith(f"/c/{kind.campaign}/finish/")
    expect(page.locator("main")).to_contain_text("$0.50")
    assert list(stored(study, handle).values()) == [kind.expected] * 2


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus, which must be visible."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"Tab does not lead to {selector}")


@by_kind
def test_a_worker_needs_nothing_but_the_keyboard(visitor: Visitor, study: Study, kind: Kind) -> None:
    handle = f"by keys {kind.campaign}"
    page = visitor().new_tab()
    page.goto(f"/c/{kind.campaign}/?worker={handle}")
    tab_to(page, "input[name=consent]")
    page.keyboard.press("Space")
    tab_to(page, "form.card button")
    page.keyboard.press("Enter")
    page.wait_for_url("**/instructions/")
    tab_to(page, "form.onward button")
    page.keyboard.press("Enter")
    for _ in range(2):
        wait_for_a_hit(page)
        before = page.url
        kind.press(page)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, before=before: url != before)  # type: ignore[misc]
    assert page.url.endswith("/finish/")
    assert list(stored(study, handle).values()) == [kind.expected] * 2


@pytest.mark.parametrize("kind", [PAIRWISE, RANKING], ids=lambda kind: kind.campaign)
def test_a_missing_answer_is_asked_for_and_another_can_be_changed(visitor: Visitor, study: Study, kind: Kind) -> None:
    """With the browser's own check off, so that the server asks."""
    handle = f"changes {kind.campaign}"
    page = arrive(visitor(), kind, handle)
    page.evaluate("document.getElementById('judgment').noValidate = true")
    touch(page, SEND)
    expect(page.get_by_role("alert")).to_contain_text("Nothing was lost")
    page.locator("#judgment input[type=radio]:visible").last.check()
    kind.point(page)
    send(page)
    assert list(stored(study, handle).values()) == [kind.expected]


def test_cards_move_by_their_buttons_and_trade_places(visitor: Visitor, study: Study) -> None:
    page = arrive(visitor(), RANKING, "moves cards")
    for card in "CAD":
        touch(page, f"[data-card={card}] [data-step='-1']")  # to the first place that is free
    touch(page, "[data-card=B] [data-step='1']")
    assert [card.get_attribute("data-card") for card in page.locator("[data-card]").all()] == list("CADB")
    assert page.evaluate("document.activeElement.closest('[data-card]').dataset.card") == "B"
    touch(page, "[data-card=B] label:has([value='1'])")
    send(page)
    assert list(stored(study, "moves cards").values()) == [{("order", "B>A>D>C")}]


def test_a_comment_is_stored_as_it_was_written(visitor: Visitor, study: Study) -> None:
    page = arrive(visitor(), PAIRWISE, "comments")
    PAIRWISE.point(page)
    page.focus("#comment")
    page.keyboard.type("A first line\nand 2 <b>more</b>")  # keys are text here, Enter too
    assert list(stored(study, "comments")) == []
    send(page)
    ((text,),) = study.rows(
        "SELECT comment.text FROM annotation_comment AS comment JOIN annotation_assignment AS assignment"
        " ON assignment.id = comment.assignment_id JOIN annotation_worker AS worker ON worker.id = worker_id"
        " WHERE worker.handle = 'comments'"
    )
    assert text == "A first line\nand 2 <b>more</b>"
    assert list(stored(study, "comments").values()) == [PAIRWISE.expected]


# What does not depend on the kind is tried with one.


def test_a_closed_tab_and_another_browser_come_back_to_the_same_hit(visitor: Visitor, study: Study) -> None:
    visit = visitor()
    page = arrive(visit, LIKERT, "resumes")
    where = page.url
    page.reload()
    assert page.url == where
    page.close()
    page = visit.new_tab()
    page.goto("/c/likert/")
    touch(page, ".card form button")
    wait_for_a_hit(page)
    assert page.url == where
    assert arrive(visitor(), LIKERT, "resumes").url == where
    assert stored(study, "resumes") == {}


@pytest.mark.parametrize("javascript", [True, False])
def test_a_double_click_on_send_stores_one_answer(visitor: Visitor, study: Study, javascript: bool) -> None:
    handle = f"double click {javascript}"
    page = arrive(visitor(java_script_enabled=javascript), LIKERT, handle)
    first = page.url
    LIKERT.point(page)
    page.locator(SEND).dblclick()
    page.wait_for_url(lambda url: url != first)
    assert page.locator("#judgment").count() == 1, "the second HIT waits for its answer"
    answers = stored(study, handle)
    assert list(answers.values()) == [LIKERT.expected]
    assert next(iter(answers)) in first


def test_two_tabs_do_one_hit_once(visitor: Visitor, study: Study) -> None:
    visit = visitor()
    one = arrive(visit, LIKERT, "two tabs")
    first = one.url
    two = visit.new_tab()
    two.goto(first)
    for page in (one, two):
        LIKERT.point(page)
        send(page)
    assert one.url == two.url != first
    assert list(stored(study, "two tabs").values()) == [LIKERT.expected]


def test_a_hit_can_be_skipped_and_given_back(visitor: Visitor, study: Study) -> None:
    page = arrive(visitor(), LIKERT, "skips")
    first = page.url
    touch(page, "button[name=skip]")
    page.wait_for_url(lambda url: url != first)
    touch(page, "button[name=stop]")
    page.wait_for_url("**/finish/")
    expect(page.locator("main")).to_contain_text("Nothing sent yet")
    assert stored(study, "skips") == {}


def test_a_signed_link_leads_in_and_only_there(visitor: Visitor, study: Study) -> None:
    stranger = visitor().new_tab()
    stranger.goto("/c/invited/?worker=ada")
    expect(stranger.locator("h1")).to_contain_text("does not let you in")
    page = visitor().new_tab()
    page.goto(study.links["worker"])
    assert page.url == f"{study.url}/c/invited/"
    begin(page)
    assert study.rows("SELECT source FROM annotation_worker WHERE handle = 'ada'") == [("signed",)]


def test_a_test_is_failed_then_passed_and_the_work_stands_in_ones_own_history(visitor: Visitor, study: Study) -> None:
    """The language changes on the way, and a tab is closed with an answer in it."""
    visit = visitor()
    page = visit.new_tab()
    page.goto("/c/tested/?worker=takes the test")
    touch(page, "label.check")
    touch(page, "form.card button")
    touch(page, "a.button")  # to the test
    take_test(page, ("1.preference", "b"), ("2.length", "2"))
    expect(page.locator("main")).to_contain_text("1 attempt is left")
    touch(page, "a.button")  # to try again
    take_test(page, ("1.preference", "a"), ("2.length", "2"))
    expect(page.locator("main")).to_contain_text("Parks do not run.")
    touch(page, "form.onward button")
    wait_for_a_hit(page)
    page = change_language_with_an_answer_chosen(visit, page)
    send(page)
    touch(page, "label:has([value=right])")
    send(page)
    expect(page.locator("main")).to_contain_text("$0.50")
    touch(page, "footer button[lang=en]")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    touch(page, "main a[href$='/history/']")
    expect(page.locator(".history tbody tr")).to_have_count(2)
    expect(page.locator(".answers")).to_have_text([re.compile("B is better"), re.compile("A is better")])
    touch(page, "header a[href='/me/']")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("main")).to_contain_text("$0.50")
    assert list(stored(study, "takes the test").values()) == [{("preference", "left")}, {("preference", "right")}]


def take_test(page: Page, *answers: tuple[str, str]) -> None:
    for name, value in answers:
        touch(page, f"label:has([name='{name}'][value='{value}'])")
    touch(page, ".test button.primary")
    page.wait_for_url("**/qualification/result/")


def change_language_with_an_answer_chosen(visit: Visit, page: Page) -> Page:
    """The same HIT in Korean in a new tab, with its answer."""
    where = page.url
    touch(page, "label:has([value=left])")
    touch(page, "footer button[lang=ko]")
    expect(page.locator("html")).to_have_attribute("lang", "ko")
    expect(page.locator("[value=left]")).to_be_checked()
    expect(page.locator("[data-draft-status]")).to_contain_text(re.compile("[가-힣]"))
    page.close()
    page = visit.new_tab()
    page.goto("/c/tested/")
    touch(page, ".card form button")
    wait_for_a_hit(page)
    assert page.url == where
    expect(page.locator("[value=left]")).to_be_checked()
    return page
