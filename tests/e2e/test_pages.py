"""Every page at two widths: no accessibility violation, nothing wider than the screen, a clean console."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.annotation.addresses import every_address
from tests.e2e.conftest import PHONE, WIDE, Study, Visit, Visitor
from tests.e2e.kinds import KINDS, Kind
from tests.e2e.test_journeys import SEND, arrive, send

AXE = Axe()
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
# Colours do not depend on the width, so two looks see both.
LOOKS = {
    "1280-light": {"viewport": WIDE, "color_scheme": "light"},
    "390-dark": {"viewport": PHONE, "color_scheme": "dark", "has_touch": True, "is_mobile": True},
}


def worker_pages(visit: Visit, kind: Kind, look: str) -> Iterator[tuple[str, Page]]:
    """(name, the page as it stands) along a worker's way."""
    handle = f"pages {look} {kind.campaign}"
    page = visit.new_tab()
    page.goto(f"/c/{kind.campaign}/?worker={handle}")
    yield f"landing-{kind.campaign}", page
    page.evaluate("document.querySelector('form.card').noValidate = true")
    page.click("form.card button")
    yield f"landing-{kind.campaign}-without-consent", page
    page.close()
    page = arrive(visit, kind, handle)
    yield f"hit-{kind.campaign}", page
    page.evaluate("document.getElementById('judgment').noValidate = true")
    page.click(SEND)
    page.wait_for_selector("[role=alert]")
    yield f"hit-{kind.campaign}-unanswered", page
    kind.point(page)
    page.click("summary")
    yield f"hit-{kind.campaign}-answered-with-guide", page
    send(page)
    page.goto(f"/c/{kind.campaign}/instructions/")
    yield f"instructions-{kind.campaign}", page
    page.goto(f"/c/{kind.campaign}/finish/")
    yield f"finish-{kind.campaign}", page
    page.goto(f"/c/{kind.campaign}/")
    yield f"landing-{kind.campaign}-returning", page
    page.close()


def error_pages(visit: Visit) -> Iterator[tuple[str, Page]]:
    page = visit.new_tab()
    page.goto("/nowhere/")
    yield "404", page
    for _ in range(2):
        page.goto("/c/invited/enter/guess/")
    yield "403-link", page
    page.goto("/c/invited/enter/guess/")
    yield "429-link", page
    page.goto("/c/likert/?worker=somebody")
    page.evaluate("document.querySelector('[name=csrfmiddlewaretoken]').value = 'x'")
    submit_consent(page)
    yield "403-form", page
    page.goto("/c/likert/")
    page.evaluate("document.querySelector('[name=csrfmiddlewaretoken]').value = 'x'.repeat(200000)")
    submit_consent(page)
    yield "413", page
    for _ in range(4):
        page.context.clear_cookies()
        page.goto("/c/likert/?worker=fast")
        submit_consent(page)
    yield "429-form", page


def submit_consent(page: Page) -> None:
    page.check("input[name=consent]")
    page.click("form.card button")


def requester_pages(visit: Visit, study: Study) -> Iterator[tuple[str, Page]]:
    page = visit.new_tab()
    page.goto("/")
    yield "home", page
    page.goto("/requester/login/")
    page.fill("[name=username]", "rosa")
    page.fill("[name=password]", "guessed")
    page.click("form.card button")
    yield "login-refused", page
    page.goto(study.links["requester"])
    yield "dashboard", page
    for campaign in ("pairwise", "invited"):
        page.goto(f"/requester/c/{campaign}/")
        yield f"campaign-{campaign}", page


def faults_of(page: Page) -> list[str]:
    """What axe finds, and text that leaves the screen to the right."""
    found = AXE.run(page, options=RULES).response["violations"]
    faults = [f"{each['id']}: {each['nodes'][0]['html'][:120]} ({len(each['nodes'])} times)" for each in found]
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        faults.append("the page is wider than the screen")
    return faults


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_has_a_fault(visitor: Visitor, study: Study, look: str, request: pytest.FixtureRequest) -> None:
    folder: Path | None = request.config.getoption("--screenshots", default=None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    faults: dict[str, list[str]] = {}
    for pages in (
        *(worker_pages(visitor(**LOOKS[look]), kind, look) for kind in KINDS),
        error_pages(visitor(**LOOKS[look])),
        requester_pages(visitor(**LOOKS[look]), study),
    ):
        for name, page in pages:
            if folder is not None:
                page.screenshot(path=folder / f"{look}-{name}.png", full_page=True)
            faults[name] = faults_of(page)
    assert {name: found for name, found in faults.items() if found} == {}
    assert len(faults) >= 18


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
