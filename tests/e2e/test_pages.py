"""Every page at two widths: no accessibility violation, nothing wider than the screen, a clean console."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, ViewportSize

from tests.annotation.addresses import every_address
from tests.e2e.conftest import PHONE, WIDE, Study, Visit, Visitor
from tests.e2e.pages import NamedPages, requester_pages, worker_pages

RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# Colours do not depend on the width, so two looks see both.
LOOKS: dict[str, tuple[ViewportSize, Literal["light", "dark"]]] = {
    "1280-light": (WIDE, "light"),
    "390-dark": (PHONE, "dark"),
}


def faults_of(page: Page) -> list[str]:
    return accessibility_faults(page) + layout_faults(page)


def accessibility_faults(page: Page) -> list[str]:
    """What axe finds."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found = page.evaluate("options => axe.run(document, options).then((results) => results.violations)", RULES)
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]} ({len(each['nodes'])} times)" for each in found]


def layout_faults(page: Page) -> list[str]:
    is_wider = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return ["the page is wider than the screen"] if is_wider else []


def faults_of_all(
    pages: NamedPages, folder: Path | None, wide: Callable[[Page], list[str]] = faults_of
) -> dict[str, list[str]]:
    """The faults by page and look, `wide` those of the wide one, and a picture of each in `folder`."""
    faults: dict[str, list[str]] = {}
    for name, page in pages:
        for look, (size, colours) in LOOKS.items():
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=colours, reduced_motion="reduce")
            faults[f"{name} {look}"] = (wide if size == WIDE else faults_of)(page)
            if folder is not None:
                page.screenshot(path=folder / f"{name}-{look}.png", full_page=True)
        page.set_viewport_size(WIDE)
    return faults


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path | None:
    """For this test's pictures, if they are wanted."""
    wanted: Path | None = request.config.getoption("--screenshots", default=None)
    if wanted is None:
        return None
    folder = wanted / request.function.__name__.split("_")[2]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_no_english_page_has_a_fault(visitor: Visitor, folder: Path | None) -> None:
    faults = faults_of_all(worker_pages(visitor), folder)
    faults |= faults_of_all(requester_pages(visitor()), folder)
    assert {name: found for name, found in faults.items() if found} == {}
    assert len(faults) >= 80


def test_no_korean_page_has_a_fault(visitor: Visitor, folder: Path | None) -> None:
    """Words are others, elements the same: once by axe, on the narrow screen, is enough."""
    faults = faults_of_all(worker_pages(lambda: visitor(locale="ko-KR")), folder, wide=layout_faults)
    assert {name: found for name, found in faults.items() if found} == {}
    assert len(faults) >= 70


def test_a_fault_would_be_seen(browser: Browser, study: Study) -> None:
    visit = Visit(browser.new_context(base_url=study.url, viewport=PHONE), study)
    page = visit.new_tab()
    page.goto("/")
    assert faults_of(page) == []
    page.evaluate("document.documentElement.removeAttribute('lang')")
    page.evaluate("document.querySelector('h1').textContent = 'x'.repeat(200)")
    found = faults_of(page)
    assert found[0].startswith("html-has-lang") and found[-1] == "the page is wider than the screen"
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'stolen = 1'}))")
    page.wait_for_timeout(100)
    assert page.evaluate("typeof stolen") == "undefined"
    assert any("Content Security Policy" in problem for problem in visit.problems)
    visit.context.close()


def test_the_admin_works_under_the_content_security_policy(visitor: Visitor, study: Study) -> None:
    """Its pages run scripts and styles of their own files; what the policy stopped would be in the console."""
    page = visitor().new_tab()
    page.goto(study.links["requester"])
    numbers = {"object_id": "1", "campaign_name": "likert", "token": "x", "ticket": "x"}
    shown = [
        address.path
        for address in every_address(numbers)
        if re.search(r"/admin/(annotation/campaign/(1/change/|1/history/)?)?$", address.path)
        or re.search(r"/admin/(annotation|auth)/\w+/$", address.path)
    ]
    assert len(shown) >= 8
    for path in shown:
        answer = page.goto(path)
        assert answer is not None and answer.status == 200, path
    page.goto("/admin/annotation/worker/")
    page.fill("#searchbar", "nobody of this name")
    page.press("#searchbar", "Enter")
    assert "0 results" in page.inner_text("#changelist-search")
