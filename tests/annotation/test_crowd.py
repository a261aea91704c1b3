"""The crowd over real HTTP: complete, the same on every run, and able to go on after an interruption."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from annotation.crowd_client import REQUESTS_PER_CONNECTION, Connection, run_crowd
from annotation.errors import InputError
from annotation.record_readers import read_comparisons, read_ratings
from annotation.records import Comparison, Rating
from annotation.server import running_server
from annotation.simulated_workers import CrowdConfig
from tests.annotation.conftest import likert_rows, pairwise_rows
from tests.annotation.test_simulated_workers import Gold

ROOT = Path(__file__).parent.parent.parent
CROWD = CrowdConfig(spammer_share=0.2)
HANDLES = [f"worker-{number}" for number in range(5)]
pytestmark = pytest.mark.slow


def judge(prompt: str, completion: str) -> Gold:
    assert prompt.startswith("dog "), "the page's own text, nothing around it"
    return Gold(plausibility=float(completion.startswith("A dog")))


class InterruptedVoteError(Exception):
    pass


def manage(database: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PREFLOOP_DATABASE": str(database)}
    command = [sys.executable, "manage.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database with one pairwise and one Likert campaign, to be copied."""
    folder = tmp_path_factory.mktemp("crowd")
    database = folder / "empty.sqlite3"
    assert manage(database, "migrate", "--verbosity", "0").returncode == 0
    for kind, rows in (("pairwise", pairwise_rows(8)), ("likert", likert_rows(3))):
        items = folder / f"{kind}.jsonl"
        items.write_text("".join(f"{line}\n" for line in map(_to_json, rows)))
        config = folder / f"{kind}.yaml"
        config.write_text(f"name: {kind}\ntask: commongen-{kind}\nraters_per_hit: 3\nseed: 7\n")
        created = manage(database, "create_campaign", config, "--items", items)
        assert created.returncode == 0, created.stderr
    return database


def _to_json(row: Any) -> str:
    return json.dumps(dataclasses.asdict(row))


def hold_vote(
    empty: Path, folder: Path, *, seed: int = 3, judge: Callable[[str, str], Gold] = judge, interrupt: bool = False
) -> tuple[list[Comparison], list[Rating]]:
    """Both campaigns judged by the same crowd; what the exports hold."""
    folder.mkdir()
    database = folder / "vote.sqlite3"
    database.write_bytes(empty.read_bytes())
    with running_server(database) as url:
        if interrupt:
            with pytest.raises(InterruptedVoteError):
                run_crowd(url, "pairwise", HANDLES, _judge_that_breaks(), CROWD, seed)
        for campaign in ("pairwise", "likert"):
            run_crowd(url, campaign, HANDLES, judge, CROWD, seed)
    for campaign in ("pairwise", "likert"):
        exported = manage(database, "export_judgments", campaign, "--output", folder / campaign)
        assert exported.returncode == 0, exported.stderr
    return read_comparisons(folder / "pairwise"), read_ratings(folder / "likert")


def _judge_that_breaks() -> Callable[[str, str], Gold]:
    calls = 0

    def judge_then_break(prompt: str, completion: str) -> Gold:
        nonlocal calls
        calls += 1
        if calls > 22:
            raise InterruptedVoteError
        return judge(prompt, completion)

    return judge_then_break


def without_ids(records: Sequence[Any]) -> list[dict[str, Any]]:
    """What two runs must share: everything but ids, durations and, in place of pseudonyms, who is the same person."""
    persons: dict[str, int] = {}
    rows = []
    for record in records:
        row = dataclasses.asdict(record) | {"worker": persons.setdefault(record.worker, len(persons))}
        rows.append({key: value for key, value in row.items() if key not in ("assignment", "active_seconds")})
    return rows


def test_the_same_seed_gives_the_same_export_even_after_an_interruption(empty_database: Path, tmp_path: Path) -> None:
    once = hold_vote(empty_database, tmp_path / "once")
    again = hold_vote(empty_database, tmp_path / "again", interrupt=True)
    assert without_ids(once[0]) == without_ids(again[0])
    assert without_ids(once[1]) == without_ids(again[1])
    comparisons, ratings = once
    assert set(Counter(c.pair for c in comparisons).values()) == {3}
    assert set(Counter((r.hit, r.question) for r in ratings).values()) == {3}
    assert {c.left for c in comparisons} == {"a", "b"}
    other_seed, _ = hold_vote(empty_database, tmp_path / "other", seed=4)
    assert [c.choice for c in other_seed] != [c.choice for c in comparisons]


def test_the_crowd_says_what_is_wrong_with_an_address(tmp_path: Path, empty_database: Path) -> None:
    with pytest.raises(InputError, match="expected an address"):
        run_crowd("nowhere", "pairwise", HANDLES, judge, CROWD, 1)
    with pytest.raises(InputError, match="does not answer"):
        run_crowd("http://127.0.0.1:9", "pairwise", HANDLES, judge, CROWD, 1)
    database = tmp_path / "vote.sqlite3"
    database.write_bytes(empty_database.read_bytes())
    with running_server(database) as url, pytest.raises(InputError, match=r"/c/nothing/.* answered 404"):
        run_crowd(url, "nothing", HANDLES, judge, CROWD, 1)


def test_a_connection_is_kept_for_some_requests_and_then_renewed() -> None:
    ports = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections

        def do_GET(self) -> None:
            ports.append(self.client_address[1])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = Connection(f"http://127.0.0.1:{server.server_port}")
        for _ in range(3 * REQUESTS_PER_CONNECTION):
            assert connection.request("GET", "/", None, {}).status == 200
        connection.close()
        server.shutdown()
    assert list(Counter(ports).values()) == [REQUESTS_PER_CONNECTION] * 3


def test_the_server_leaves_with_a_parent_that_is_killed(tmp_path: Path, empty_database: Path) -> None:
    database = tmp_path / "vote.sqlite3"
    database.write_bytes(empty_database.read_bytes())
    code = (
        "import sys, time; from pathlib import Path; from annotation.server import running_server\n"
        "with running_server(Path(sys.argv[1])) as url: print(url, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, database], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    url = parent.stdout.readline().strip()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=2).close()
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("the server outlived its parent")
