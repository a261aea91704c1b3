"""A worker's way from landing to finish in a real browser, and what the database holds afterwards."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import PHONE, Study, Visit, Visitor
from tests.e2e.kinds import KINDS, Kind, touch

STORED = """
SELECT assignment.token, judgment.question, judgment.value, judgment.choice, assignment.left
FROM annotation_judgment AS judgment JOIN annotation_assignment AS assignment ON assignment.id = judgment.assignment_id
JOIN annotation_worker AS worker ON worker.id = assignment.worker_id WHERE worker.handle = ?
"""
by_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.campaign)
# What does not depend on the kind is tried with two.
with_two_kinds = pytest.mark.parametrize("kind", KINDS[:2], ids=lambda kind: kind.campaign)
SEND = "#judgment button[type=submit]"


def stored(study: Study, handle: str) -> dict[str, set[tuple[str, object]]]:
    """The worker's answers by assignment, choices in terms of the sides that were shown; each stored once."""
    answers: dict[str, set[tuple[str, object]]] = {}
    for token, question, value, choice, left in study.rows(STORED, handle):
        shown = {left: "left", "ab".replace(left, "") if left else "": "right"}.get(choice, choice)
        answer = (question, value if value is not None else shown)
        assert answer not in answers.setdefault(token, set())
        answers[token].add(answer)
    return answers


def arrive(visit: Visit, kind: Kind, handle: str) -> Page:
    """The first HIT, by pointing."""
    page = visit.new_tab()
    page.goto(f"/c/{kind.campaign}/?worker={handle}")
    touch(page, "label.check")
    touch(page, "form.card button")
    touch(page, "form.onward button")
    page.wait_for_selector("#judgment")
    return page


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
    answers = stored(study, handle)
    assert len(answers) == 2
    assert all(answer == kind.expected for answer in answers.values())


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
        page.wait_for_selector("#judgment")
        before = page.url
        kind.press(page)
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url, before=before: url != before)  # type: ignore[misc]
    assert page.url.endswith("/finish/")
    assert [answer == kind.expected for answer in stored(study, handle).values()] == [True, True]


@with_two_kinds
def test_a_closed_tab_and_another_browser_come_back_to_the_same_hit(visitor: Visitor, study: Study, kind: Kind) -> None:
    handle = f"resumes {kind.campaign}"
    visit = visitor()
    page = arrive(visit, kind, handle)
    where = page.url
    page.reload()
    assert page.url == where
    page.close()
    page = visit.new_tab()
    page.goto(f"/c/{kind.campaign}/")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_selector("#judgment")
    assert page.url == where
    assert arrive(visitor(), kind, handle).url == where
    assert stored(study, handle) == {}


@with_two_kinds
@pytest.mark.parametrize("javascript", [True, False])
def test_a_double_click_on_send_stores_one_answer(visitor: Visitor, study: Study, kind: Kind, javascript: bool) -> None:
    handle = f"double click {kind.campaign} {javascript}"
    page = arrive(visitor(java_script_enabled=javascript), kind, handle)
    first = page.url
    kind.point(page)
    page.locator(SEND).dblclick()
    page.wait_for_url(lambda url: url != first)
    assert page.locator("#judgment").count() == 1, "the second HIT waits for its answer"
    answers = stored(study, handle)
    assert list(answers.values()) == [kind.expected]
    assert next(iter(answers)) in first


@with_two_kinds
def test_two_tabs_do_one_hit_once(visitor: Visitor, study: Study, kind: Kind) -> None:
    handle = f"two tabs {kind.campaign}"
    visit = visitor()
    one = arrive(visit, kind, handle)
    first = one.url
    two = visit.new_tab()
    two.goto(first)
    for page in (one, two):
        kind.point(page)
        send(page)
    assert one.url == two.url != first
    assert list(stored(study, handle).values()) == [kind.expected]


@by_kind
def test_an_answer_can_be_changed_until_it_is_sent_and_a_missing_one_is_asked_for(
    visitor: Visitor, study: Study, kind: Kind
) -> None:
    """With the browser's own check off, so that the server asks."""
    handle = f"changes {kind.campaign}"
    page = arrive(visitor(), kind, handle)
    page.evaluate("document.getElementById('judgment').noValidate = true")
    touch(page, SEND)
    expect(page.get_by_role("alert")).to_contain_text("not answered yet")
    page.locator("input[type=radio]").last.check()
    kind.point(page)
    send(page)
    assert list(stored(study, handle).values()) == [kind.expected]


def test_a_hit_can_be_skipped_and_given_back(visitor: Visitor, study: Study) -> None:
    kind = KINDS[0]
    page = arrive(visitor(), kind, "skips")
    first = page.url
    page.get_by_role("button", name="Skip this one").click()
    page.wait_for_url(lambda url: url != first)
    page.get_by_role("button", name="Give it back and stop").click()
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
    page.locator("label.check").click()
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="Start the first task").click()
    page.wait_for_selector("#judgment")
    assert study.rows("SELECT source FROM annotation_worker WHERE handle = 'ada'") == [("signed",)]
