"""The cast: a small pairwise campaign, a small Likert campaign, and workers Ada, Bea and Cleo."""

import os
from collections.abc import Callable

import pytest

# Before settings are read: no test may leave a secret file beside a database of the working copy.
os.environ.setdefault("PREFLOOP_SECRET_KEY", "only for tests, never for a server")

from annotation import campaigns
from annotation.campaign_files import CampaignConfig, LikertRow, PairwiseRow
from annotation.models import Campaign, Worker
from annotation.task_templates import load_template

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


@pytest.fixture
def make_campaign(db: None) -> Callable[..., Campaign]:
    """A published campaign: `make_campaign(hits=3, kind="pairwise", **config)`."""

    def make(hits: int = 3, kind: str = "pairwise", **settings: object) -> Campaign:
        values: dict[str, object] = {"name": f"pilot-{kind}", "raters_per_hit": 2, "reward_per_hit": 0.25, **settings}
        config = CampaignConfig(task=f"commongen-{kind}", **values)  # type: ignore[arg-type]
        rows = pairwise_rows(hits) if kind == "pairwise" else likert_rows(hits)
        campaign = campaigns.create_campaign(config, load_template(config.task), rows)
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
