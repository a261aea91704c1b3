"""The kinds of HITs, and how a person answers each: by mouse or finger, and by keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

Answer = Callable[[Page], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One campaign of two HITs. `expected` is what is stored of an answer: (question, value or choice).

    A choice is in terms of the sides that were shown; the test translates it.
    """

    campaign: str
    task: str
    rows: str
    hits_for_rows: int
    point: Answer
    press: Answer
    expected: frozenset[tuple[str, object]]
    settings: Mapping[str, Any] = field(default_factory=dict)


def click_ratings(page: Page) -> None:
    for question, value in (("quality", 4), ("fluency", 2)):
        touch(page, f"fieldset[data-question={question}] label:has(input[value='{value}'])")


def press_ratings(page: Page) -> None:
    page.keyboard.press("4")
    page.keyboard.press("2")


def click_left(page: Page) -> None:
    touch(page, "label:has(input[value=left])")


def touch(page: Page, selector: str) -> None:
    """As the person at this screen does: with a finger where there is a touch screen."""
    target = page.locator(selector)
    target.scroll_into_view_if_needed()
    (target.tap if page.evaluate("navigator.maxTouchPoints > 0") else target.click)()


KINDS = (
    Kind(
        campaign="likert",
        task="commongen-likert",
        rows="likert",
        hits_for_rows=1,  # of two systems
        point=click_ratings,
        press=press_ratings,
        expected=frozenset({("quality", 4), ("fluency", 2)}),
    ),
    Kind(
        campaign="pairwise",
        task="commongen-pairwise",
        rows="pairwise",
        hits_for_rows=2,
        point=click_left,
        press=lambda page: page.keyboard.press("a"),
        expected=frozenset({("preference", "left")}),
        settings={"allow_tie": True, "allow_both_bad": True},
    ),
)
