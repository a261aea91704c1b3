"""Drafts in a real browser: what is chosen outlives a reload and a closed tab, and nothing of it is left when sent."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Study, Visitor
from tests.e2e.kinds import PAIRWISE
from tests.e2e.test_journeys import arrive, send, stored

CHOSEN, STATUS = "#judgment input:checked", "[data-draft-status]"
DRAFTS = "Object.entries(localStorage).filter(([key]) => key.startsWith('prefloop-draft:')).map(([, value]) => value)"


def active_seconds(page: Page) -> float:
    return float(page.input_value("[name=active_seconds]"))


def test_a_choice_and_the_active_time_outlive_a_reload_and_a_closed_tab_for_their_worker(visitor: Visitor) -> None:
    visit = visitor()
    page = arrive(visit, PAIRWISE, "drafts ada")
    expect(page.locator(STATUS)).to_be_empty()
    expect(page.locator("[name=active_seconds]")).to_have_value(re.compile("^[1-9]"))
    page.keyboard.press("t")
    expect(page.locator(STATUS)).to_have_text("Draft kept on this device.")
    before = active_seconds(page)
    page.reload()
    expect(page.locator(CHOSEN)).to_have_value("tie")
    expect(page.locator(STATUS)).to_have_text("Your draft is back.")
    assert active_seconds(page) >= before >= 1
    address = page.url
    page.close()
    again = visit.new_tab()
    again.goto("/c/pairwise/?worker=drafts ada")
    again.click("main button.primary")
    expect(again.locator(CHOSEN)).to_have_value("tie")
    assert again.url == address
    again.check("input[value=both_bad]")  # still to be changed
    again.reload()
    expect(again.locator(CHOSEN)).to_have_value("both_bad")
    another_worker = arrive(visit, PAIRWISE, "drafts dora")
    expect(another_worker.locator(CHOSEN)).to_have_count(0)
    expect(another_worker.locator(STATUS)).to_be_empty()


@pytest.mark.parametrize("way", ["button.primary", "button[name=skip]"])
def test_what_was_sent_or_given_back_leaves_no_draft(visitor: Visitor, way: str) -> None:
    page = arrive(visitor(), PAIRWISE, f"drafts bea {way}")
    page.keyboard.press("t")
    address = page.url
    page.click(f"main {way}")
    page.wait_for_url(lambda url: url != address)
    expect(page.locator(CHOSEN)).to_have_count(0)
    assert page.evaluate(DRAFTS) == []


def test_a_draft_holds_answers_alone_and_last_weeks_are_swept_with_no_others(visitor: Visitor) -> None:
    page = arrive(visitor(), PAIRWISE, "drafts emil")
    PAIRWISE.press(page)
    (draft,) = page.evaluate(DRAFTS)
    assert {name for name, _ in json.loads(draft)["answers"]} <= {"preference", "preference-strength", "active_seconds"}
    page.evaluate(
        "for (const [name, days] of [['old', 8], ['young', 6]]) localStorage.setItem(`prefloop-draft:${name}`,"
        " JSON.stringify({answers: [], isSent: false, savedAt: Date.now() - days * 86400000}))"
    )
    page.evaluate("localStorage.setItem('of another app', 'kept')")
    page.reload()
    others = "Object.keys(localStorage).filter((key) => !/[0-9a-f]{24}/.test(key)).sort()"
    assert page.evaluate(others) == ["of another app", "prefloop-draft:young"]


def test_with_storage_blocked_the_page_works_without(visitor: Visitor, study: Study) -> None:
    visit = visitor()
    blocked = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no'); }})"
    visit.context.add_init_script(blocked)
    page = arrive(visit, PAIRWISE, "drafts gus")
    PAIRWISE.press(page)
    send(page)
    assert list(stored(study, "drafts gus").values()) == [PAIRWISE.expected]
