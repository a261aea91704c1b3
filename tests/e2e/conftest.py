"""A real browser on the real server: Chromium, driven by Playwright, and gunicorn on a SQLite file."""

import json
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, sync_playwright

from annotation.server import running_server
from tests.annotation.conftest import run_python

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FRUGAL = ("process-per-site", "renderer-process-limit=1", "disable-gpu")
QUIET = ("background-networking", "component-update", "sync", "quic")
WIDE: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
FILL = "import django; django.setup(); from tests.e2e.study import main; main()"
ADDRESSES = count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, help="save every page, at both widths, as PNG in this folder")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.xdist_group("e2e"))  # one browser and one server for all


def find_chromium() -> str | None:
    named = os.environ.get("PREFLOOP_CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUM)), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if path is None:
        message = f"no browser: none of {', '.join(CHROMIUM)} is installed, and PREFLOOP_CHROMIUM names none"
        if os.environ.get("PREFLOOP_BROWSER") == "required":
            pytest.fail(message)
        pytest.skip(message)
    arguments = [f"--disable-{name}" for name in QUIET] + ["--no-first-run", *(f"--{name}" for name in FRUGAL)]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium's own sandbox does not work for root
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@dataclass(frozen=True, slots=True)
class Study:
    """The app as it is served: its address, what its database holds, and ways in."""

    url: str
    database: Path
    links: dict[str, str]  # what `tests/e2e/study.py` made, by name

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, parameters).fetchall()

    @contextmanager
    def broken_campaign(self, name: str) -> Iterator[None]:
        """As after a broken restore: its template says nothing, so that pages fail which read it."""
        ((template,),) = self.rows("SELECT template FROM annotation_campaign WHERE name = ?", name)
        self._set_template(name, "{}")
        try:
            yield
        finally:
            self._set_template(name, template)

    def _set_template(self, name: str, template: str) -> None:
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute("UPDATE annotation_campaign SET template = ? WHERE name = ?", (template, name))


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Study]:
    """`browser` comes first: without one nothing is served."""
    database = tmp_path_factory.mktemp("e2e") / "study.sqlite3"
    os.environ.setdefault("PREFLOOP_SECRET_KEY", secrets.token_urlsafe(50))
    links = json.loads(run_python(database, "-c", FILL))
    # Each browser context comes from an address of its own, so that the real limits hold.
    environment = {"PREFLOOP_PROXIES": "1", "PREFLOOP_RATE_LIMITS": "enter=2/2,join=3/3"}
    with running_server(database, environment=environment) as url:
        yield Study(url, database, links)


@dataclass(slots=True)
class Visit:
    """A browser of one person. `problems` has what the console complained of."""

    context: BrowserContext
    study: Study
    problems: list[str] = field(default_factory=list)

    def new_tab(self) -> Page:
        page = self.context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda message: self._listen(message))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    def _listen(self, message: ConsoleMessage) -> None:
        # A page that says "not here" with its status is reported too; a file that is missing is a problem.
        is_page = message.text.startswith("Failed to load resource") and "/static/" not in message.location["url"]
        if message.type in ("error", "warning") and not is_page:
            self.problems.append(f"{message.location['url']}: {message.text}")


Visitor = Callable[..., Visit]


@pytest.fixture
def visitor(browser: Browser, study: Study) -> Iterator[Visitor]:
    """Makes browsers with cookies of their own; at the end, none may have had a problem."""
    visits: list[Visit] = []

    def make(**options: Any) -> Visit:
        address = {"X-Forwarded-For": f"198.51.100.{next(ADDRESSES)}"}
        options = {"viewport": WIDE, "reduced_motion": "reduce", **options}
        visits.append(Visit(browser.new_context(base_url=study.url, extra_http_headers=address, **options), study))
        return visits[-1]

    yield make
    problems = [problem for visit in visits for problem in visit.problems]
    for visit in visits:
        visit.context.close()
    assert problems == []
