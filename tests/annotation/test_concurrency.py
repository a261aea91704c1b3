"""Several processes at one SQLite file: never more than k, never a HIT twice, nothing lost."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PROCESSES, HITS, RATERS = 4, 40, 3
ROOT = Path(__file__).parent.parent.parent

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
COUNT = """
import json
from annotation.models import Assignment, Judgment
rows = list(Assignment.objects.values_list("hit_id", "slot", "worker_id"))
print(json.dumps([rows, Judgment.objects.count()]))
"""


def start(database: Path, code: str) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PREFLOOP_DATABASE": str(database),
        "DJANGO_SETTINGS_MODULE": "annotation.settings",
        "PYTHONPATH": str(ROOT),
    }
    code = "import django; django.setup()\n" + code
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def output_of(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output


@pytest.mark.slow
def test_processes_that_claim_at_once_never_overfill_or_double_a_hit(tmp_path: Path) -> None:
    database = tmp_path / "race.sqlite3"
    output_of(start(database, "from django.core.management import call_command; call_command('migrate', verbosity=0)"))
    output_of(start(database, PREPARE.format(raters=RATERS, hits=HITS)))
    racers = [start(database, WORK.format(number=number)) for number in range(PROCESSES)]
    done = [json.loads(output_of(racer)) for racer in racers]
    assert all(len(set(hits)) == len(hits) for hits in done), "a worker met a HIT twice"
    per_hit = Counter(hit for hits in done for hit in hits)
    assert len(per_hit) == HITS
    assert set(per_hit.values()) == {RATERS}
    assignments, judgments = json.loads(output_of(start(database, COUNT)))
    assert judgments == len(assignments) == HITS * RATERS, "what was acknowledged is stored, once"
    assert len({(hit, slot) for hit, slot, _ in assignments}) == HITS * RATERS
