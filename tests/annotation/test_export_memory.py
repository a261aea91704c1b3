"""An export of any size takes the same memory."""

from pathlib import Path

import pytest

from tests.annotation.conftest import run_python

SETUP = """
import sys, django
django.setup()
from annotation.models import Assignment, Campaign, Judgment
"""
# Three texts of 4,000 characters a HIT, judged by three workers: 36 kB a HIT if each judgment had its own texts.
FILL = """
from django.utils import timezone
from annotation import campaigns
from annotation.campaign_files import CampaignConfig, PairwiseRow
from annotation.models import Worker
from annotation.task_templates import load_template
workers = [Worker.objects.create(handle=f"worker-{number}") for number in range(3)]
for name, count in (("small", 50), ("large", 2000)):
    rows = [
        PairwiseRow(f"i{n}", f"p{n}", f"prompt {n} " * 400, f"one {n} " * 600, f"two {n} " * 600, "s", "t")
        for n in range(count)
    ]
    config = CampaignConfig(name=name, task="commongen-pairwise", raters_per_hit=3)
    campaign = campaigns.create_campaign(config, load_template(config.task), rows)
    now = timezone.now()
    campaign.hits.update(free_slots=0)
    done = [
        Assignment(campaign=campaign, hit=hit, worker=worker, state="submitted", slot=slot, left="a", accepted_at=now,
                   leased_until=now, submitted_at=now, active_seconds=9.0)
        for hit in campaign.hits.all() for slot, worker in enumerate(workers, start=1)
    ]
    Assignment.objects.bulk_create(done, batch_size=1000)
    Judgment.objects.bulk_create(
        [Judgment(assignment=assignment, question="preference", choice="a") for assignment in done], batch_size=1000
    )
"""
EXPORT = """
from pathlib import Path
from annotation.exports import export_judgments
peaks = []
for name in ("small", "large"):
    export_judgments(Campaign.objects.get(name=name), Path(sys.argv[1]) / name)
    peaks.append(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024)
print(peaks[1] - peaks[0])
"""


# Linux tells the peak of a process since it began; getrusage counts in that of whoever started it.
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc")
@pytest.mark.slow
def test_a_large_export_takes_little_more_memory_than_a_small_one(migrated_file: Path, tmp_path: Path) -> None:
    database = tmp_path / "filled.sqlite3"
    database.write_bytes(migrated_file.read_bytes())
    run_python(database, "-c", SETUP + FILL)
    grown_mebibytes = float(run_python(database, "-c", SETUP + EXPORT, str(tmp_path)))
    assert grown_mebibytes < 25  # all records at once would take some 70
    assert (tmp_path / "large" / "manifest.json").is_file()
