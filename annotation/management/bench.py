"""What a worker's cycle costs beside plain floors: the same server, database and clicking workers, in turn.

A cycle is a page opened and an answer sent, over HTTP through gunicorn. The bench also counts: what was acknowledged
must be stored, once, and no HIT may have more raters than it wants.
"""

import contextlib
import functools
import json
import os
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from annotation.databases import environment_of
from annotation.errors import InputError
from annotation.management.load import Tally, click
from annotation.management.temporary_postgres import temporary_postgres
from annotation.server import ROOT, running_server

FLOORS = ("bare", "stock")  # see bench_floor.py
FLOOR_APPLICATION, FLOOR_VARIABLE = "annotation.management.bench_floor", "PREFLOOP_BENCH_FLOOR"
CAMPAIGN, CAMPAIGN_HITS, PROCESSES, THREADS, CLAIM_TURNS = "bench", 20_000, 2, 4, 100
STORED = """
SELECT token, (SELECT COUNT(*) FROM annotation_judgment AS judgment WHERE judgment.assignment_id = assignment.id)
FROM annotation_assignment AS assignment WHERE state = 'submitted'
"""
OVERFILLED = """
SELECT hit.id FROM annotation_hit AS hit JOIN annotation_campaign AS campaign ON campaign.id = hit.campaign_id
LEFT JOIN annotation_assignment AS assignment ON assignment.hit_id = hit.id AND assignment.slot IS NOT NULL
WHERE campaign.name = 'bench' GROUP BY hit.id, hit.free_slots, campaign.raters_per_hit
HAVING COUNT(assignment.id) + hit.free_slots <> campaign.raters_per_hit
"""
MET_TWICE = "SELECT 1 FROM annotation_assignment GROUP BY worker_id, hit_id HAVING COUNT(*) > 1"


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """workers: who click at once. seconds: of clicking in each of `rounds`. hits: sizes at which claims are timed."""

    databases: tuple[str, ...] = ("sqlite", "postgresql")
    workers: int = 50
    seconds: float = 3.0
    rounds: int = 3
    hits: tuple[int, ...] = (1_000, 100_000)


def bench_annotation(config: BenchConfig, say: Callable[[str], None]) -> dict[str, Any]:
    """For each kind of database: app and floors under load, what was lost or doubled, and the time of a claim."""
    openers = {"sqlite": _sqlite, "postgresql": _postgresql}
    results = {}
    for kind in config.databases:
        if kind not in openers:
            raise InputError(f"--databases: expected {' or '.join(openers)}, found {kind!r}.")
        with openers[kind]() as (database, log):
            say(
                f"{kind}: {config.rounds} rounds of floors and app, {config.workers} workers, {config.seconds:g} s each"
            )
            results[kind] = bench_load(database, log, config) | {"claims": bench_claims(database, config)}
    return results


