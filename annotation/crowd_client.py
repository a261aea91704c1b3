"""Simulated workers at work: an HTTP client that uses the very pages that people use.

They come by links that are signed with the installation's secret, so that nobody else can pass for one of them.

Requests that change something (join, accept, submit) are sent one at a time, always in the same order; reading a page
and judging it happens in a few threads meanwhile. So which worker gets which HIT does not depend on timing, and a run
that was interrupted goes on exactly where it stopped: it is always the turn of the worker who has done least.
"""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urlsplit

from tqdm import tqdm

from annotation.crowd_qualification import answer_test
from annotation.errors import InputError
from annotation.invitations import link_path
from annotation.models import Worker
from annotation.simulated_workers import (
    CrowdConfig,
    GoldScore,
    SimulatedWorker,
    choose,
    choose_strength,
    make_worker,
    rank,
    rate,
)

Judge = Callable[[str, str], GoldScore]
READERS = 3
TIMEOUT_S = 60
LINK_DAYS = 1
# Requests on one connection. It stays with the server process that took it, and all too often one process took all
# and did all the work; a new connection goes to whichever is idle.
REQUESTS_PER_CONNECTION = 16


@dataclass(slots=True)
class Page:
    """What a worker sees: texts by their place, radio values by question, where forms go, attributes of <main>."""

    texts: dict[str, str] = field(default_factory=dict)
    radios: dict[str, list[str]] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)
    hidden: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)


class PageReader(HTMLParser):
    """Reads a page into `page`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self._reading: str | None = None
        self._tag, self._depth = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "data-text" in values:
            self._reading = values["data-text"]
            self._tag, self._depth = tag, 1
            self.page.texts[self._reading] = ""
        elif self._reading is not None:
            self._depth += tag == self._tag
        elif tag == "main":
            self.page.data = {name[5:]: value for name, value in values.items() if name.startswith("data-")}
        elif tag == "form":
            self.page.actions.append(values.get("action", ""))
        elif tag == "input" and values.get("type") == "radio":
            self.page.radios.setdefault(values["name"], []).append(values["value"])
        elif tag == "input" and values.get("type") == "hidden":
            self.page.hidden.setdefault(values["name"], values.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if self._reading is not None:
            self._depth -= tag == self._tag
            if not self._depth:
                self._reading = None

    def handle_data(self, data: str) -> None:
        if self._reading is not None:
            self.page.texts[self._reading] += data


def read_page(body: str) -> Page:
    reader = PageReader()
    reader.feed(body)
    reader.close()
    return reader.page


class Connection:
    """One kept-alive connection a thread, renewed now and then; a request that finds it closed is sent once more.

    Sending again is safe: a submission that arrives twice is stored once, and a claim gives the same lease again.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"--url {url!r}: expected an address such as http://127.0.0.1:8000.")
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self._make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._netloc = parts.netloc
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def request(self, method: str, path: str, body: str | None, headers: Mapping[str, str]) -> "Reply":
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request(method, path, body, dict(headers))
                response = connection.getresponse()
                text = response.read().decode("utf-8")
                return Reply(
                    response.status, response.getheader("Location"), response.msg.get_all("Set-Cookie", []), text
                )
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                if attempt == 2:
                    raise InputError(f"{self.origin} does not answer ({error}); is the app being served?") from None
        raise AssertionError("unreachable")

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._make(self._netloc, timeout=TIMEOUT_S)
            self._local.requests = 0
            self._opened.append(self._local.connection)
        connection: http.client.HTTPConnection = self._local.connection
        if self._local.requests == REQUESTS_PER_CONNECTION:
            connection.close()  # the request that follows opens it anew
            self._local.requests = 0
        self._local.requests += 1
        return connection

    def close(self) -> None:
        for connection in self._opened:
            connection.close()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    location: str | None
    set_cookies: list[str]
    body: str


class Visitor:
    """One worker's browser: cookies, and the page that is open."""

    def __init__(self, connection: Connection, worker: SimulatedWorker) -> None:
        self.worker = worker
        self.page = Page()
        self._connection = connection
        self._cookies: dict[str, str] = {}

    def open(self, path: str) -> Page:
        """GET `path`, and what it redirects to."""
        for _ in range(5):
            reply = self._send("GET", path, None)
            if reply.location is None:
                self.page = read_page(reply.body)
                return self.page
            path = reply.location
        raise InputError(f"{self._connection.origin}{path} redirects in circles.")

    def post(self, action: str, fields: Mapping[str, str]) -> str:
        """POST a form of the open page; returns the address of the next page."""
        token = {"csrfmiddlewaretoken": self.page.hidden.get("csrfmiddlewaretoken", "")}
        reply = self._send("POST", action, urlencode(token | dict(fields)))
        if reply.location is None:
            raise InputError(f"{self._connection.origin}{action} answered {reply.status}; expected a redirection.")
        return reply.location

    def _send(self, method: str, path: str, body: str | None) -> Reply:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        reply = self._connection.request(method, path, body, headers)
        for line in reply.set_cookies:
            self._cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
        if reply.status == 403:
            raise InputError(
                f"{self._connection.origin} does not let the simulated workers in: links are signed with its secret, so"
                " run this with the same database and PREFLOOP_SECRET_KEY as the app."
            )
        if reply.status >= 400:
            raise InputError(f"{self._connection.origin}{path} answered {reply.status}; expected a page of a campaign.")
        return reply


