"""Workers who only click, as fast as the server answers: for benches and for tests that kill things.

The client shares the machine with the server it measures, so it does as little as it can: plain sockets, no parsing
beyond what the next request needs.
"""

import re
import socket
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from annotation.errors import InputError

TIMEOUT_S = 60
# A connection stays with the server process that took it, so it is renewed now and then (see crowd_client.py).
REQUESTS_PER_CONNECTION = 16
PATIENCE_S, PAUSE_S = 60, 0.05
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LOCATION = re.compile(rb"\r\nlocation: *([^\r]+)", re.IGNORECASE)
COOKIE = re.compile(rb"\r\nset-cookie: *([^=]+)=([^;\r]*)", re.IGNORECASE)
SUBMIT = re.compile(rb'action="([^"]+/work/([^"/]+)/submit/)"')


@dataclass(slots=True)
class Tally:
    """What one worker saw: seconds of each page opened and each answer sent, and the assignments acknowledged."""

    open_s: list[float] = field(default_factory=list)
    send_s: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    resent: int = 0
    is_finished: bool = False  # the campaign had nothing more for this worker


class Browser:
    """Cookies and one connection. A patient one sends again what was lost or refused while the server was away."""

    def __init__(self, url: str, patient: bool) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._patient = patient
        self._socket: socket.socket | None = None
        self._requests = 0
        self._cookies: dict[str, str] = {}
        self.resent = 0

    def open(self, path: str) -> bytes:
        return self._request("GET", path, "")[1]

    def post(self, path: str, **fields: str) -> str:
        """Send a form; the address of the next page."""
        fields["csrfmiddlewaretoken"] = self._cookies.get("csrftoken", "")
        head, _ = self._request("POST", path, urlencode(fields))
        found = LOCATION.search(head)
        if found is None:
            raise InputError(f"{path} answered {head[:15].decode()}; expected a redirection.")
        return found[1].decode()

    def _request(self, method: str, path: str, body: str) -> tuple[bytes, bytes]:
        """Head and body of the answer."""
        give_up = time.monotonic() + PATIENCE_S
        while True:
            reason: object
            try:
                head, answer = self._exchange(method, path, body)
                if head[9:10] in b"23":
                    self._cookies |= {name.decode(): value.decode() for name, value in COOKIE.findall(head)}
                    return head, answer
                reason = head[:15].decode()
            except OSError as error:
                reason = error
            self.close()
            if not self._patient or time.monotonic() > give_up:
                raise InputError(f"{method} {path}: {reason}; expected a page of the app.")
            self.resent += 1
            time.sleep(PAUSE_S)

    def _exchange(self, method: str, path: str, body: str) -> tuple[bytes, bytes]:
        if self._requests % REQUESTS_PER_CONNECTION == 0:
            self.close()
        self._requests += 1
        if self._socket is None:
            self._socket = socket.create_connection(self._address, TIMEOUT_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._address[0]}\r\nCookie: {cookies}\r\n"
        if method == "POST":
            head += f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n"
        self._socket.sendall(f"{head}\r\n{body}".encode())
        return self._receive(self._socket)

    @staticmethod
    def _receive(connection: socket.socket) -> tuple[bytes, bytes]:
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += _receive_some(connection)
        head, body = received[:end], received[end + 4 :]
        length = LENGTH.search(head)
        while len(body) < (int(length[1]) if length else 0):
            body += _receive_some(connection)
        return head, body

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _receive_some(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    if not received:
        raise ConnectionResetError("the server closed the connection")
    return received


def click(
    url: str, campaign: str, handles: Sequence[str], seconds: float, *, patient: bool = False
) -> tuple[list[Tally], float]:
    """Let all the workers click for some seconds, at once; what each saw, and the seconds that it really took.

    All arrive and agree first, which is not counted.
    """
    ready = threading.Barrier(len(handles) + 1)
    with ThreadPoolExecutor(len(handles)) as pool:
        running = [pool.submit(_click, Browser(url, patient), campaign, handle, seconds, ready) for handle in handles]
        ready.wait(PATIENCE_S + TIMEOUT_S)
        started = time.monotonic()
        tallies = [future.result() for future in running]
        return tallies, time.monotonic() - started


def _click(browser: Browser, campaign: str, handle: str, seconds: float, ready: threading.Barrier) -> Tally:
    try:
        browser.open(f"/c/{campaign}/?worker={handle}")
        browser.post(f"/c/{campaign}/join/", consent="on")
        path = browser.post(f"/c/{campaign}/accept/")
    except BaseException:
        ready.abort()
        raise
    tally = Tally()
    ready.wait(PATIENCE_S + TIMEOUT_S)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not tally.is_finished:
        path = _judge(browser, path, tally)
    browser.close()
    tally.resent = browser.resent
    return tally


def _judge(browser: Browser, path: str, tally: Tally) -> str:
    """Open the page at `path` and send an answer; the address of the next page."""
    started = time.perf_counter()
    page = SUBMIT.search(browser.open(path))
    opened = time.perf_counter()
    if page is None:
        tally.is_finished = True
        return path
    following = browser.post(page[1].decode(), preference="left", active_seconds="0")
    tally.open_s.append(opened - started)
    tally.send_s.append(time.perf_counter() - opened)
    tally.acknowledged.append(page[2].decode())
    return following
