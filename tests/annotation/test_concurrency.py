"""Several processes at one database, of either kind: never more than k, never a HIT twice, nothing lost."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.annotation.conftest import run_python, start_python

PROCESSES, HITS, RATERS = 4, 40, 3
pytestmark = pytest.mark.slow

BEGIN = "import django; django.setup()\n"
PREPARE = """
from tests.annotation.conftest import pairwise_rows
from annotation import campaigns
from annotation.campaign_files import CampaignConfig
from annotation.task_templates import load_template
config = CampaignConfig(name="race", task="commongen-pairwise", raters_per_hit={raters})
campaigns.publish(campaigns.create_campaign(config, load_template(config.task), pairwise_rows({hits})))
"""
WORK = """
import json
from annotation.assignments import Answer, claim, submit_and_claim
from annotation.models import Campaign, Worker
campaign, worker = Campaign.objects.get(), Worker.objects.create(handle="worker-{number}")
done = []
assignment = claim(campaign, worker)
while assignment is not None:
    done.append(assignment.hit_id)
    _, assignment = submit_and_claim(assignment, worker, [Answer("preference", choice="a")])
print(json.dumps(done))
"""
# Three tabs of each worker, in threads. They see the same assignments and send what they like; and the clock of each
# is wrong by up to two hours, in either direction, so that leases run out at any moment.
ROUGH_WORK = """
import json, random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from django.db import connection
from django.utils import timezone
from annotation.assignments import Answer, claim, give_back, submit_and_claim
from annotation.models import Campaign, Worker

campaign = Campaign.objects.get()
worker = Worker.objects.get_or_create(handle="worker-{number}")[0]

def tab(seed):
    chance, sent = random.Random(seed), []
    def clock():
        return timezone.now() + timedelta(minutes=chance.randint(-120, 120))
    while (assignment := claim(campaign, worker, clock())) is not None:
        if chance.random() < 0.1:
            give_back(assignment)
            continue
        choice = chance.choice("ab")
        for _ in range(chance.randint(1, 2)):
            receipt, _ = submit_and_claim(assignment, worker, [Answer("preference", choice=choice)], now=clock())
            sent.append([receipt.assignment, receipt.kind, choice])
    connection.close()
    return sent

with ThreadPoolExecutor(3) as pool:
    seeds = [{number}, 100 + {number}, 200 + {number}]
    print(json.dumps([row for sent in pool.map(tab, seeds) for row in sent]))
"""
COUNT = """
import json
from annotation.models import HIT, Assignment, Judgment
rows = list(Assignment.objects.values("token", "hit_id", "slot", "worker_id", "state", "kind"))
free = dict(HIT.objects.values_list("pk", "free_slots"))
votes = list(Judgment.objects.values_list("assignment__token", "choice"))
print(json.dumps({"assignments": rows, "free": free, "votes": votes}))
"""


def race(database: Path | str, work: str) -> tuple[list[Any], dict[str, Any]]:
    """What each of the processes printed, and what the database holds afterwards."""
    run_python(database, "-c", BEGIN + PREPARE.format(raters=RATERS, hits=HITS))
    racers = [start_python(database, "-c", BEGIN + work.format(number=number)) for number in range(PROCESSES)]
    printed = []
    for racer in racers:
        output, errors = racer.communicate(timeout=200)
        assert racer.returncode == 0, errors
        printed.append(json.loads(output))
    return printed, json.loads(run_python(database, "-c", BEGIN + COUNT))


def check_slots(stored: dict[str, Any]) -> None:
    held = Counter(row["hit_id"] for row in stored["assignments"] if row["slot"] is not None)
    assert all(held[int(hit)] + free == RATERS for hit, free in stored["free"].items())
    slots = [(row["hit_id"], row["slot"]) for row in stored["assignments"] if row["slot"] is not None]
    assert len(set(slots)) == len(slots)
    meetings = [(row["hit_id"], row["worker_id"]) for row in stored["assignments"]]
    assert len(set(meetings)) == len(meetings), "a worker met a HIT twice"


def test_processes_that_claim_at_once_never_overfill_or_double_a_hit(database: Path | str) -> None:
    done, stored = race(database, WORK)
    assert all(len(set(hits)) == len(hits) for hits in done), "a worker met a HIT twice"
    per_hit = Counter(hit for hits in done for hit in hits)
    assert len(per_hit) == HITS
    assert set(per_hit.values()) == {RATERS}
    assert len(stored["votes"]) == len(stored["assignments"]) == HITS * RATERS, "what was acknowledged is stored, once"
    check_slots(stored)


def test_double_tabs_wrong_clocks_and_skipping_neither_lose_nor_double_anything(database: Path | str) -> None:
    sent, stored = race(database, ROUGH_WORK)
    check_slots(stored)
    votes = dict(stored["votes"])
    assert len(votes) == len(stored["votes"]), "one vote each"
    acknowledged: dict[str, set[str]] = {}
    for token, kind, choice in (row for rows in sent for row in rows):
        acknowledged.setdefault(token, set()).add(choice)
        assert kind in ("work", "surplus")
    assert votes.keys() == acknowledged.keys(), "stored is what was acknowledged"
    assert all(votes[token] in choices for token, choices in acknowledged.items())
    states = {row["token"]: row["state"] for row in stored["assignments"]}
    assert {token for token, state in states.items() if state == "submitted"} == votes.keys()
