"""The kinds of HITs, and how a person answers each: by mouse or finger, and by keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page

Answer = Callable[[Page], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One campaign of two HITs. `expected` is what is stored of an answer: (question, answer).

    An answer is in terms of what was shown where, a side or the names of cards; the test translates what is stored.
    """

    campaign: str
    task: str
    rows: str
    hits_for_rows: int
    point: Answer
    press: Answer
    expected: frozenset[tuple[str, object]]
    settings: Mapping[str, Any] = field(default_factory=dict)


def touch(page: Page, selector: str) -> None:
    """As the person at this screen does: with a finger where there is a touch screen."""
    target = page.locator(selector)
    target.scroll_into_view_if_needed()
    (target.tap if page.evaluate("navigator.maxTouchPoints > 0") else target.click)()


def point_at(*answers: tuple[str, str]) -> Answer:
    """Touch the label of each (field, value) in turn."""

    def point(page: Page) -> None:
        for name, value in answers:
            touch(page, f"#judgment label:has(input[name={name}][value='{value}'])")

    return point


def press(keys: str) -> Answer:
    def press_each(page: Page) -> None:
        for key in keys:
            page.keyboard.press(key)

    return press_each


KINDS = (
    Kind(
        campaign="likert",
        task="commongen-likert",
        rows="likert",
        hits_for_rows=1,  # of two systems
        point=point_at(("quality", "4"), ("fluency", "2")),
        press=press("42"),
        expected=frozenset({("quality", 4), ("fluency", 2)}),
    ),
    Kind(
        campaign="pairwise",
        task="commongen-pairwise",
        rows="pairwise",
        hits_for_rows=2,
        point=point_at(("preference", "left"), ("preference-strength", "2")),
        press=press("a2"),
        expected=frozenset({("preference", "left"), ("preference-strength", 2)}),
        settings={"allow_tie": True, "allow_both_bad": True, "strength_points": 3, "ask_comment": True},
    ),
    Kind(
        campaign="ranking",
        task="generic-ranking",
        rows="ranking",
        hits_for_rows=2,
        point=point_at(("order-1", "4"), ("order-2", "3"), ("order-3", "1"), ("order-4", "2")),
        press=press("4312"),
        expected=frozenset({("order", "C>D>B>A")}),
    ),
    Kind(
        campaign="best-worst",
        task="generic-best-worst",
        rows="best_worst",
        hits_for_rows=2,
        point=point_at(("extremes-best", "3"), ("extremes-worst", "2")),
        press=press("cb"),
        expected=frozenset({("extremes", "C>A=D>B")}),
    ),
)
LIKERT, PAIRWISE, RANKING, BEST_WORST = KINDS
