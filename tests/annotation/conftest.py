"""The cast: a pairwise campaign, a Likert campaign, workers Ada, Bea and Cleo; and a database of each kind."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from django.conf import settings

# Before settings are read: no test may leave a secret file beside a database of the working copy.
os.environ.setdefault("PREFLOOP_SECRET_KEY", secrets.token_urlsafe(50))
# Tests send faster than any person, all from one address; those of the limits set them.
os.environ.setdefault("PREFLOOP_RATE_LIMITS", "off")

from annotation import campaigns
from annotation.campaign_files import CampaignConfig, ItemRow, LikertRow, PairwiseRow, SetRow
from annotation.databases import environment_of
from annotation.errors import InputError
from annotation.management.temporary_postgres import TemporaryPostgres, temporary_postgres
from annotation.models import Campaign, Worker
from annotation.task_templates import load_template

settings.RATE_LIMITS = {}  # this process has read its settings before the environment above

ROOT = Path(__file__).parent.parent.parent
SYSTEMS = ("supervised", "supervised+nlpo")


def pairwise_rows(count: int) -> list[PairwiseRow]:
    return [
        PairwiseRow(
            item=f"item-{number}",
            pair=f"pair-{number}",
            prompt=f"dog {number}, park, run",
            completion_a=f"A dog {number} runs <b>in</b> the park.",
            completion_b=f"A park {number} runs & in the dog.",
            system_a=SYSTEMS[number % 2],
            system_b=SYSTEMS[1 - number % 2],
        )
        for number in range(count)
    ]


def likert_rows(count: int) -> list[LikertRow]:
    return [
        LikertRow(f"item-{number}", f"dog {number}, run", f"A dog {number} runs.", system, (f"Dog {number} ran.",))
        for number in range(count)
        for system in SYSTEMS
    ]


def set_rows(count: int, size: int = 4) -> list[SetRow]:
    """Sets of which the first text is the best by the tests' judge, and each further one worse."""
    ends = ("in the park", "on the grass", "up the <i>hill</i>", "& back", "home", "away")
    return [
        SetRow(
            item=f"item-{number}",
            set=f"bundle-{number}",
            prompt=f"dog {number}, run",
            completions=tuple(f"A dog {number} runs {end}." for end in ends[:size]),
            systems=tuple(f"secret-{place}" for place in range(size)),
        )
        for number in range(count)
    ]


ROWS: dict[str, Callable[[int], Sequence[ItemRow]]] = {
    "pairwise": pairwise_rows, "likert": likert_rows, "ranking": set_rows, "best_worst": set_rows,
}  # fmt: skip
TASKS = {
    "pairwise": "commongen-pairwise", "likert": "commongen-likert", "ranking": "generic-ranking",
    "best_worst": "generic-best-worst",
}  # fmt: skip


@pytest.fixture
def make_campaign(db: None) -> Callable[..., Campaign]:
    """A published campaign: `make_campaign(hits=3, kind="pairwise", **config)`."""

    def make(hits: int = 3, kind: str = "pairwise", **settings: object) -> Campaign:
        values: dict[str, object] = {
            "name": f"pilot-{kind}".replace("_", "-"),
            "raters_per_hit": 2,
            "reward_per_hit": 0.25,
            **settings,
        }
        config = CampaignConfig(task=TASKS[kind], **values)  # type: ignore[arg-type]
        campaign = campaigns.create_campaign(config, load_template(config.task), ROWS[kind](hits))
        campaigns.publish(campaign)
        return campaign

    return make


@pytest.fixture
def ada(db: None) -> Worker:
    return Worker.objects.create(handle="ada")


@pytest.fixture
def bea(db: None) -> Worker:
    return Worker.objects.create(handle="bea")


@pytest.fixture
def cleo(db: None) -> Worker:
    return Worker.objects.create(handle="cleo")


def run_python(database: Path | str, *arguments: str, timeout: float = 120) -> str:
    """What `python ARGUMENTS` prints, run on `database`: the path of a SQLite file, or a DATABASE_URL."""
    process = start_python(database, *arguments)
    output, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, errors
    return output


def start_python(database: Path | str, *arguments: str) -> subprocess.Popen[str]:
    environment = os.environ | environment_of(database) | {"DJANGO_SETTINGS_MODULE": "annotation.settings"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True, cwd=ROOT)


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    """A PostgreSQL server with a migrated database `migrated`, to be copied."""
    try:
        with temporary_postgres() as server:
            run_python(server.create_database("migrated"), "manage.py", "migrate", "--verbosity", "0")
            yield server
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "migrated.sqlite3"
    run_python(path, "manage.py", "migrate", "--verbosity", "0")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A migrated database of either kind: the path of a SQLite file, or a DATABASE_URL."""
    if request.param == "postgresql":
        server: TemporaryPostgres = request.getfixturevalue("postgres")
        return server.create_database(f"copy-{os.urandom(6).hex()}", template="migrated")
    path = tmp_path / "copy.sqlite3"
    path.write_bytes(request.getfixturevalue("migrated_file").read_bytes())
    return path
