"""Every page of the app as a person comes by it, in all the states that look different: (name, the page)."""

from collections.abc import Callable, Iterator

from playwright.sync_api import Page, expect

from tests.e2e.conftest import Visit
from tests.e2e.kinds import KINDS, LIKERT, Kind
from tests.e2e.test_journeys import SEND, arrive, begin, send, take_test

NamedPages = Iterator[tuple[str, Page]]


def worker_pages(new_visit: Callable[[], Visit]) -> NamedPages:
    """All that a worker may see, in the language of the browsers that `new_visit` makes."""
    yield from pages_around_the_work(new_visit())
    for kind in KINDS:
        yield from hit_pages(new_visit(), kind)
    yield from layout_pages(new_visit())
    yield from qualification_pages(new_visit())
    yield from refusals(new_visit())


def pages_around_the_work(visit: Visit) -> NamedPages:
    page = visit.new_tab()
    page.goto("/me/")
    yield "me-of-nobody", page
    page.goto("/c/likert/?worker=" + name_of(visit, "looks around"))
    yield "landing", page
    skip_browsers_check(page, "form.card")
    page.click("form.card button")
    yield "landing-without-consent", page
    begin(page)
    page.goto("/c/likert/finish/")
    yield "finish-with-nothing-sent", page
    page.goto("/c/likert/instructions/")
    yield "instructions", page
    page.goto("/c/likert/")
    yield "landing-returning", page
    for _ in range(2):
        if page.locator("#judgment").count() == 0:
            page.click(".card form button")
        LIKERT.point(page)
        send(page)
    yield "finish", page
    page.goto("/c/likert/history/")
    yield "history", page
    page.goto("/me/")
    yield "me", page
    page.goto("/c/closed/")
    yield "landing-closed", page
    page.goto("/")
    yield "home", page
    page.close()


def hit_pages(visit: Visit, kind: Kind) -> NamedPages:
    page = arrive(visit, kind, name_of(visit, f"sees {kind.campaign}"))
    yield f"hit-{kind.campaign}", page
    skip_browsers_check(page, "#judgment")
    page.click(SEND)
    page.wait_for_selector("[role=alert]")
    kind.press(page)  # marked as missing, and answered since
    page.click("summary")
    yield f"hit-{kind.campaign}-unanswered-with-guide", page
    page.close()


def layout_pages(visit: Visit) -> NamedPages:
    page = visit.new_tab()
    for layout in ("article", "dialogue", "table"):
        page.goto(f"/c/{layout}/?worker=" + name_of(visit, f"sees {layout}"))
        begin(page)
        yield f"hit-{layout}", page
        page.goto(f"/c/{layout}/instructions/")
        yield f"instructions-{layout}", page
    page.close()


def qualification_pages(visit: Visit) -> NamedPages:
    page = visit.new_tab()
    for name, choice in (("fails", "b"), ("passes", "a")):
        page.goto("/c/tested/?worker=" + name_of(visit, name))
        page.click("label.check")
        page.click("form.card button")
        page.click("a.button")
        if name == "fails":
            yield "qualification", page
            skip_browsers_check(page, ".test")
            page.click(".test button.primary")
            page.wait_for_selector("[role=alert]")
            yield "qualification-unanswered", page
        take_test(page, ("1.preference", choice), ("2.length", "2"))
        yield f"qualification-{name}", page
        if name == "fails":
            page.click("a.button")
            take_test(page, ("1.preference", choice), ("2.length", "2"))
            yield "qualification-failed-for-good", page
    page.close()


def refusals(visit: Visit) -> NamedPages:
    """Pages for what went wrong. The limits are those that conftest sets."""
    page = visit.new_tab()
    page.goto("/nowhere/")
    yield refused("404", page)
    for _ in range(2):
        page.goto("/c/invited/enter/guess/")
    yield "link-refused", page
    page.goto("/c/invited/enter/guess/")
    yield refused("429-link", page)
    for name, change in (
        ("403-form", "token.value = 'x'"),
        ("413-form", "token.value = 'x'.repeat(200000)"),
        ("400-form", "for (let n = 0; n < 300; n++) token.before(token.cloneNode())"),
    ):
        page.goto("/c/likert/?worker=" + name_of(visit, "is refused"))
        page.evaluate(f"const token = document.querySelector('form.card [name=csrfmiddlewaretoken]'); {change}")
        submit_consent(page)
        yield refused(name, page)
    for _ in range(4):
        page.context.clear_cookies()
        page.goto("/c/likert/?worker=" + name_of(visit, "is fast"))
        submit_consent(page)
    yield refused("429-form", page)
    with visit.study.broken_campaign("closed"):
        page.goto("/c/closed/")
        yield refused("500", page)
    page.close()


def refused(name: str, page: Page) -> tuple[str, Page]:
    """The name begins with the number that the page should show."""
    expect(page.locator(".eyebrow")).to_have_text(name[:3])
    return name, page


def requester_pages(visit: Visit) -> NamedPages:
    page = visit.new_tab()
    page.goto("/requester/login/")
    yield "login", page
    page.fill("[name=username]", "rosa")
    page.fill("[name=password]", "guessed")
    page.click("form.card button")
    yield "login-refused", page
    page.goto(visit.study.links["requester"])
    yield "dashboard", page
    for campaign in ("reviewed", "tested", "invited"):
        page.goto(f"/requester/c/{campaign}/")
        yield f"campaign-{campaign}", page
    page.click("summary")
    yield "campaign-with-guide", page
    page.goto("/requester/c/reviewed/quality/")
    yield "quality", page
    page.close()


def skip_browsers_check(page: Page, form: str) -> None:
    page.evaluate("form => { document.querySelector(form).noValidate = true }", form)


def submit_consent(page: Page) -> None:
    page.check("input[name=consent]")
    page.click("form.card button")


def name_of(visit: Visit, what: str) -> str:
    """A worker of this visit's own."""
    return f"{what} {id(visit)}"
