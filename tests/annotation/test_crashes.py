"""The web processes or the database are killed while ten workers click: what was acknowledged is there, once."""

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from annotation.management.load import click
from annotation.management.temporary_postgres import TemporaryPostgres
from annotation.server import running_server
from tests.annotation.conftest import run_python
from tests.annotation.test_concurrency import BEGIN, COUNT, PREPARE, check_slots

WORKERS, SECONDS = 10, 5.0
# So many that the load lasts as long as it is meant to.
HITS, RATERS = 2000, 3
pytestmark = pytest.mark.slow


def click_while(database: Path | str, log: Path, disaster: Callable[[], None]) -> tuple[list[str], int, dict[str, Any]]:
    """The assignments that were acknowledged, how many requests had to be sent again, and what is stored."""
    run_python(database, "-c", BEGIN + PREPARE.format(raters=RATERS, hits=HITS))
    handles = [f"worker-{number}" for number in range(WORKERS)]
    with running_server(database, log=log) as url, ThreadPoolExecutor(1) as pool:
        clicking = pool.submit(click, url, "race", handles, SECONDS, patient=True)
        time.sleep(SECONDS / 2)
        disaster()
        tallies, _ = clicking.result(120)
    stored = json.loads(run_python(database, "-c", BEGIN + COUNT))
    return [token for tally in tallies for token in tally.acknowledged], sum(x.resent for x in tallies), stored


def check_nothing_is_lost_or_doubled(acknowledged: list[str], stored: dict[str, Any]) -> None:
    assert len(set(acknowledged)) == len(acknowledged)
    assert Counter(token for token, _ in stored["votes"]) == Counter(acknowledged)
    submitted = {row["token"] for row in stored["assignments"] if row["state"] == "submitted"}
    assert submitted == set(acknowledged)
    check_slots(stored)


def kill_the_web_processes() -> None:
    """Both that gunicorn keeps: one of them alone may have nobody's request in hand. It starts others."""
    children = psutil.Process().children(recursive=True)
    for victim in [child for child in children if child.parent() in children and "gunicorn" in child.cmdline()]:
        victim.kill()


def test_web_processes_that_are_killed_lose_nothing(database: Path | str, tmp_path: Path) -> None:
    acknowledged, resent, stored = click_while(database, tmp_path / "log", kill_the_web_processes)
    assert resent > 0, "somebody was hit"
    check_nothing_is_lost_or_doubled(acknowledged, stored)


def test_a_database_that_is_killed_and_started_again_loses_nothing(postgres: TemporaryPostgres, tmp_path: Path) -> None:
    def kill_and_start_again() -> None:
        postgres.kill()
        time.sleep(0.5)
        postgres.start()

    database = postgres.create_database("killed", template="migrated")
    acknowledged, resent, stored = click_while(database, tmp_path / "log", kill_and_start_again)
    assert resent > 0, "somebody was hit"
    check_nothing_is_lost_or_doubled(acknowledged, stored)