@contextlib.contextmanager
def _sqlite() -> Iterator[tuple[Path | str, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "bench.sqlite3"
        run_in(database, "from django.core.management import call_command; call_command('migrate', verbosity=0)")
        yield database, Path(folder) / "server.log"


@contextlib.contextmanager
def _postgresql() -> Iterator[tuple[Path | str, Path]]:
    with temporary_postgres() as server, tempfile.TemporaryDirectory() as folder:
        database = server.create_database("bench")
        run_in(database, "from django.core.management import call_command; call_command('migrate', verbosity=0)")
        yield database, Path(folder) / "server.log"


def bench_load(database: Path | str, log: Path, config: BenchConfig) -> dict[str, Any]:
    """All are served all the time, and loaded in turn, so that a machine whose speed drifts slows them alike."""
    run_in(
        database,
        f"from annotation.management.bench_claims import store_campaign\nstore_campaign({CAMPAIGN!r}, {CAMPAIGN_HITS})",
    )
    _create_floor(database)
    # All its workers sit behind one address, and send faster than any person.
    unlimited = {"PREFLOOP_RATE_LIMITS": "off"}
    serve = functools.partial(running_server, database, log=log, workers=PROCESSES, threads=THREADS)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in (*FLOORS, "app")}
    tallies: list[Tally] = []
    with contextlib.ExitStack() as servers:
        url = servers.enter_context(serve(environment=unlimited))
        floor_urls = {
            floor: servers.enter_context(serve(application=FLOOR_APPLICATION, environment={FLOOR_VARIABLE: floor}))
            for floor in FLOORS
        }
        for turn in range(config.rounds):
            handles = [f"worker-{turn}-{number}" for number in range(config.workers)]
            for floor, floor_url in floor_urls.items():
                rounds[floor].append(describe(*click(floor_url, "floor", handles, config.seconds)))
            seen, seconds = click(url, CAMPAIGN, handles, config.seconds)
            rounds["app"].append(describe(seen, seconds))
            tallies += seen
    return compare(rounds) | check_stored(database, tallies)


def _create_floor(database: Path | str) -> None:
    """The statements are read from the file: importing it would configure Django a second time."""
    source = (Path(__file__).parent / "bench_floor.py").read_text(encoding="utf-8")
    tables = source.split('TABLES = """')[1].split('"""')[0]
    moment = "datetime" if isinstance(database, Path) else "timestamp with time zone"
    with _open(database) as connection:
        for statement in tables.replace("{moment}", moment).split(";"):
            if statement.strip():
                connection.execute(statement)


def describe(tallies: Sequence[Tally], seconds: float) -> dict[str, float]:
    """Cycles a second, and milliseconds a request."""
    requests = sorted(1000 * each for tally in tallies for each in (*tally.open_s, *tally.send_s))
    cycles = sum(len(tally.acknowledged) for tally in tallies)
    if cycles == 0:
        raise InputError("no worker finished a cycle; give the bench more --seconds.")
    return {"cycles_per_s": cycles / seconds} | {f"p{p}_ms": requests[len(requests) * p // 100] for p in (50, 95, 99)}


def compare(rounds: Mapping[str, Sequence[dict[str, float]]]) -> dict[str, Any]:
    """Medians over the rounds, and the app's cycles a second as ratios to each floor's, round by round."""
    result: dict[str, Any] = {
        name: {measure: statistics.median(row[measure] for row in rows) for measure in rows[0]}
        for name, rows in rounds.items()
    }
    result["ratios"] = {}
    for floor in FLOORS:
        pairs = zip(rounds["app"], rounds[floor], strict=True)
        ratios = [mine["cycles_per_s"] / its["cycles_per_s"] for mine, its in pairs]
        result["ratios"][floor] = {"median": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
    return result


def check_stored(database: Path | str, tallies: Sequence[Tally]) -> dict[str, int]:
    """What was acknowledged and is not stored, what is stored twice, and HITs whose slots do not add up."""
    acknowledged = [token for tally in tallies for token in tally.acknowledged]
    with _open(database) as connection:
        stored = dict(connection.execute(STORED).fetchall())
        overfilled = connection.execute(OVERFILLED).fetchall()
        met_twice = connection.execute(MET_TWICE).fetchall()
    return {
        "acknowledged": len(acknowledged),
        "lost": sum(stored.get(token, 0) == 0 for token in acknowledged),
        "doubled": sum(count > 1 for count in stored.values()) + len(met_twice),
        "overfilled": len(overfilled),
    }


def is_sound(result: dict[str, Any]) -> bool:
    return result["lost"] == result["doubled"] == result["overfilled"] == 0


@contextlib.contextmanager
def _open(database: Path | str) -> Iterator[Any]:
    """A plain connection, committed at the end: what is counted should not come through the app's own code."""
    connection = sqlite3.connect(database) if isinstance(database, Path) else psycopg.connect(database)
    with contextlib.closing(connection), connection:
        yield connection


def bench_claims(database: Path | str, config: BenchConfig) -> dict[str, Any]:
    """Milliseconds (medians) by number of HITs, and the largest campaign's as ratios to the smallest's."""
    printed = run_in(
        database,
        "import json; from annotation.management.bench_claims import measure_claims\n"
        f"print(json.dumps(measure_claims({config.hits!r}, {CLAIM_TURNS})))",
    )
    seconds = json.loads(printed)
    rows: dict[str, Any] = {
        size: {f"{name}_ms": 1000 * statistics.median(times) for name, times in kinds.items()}
        for size, kinds in seconds.items()
    }
    least, most = rows[str(min(config.hits))], rows[str(max(config.hits))]
    return rows | {"largest_to_smallest": {name[:-3]: most[name] / least[name] for name in least}}


def run_in(database: Path | str, code: str) -> str:
    """What a process prints that runs `code` with the app's settings on `database`."""
    environment = os.environ | environment_of(database) | {"DJANGO_SETTINGS_MODULE": "annotation.settings"}
    environment.setdefault("PREFLOOP_SECRET_KEY", secrets.token_urlsafe(50))
    command = [sys.executable, "-c", f"import django; django.setup()\n{code}"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise InputError(f"the bench failed: {done.stderr[-1000:]}")
    return done.stdout