def run_crowd(
    url: str,
    campaign: str,
    handles: Sequence[str],
    judge: Judge,
    config: CrowdConfig,
    seed: int,
    *,
    total: int | None = None,
) -> int:
    """Let the workers judge until nothing is left for any of them; returns how many HITs were judged.

    `total` is for the progress bar alone: how many are to be done.
    """
    connection = Connection(url)
    visitors = [Visitor(connection, make_worker(config, seed, handle)) for handle in handles]
    with (
        contextlib.closing(connection),
        ThreadPoolExecutor(READERS) as pool,
        tqdm(total=total, desc=campaign, unit="HIT", disable=None) as bar,
    ):
        next_pages = [_arrive(visitor, campaign, judge) for visitor in visitors]
        judged = [pool.submit(_read_and_judge, *pair, judge, config) for pair in zip(visitors, next_pages, strict=True)]
        count = 0
        for _ in _submit_in_turn(
            visitors, judged, lambda visitor, page: pool.submit(_read_and_judge, visitor, page, judge, config)
        ):
            count += 1
            bar.update()
    return count


def _arrive(visitor: Visitor, campaign: str, judge: Judge) -> str:
    """Landing, consent, the test if there is one, and the first claim; returns the address of the first assignment."""
    page = visitor.open(link_path(campaign, visitor.worker.handle, LINK_DAYS, source=Worker.Source.SIMULATION))
    join, accept, test = (f"/c/{campaign}/{step}/" for step in ("join", "accept", "qualification"))
    if join not in page.actions:
        raise InputError(f"campaign {campaign!r} is not open to workers; publish it first.")
    visitor.open(visitor.post(join, {"consent": "on"}))
    first = visitor.post(accept, {})
    if first != test:
        return first
    page = visitor.open(test)
    answers = answer_test(page.texts, page.radios, judge)
    visitor.open(visitor.post(f"{test}submit/", {"number": page.hidden.get("number", ""), **answers}))
    first = visitor.post(accept, {})
    if first == test:
        raise InputError(f"simulated worker {visitor.worker.handle!r} failed the qualification test of {campaign!r}.")
    return first


Judged = Future[Mapping[str, str]]


def _submit_in_turn(
    visitors: Sequence[Visitor], judged: list[Judged], read_next: Callable[[Visitor, str], Judged]
) -> Iterator[Visitor]:
    """Submit in rounds over all who still have a HIT, those who have done least first; yields after each submission."""
    active = dict(enumerate(judged))
    for future in judged:
        future.result()
    done = {index: int(visitors[index].page.data.get("done", 0)) for index in active}
    while active:
        turn = min(active, key=lambda index: (done[index], index))
        answers, visitor = active[turn].result(), visitors[turn]
        if not answers:
            del active[turn]  # the finish page
            continue
        next_page = visitor.post(visitor.page.actions[0], answers)
        active[turn] = read_next(visitor, next_page)
        done[turn] += 1
        yield visitor


def _read_and_judge(visitor: Visitor, path: str, judge: Judge, config: CrowdConfig) -> Mapping[str, str]:
    """The answers to the page at `path`, by question; none on the finish page."""
    page = visitor.open(path)
    if "hit" not in page.data:
        return {}
    return answer_page(page, visitor.worker, judge, config)


def answer_page(page: Page, worker: SimulatedWorker, judge: Judge, config: CrowdConfig) -> Mapping[str, str]:
    hit, prompt = page.data["hit"], page.texts["prompt"]
    if "completion" in page.texts:
        gold = judge(prompt, page.texts["completion"])
        scales = {question: [int(value) for value in values] for question, values in page.radios.items()}
        return {question: str(rate(worker, hit, question, gold, points)) for question, points in scales.items()}
    if "completion-1" in page.texts:
        return _answer_set(page, worker, judge, config)
    left, right = page.texts["left"], page.texts["right"]
    (question, offered), *further = page.radios.items()
    golds = judge(prompt, left), judge(prompt, right)
    answers = {question: choose(config, worker, hit, *golds, same_text=left == right, offered=offered)}
    if answers[question] in ("left", "right"):  # else its strength is not asked for
        for name, values in further:
            points = [int(value) for value in values]
            answers[name] = str(choose_strength(config, worker, hit, *golds, points))
    return answers


def _answer_set(page: Page, worker: SimulatedWorker, judge: Judge, config: CrowdConfig) -> Mapping[str, str]:
    """A place for each card; or, where there are two groups over all cards, the best and the worst of them."""
    texts = [text for name, text in page.texts.items() if name.startswith("completion-")]
    golds = [judge(page.texts["prompt"], text) for text in texts]
    names = list(page.radios)
    asks_extremes = names[0].endswith("-best")
    may_tie = "ties" in page.data and not asks_extremes
    places = rank(config, worker, page.data["hit"], golds, texts, may_tie=may_tie)
    if asks_extremes:
        best, worst = names
        return {best: str(1 + places.index(1)), worst: str(1 + places.index(len(texts)))}
    return {name: str(place) for name, place in zip(names, places, strict=True)}
