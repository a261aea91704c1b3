"""Drafts in a real browser: what is chosen outlives a reload and a closed tab, and nothing of it is left when sent."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotation.server import running_server
from tests.annotation.conftest import pairwise_rows, run_python
from tests.annotation.test_crowd import _to_json

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]
playwright = pytest.importorskip("playwright.sync_api", reason="drafts live in a browser, which playwright drives")
CHOSEN, STATUS = "#judgment input:checked", "[data-draft-status]"
DRAFTS = "Object.entries(localStorage).filter(([key]) => key.startsWith('prefloop-draft:')).map(([, value]) => value)"
ACTIVE_SECONDS = "Number(document.getElementById('judgment').elements.active_seconds.value)"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = os.environ.get("PREFLOOP_CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is installed, and PREFLOOP_CHROMIUM names none")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def campaign(browser: Any, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a pairwise campaign that is served for real."""
    folder = tmp_path_factory.mktemp("drafts")
    database, items, config = folder / "drafts.sqlite3", folder / "items.jsonl", folder / "study.yaml"
    database.write_bytes(migrated_file.read_bytes())
    items.write_text("".join(f"{_to_json(row)}\n" for row in pairwise_rows(9)))
    config.write_text("name: study\ntask: commongen-pairwise\nraters_per_hit: 9\nallow_tie: true\n")
    run_python(database, "manage.py", "create_campaign", str(config), "--items", str(items))
    with running_server(database, workers=1) as url:
        yield f"{url}/c/study/"


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    opened = browser.new_context(locale="en-US")
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


def begin(context: Any, campaign: str, worker: str) -> Any:
    """A tab with the worker's first HIT."""
    page = context.new_page()
    page.goto(f"{campaign}?worker={worker}")
    page.check("input[name=consent]")
    page.click("main button.primary")
    page.click("main button.primary")
    page.wait_for_selector("#judgment")
    return page


def test_a_choice_and_the_active_time_outlive_a_reload_and_a_closed_tab(context: Any, campaign: str) -> None:
    page = begin(context, campaign, "ada")
    assert page.inner_text(STATUS) == ""
    page.wait_for_timeout(300)
    page.keyboard.press("b")
    assert page.inner_text(STATUS) == "Draft kept on this device."
    active_seconds = page.evaluate(ACTIVE_SECONDS)
    page.reload()
    assert page.get_attribute(CHOSEN, "value") == "right"
    assert page.inner_text(STATUS) == "Your draft is back."
    assert page.evaluate(ACTIVE_SECONDS) >= active_seconds >= 0.3
    address = page.url
    page.close()
    again = context.new_page()
    again.goto(f"{campaign}?worker=ada")
    again.click("main button.primary")
    assert (again.url, again.get_attribute(CHOSEN, "value")) == (address, "right")
    again.check("input[value=tie]")  # still to be changed
    again.reload()
    assert again.get_attribute(CHOSEN, "value") == "tie"


@pytest.mark.parametrize("way", ["button.primary", "button[name=skip]", "button[name=stop]"])
def test_what_was_sent_or_given_back_leaves_no_draft(context: Any, campaign: str, way: str) -> None:
    page = begin(context, campaign, f"bea {way}")
    page.keyboard.press("a")
    address = page.url
    page.click(f"main {way}")
    page.wait_for_url(lambda url: url != address)
    assert page.locator(CHOSEN).count() == 0
    assert page.evaluate(DRAFTS) == []


def test_another_worker_at_the_same_browser_begins_without_a_draft(context: Any, campaign: str) -> None:
    begin(context, campaign, "cleo").keyboard.press("a")
    page = begin(context, campaign, "dora")
    assert page.locator(CHOSEN).count() == 0 and page.inner_text(STATUS) == ""


def test_drafts_of_last_week_are_swept_and_no_others(context: Any, campaign: str) -> None:
    page = begin(context, campaign, "emil")
    page.evaluate(
        "for (const [name, days] of [['old', 8], ['young', 6]]) localStorage.setItem(`prefloop-draft:${name}`,"
        " JSON.stringify({answers: [], isSent: false, savedAt: Date.now() - days * 86400000}))"
    )
    page.evaluate("localStorage.setItem('of another app', 'kept')")
    page.reload()
    assert page.evaluate("Object.keys(localStorage).filter((key) => !/[0-9a-f]{24}/.test(key)).sort()") == [
        "of another app",
        "prefloop-draft:young",
    ]


def test_a_draft_holds_answers_and_no_secrets_of_the_page(context: Any, campaign: str) -> None:
    page = begin(context, campaign, "fay")
    page.keyboard.press("a")
    (draft,) = page.evaluate(DRAFTS)
    assert {name for name, _ in json.loads(draft)["answers"]} <= {"preference", "active_seconds"}


def test_with_storage_blocked_the_page_works_without(context: Any, campaign: str) -> None:
    context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no'); }})")
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    page = begin(context, campaign, "gus")
    address = page.url
    page.keyboard.press("a")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url != address)
    assert problems == []
