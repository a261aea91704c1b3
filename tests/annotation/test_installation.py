"""What a server refuses to start with, and what it refuses to read: real processes, real HTTP."""

import http.client
import os
import secrets
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from annotation.errors import InputError
from annotation.secret_key import check_secret, read_or_create_secret
from annotation.server import running_server
from tests.annotation.conftest import ROOT

pytestmark = pytest.mark.slow
STRONG = secrets.token_urlsafe(50)


def start(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PREFLOOP_")} | environment
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=120)


WEAK = {
    "only for tests, never for a server": "found 34 characters",
    "x": "found 1 characters",
    "x" * 80: "the same few characters",
    "change me, please " * 5: "the same few characters",
    "django-insecure-" + string.ascii_letters: "found an example's",
}


@pytest.mark.parametrize("secret", WEAK)
def test_a_secret_that_could_be_guessed_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(InputError) as caught:
        check_secret(secret, source="PREFLOOP_SECRET_KEY")
    assert WEAK[secret] in str(caught.value)
    assert secret not in str(caught.value) or secret == "x"
    check_secret(STRONG, source="PREFLOOP_SECRET_KEY")
    check_secret(secrets.token_hex(25), source="PREFLOOP_SECRET_KEY")


def test_a_weak_secret_in_the_file_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "study.sqlite3.secret"
    path.write_text("short")
    with pytest.raises(InputError, match=r"study\.sqlite3\.secret: found 5 characters"):
        read_or_create_secret(path)


def test_the_server_does_not_start_with_a_weak_secret_unless_it_is_debugged(tmp_path: Path) -> None:
    database = {"PREFLOOP_DATABASE": str(tmp_path / "study.sqlite3")}
    weak = {"PREFLOOP_SECRET_KEY": "only for tests, never for a server", **database}
    refused = start("serve", "--port", "0", **weak)
    assert refused.returncode == 2
    assert refused.stderr.startswith("PREFLOOP_SECRET_KEY: found 34 characters; expected a random text")
    assert refused.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [], "nothing was made"
    assert start("check", **weak, PREFLOOP_DEBUG="1").returncode == 0


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"PREFLOOP_RATE_LIMITS": "send=fast"}, "PREFLOOP_RATE_LIMITS: expected off, or DOOR=PERSON/ADDRESS"),
        ({"PREFLOOP_PROXIES": "one"}, "PREFLOOP_PROXIES: expected a number such as 1, found 'one'"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(environment: dict[str, str], message: str) -> None:
    refused = start("check", **environment)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert message in refused.stderr


def test_djangos_own_check_of_a_deployment_has_nothing_to_say() -> None:
    checked = start(
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
        PREFLOOP_HTTPS="1",
        PREFLOOP_SECRET_KEY=STRONG,
        PREFLOOP_ALLOWED_HOSTS="study.example",
    )
    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout


@pytest.fixture(scope="module")
def server(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Behind HTTPS, for another host, with few new workers allowed: as in production, asked without the proxy."""
    database = tmp_path_factory.mktemp("installation") / "study.sqlite3"
    database.write_bytes(migrated_file.read_bytes())
    environment = {
        "PREFLOOP_HTTPS": "1",
        "PREFLOOP_ALLOWED_HOSTS": "study.example",
        "PREFLOOP_RATE_LIMITS": "join=1000/7",
    }
    with running_server(database, workers=3, environment=environment) as url:
        yield url


def ask(url: str, method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers of one request as the proxy would send it, on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    sent = {"Host": "study.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1", **headers}
    connection.request(method, path, body, sent)
    response = connection.getresponse()
    answer = (response.status, response.read().decode(), dict(response.getheaders()))
    connection.close()
    return answer


# As a page of ours would send it: with the token of the form in the cookie.
TOKEN = secrets.token_hex(16)
FROM_US = {"Cookie": f"csrftoken={TOKEN}", "Origin": "https://study.example", "X-CSRFToken": TOKEN}
FORM = {"Content-Type": "application/x-www-form-urlencoded", **FROM_US}


def test_a_form_that_is_too_large_is_refused_with_a_page(server: str) -> None:
    status, page, headers = ask(server, "POST", "/c/pilot/join/", "comment=" + "x" * 200_000, **FORM)
    assert status == 413
    assert "That was too much at once" in page and "Traceback" not in page
    assert "default-src 'self'" in headers["Content-Security-Policy"]


def test_a_form_with_too_many_fields_or_a_file_is_refused_with_a_page(server: str) -> None:
    many = urlencode([(f"field-{number}", "x") for number in range(300)])
    upload = '--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nfile\r\n--x--\r\n'
    for body, kind in ((many, FORM), (upload, {"Content-Type": "multipart/form-data; boundary=x", **FROM_US})):
        status, page, _ = ask(server, "POST", "/c/pilot/join/", body, **kind)
        assert (status, "Not understood" in page) == (400, True)


def test_long_addresses_and_headers_are_refused_before_they_reach_the_app(server: str) -> None:
    assert ask(server, "GET", "/" + "x" * 5000)[0] in (400, 414)
    assert ask(server, "GET", "/", Cookie="x" * 9000)[0] in (400, 431)
    assert ask(server, "GET", "/", **{f"X-Header-{number}": "x" for number in range(80)})[0] in (400, 431)


def test_all_processes_of_a_server_count_together(server: str) -> None:
    def knock(address: str) -> int:
        return ask(server, "POST", "/c/no-such-study/join/", "", **FORM, **{"X-Forwarded-For": address})[0]

    assert [knock("198.51.100.7") for _ in range(12)] == [404] * 7 + [429] * 5
    assert knock("198.51.100.8") == 404


def test_behind_https_cookies_are_secure_and_plain_http_is_sent_to_https(server: str) -> None:
    status, _, headers = ask(server, "GET", "/requester/login/")
    assert status == 200
    assert "Secure" in headers["Set-Cookie"] and "HttpOnly" in headers["Set-Cookie"]
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
    status, _, headers = ask(server, "GET", "/requester/", **{"X-Forwarded-Proto": "http"})
    assert (status, headers["Location"]) == (301, "https://study.example/requester/")
