"""The dry run of a campaign: every bad row, what the good ones would cost, and nothing stored."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from annotation import table_files
from annotation.models import Campaign
from tests.annotation.conftest import ROOT
from tests.annotation.test_commands import CONFIG, ROW, fails_with

Check = Callable[..., None]


@pytest.fixture
def check(db: None, tmp_path: Path) -> Check:
    """`check(rows)` writes both files and runs create_campaign with --dry-run; a text is a file as it stands."""

    def run(rows: list[Any] | str, suffix: str = ".jsonl", **options: Any) -> None:
        (tmp_path / "campaign.yaml").write_text(CONFIG + "reward_per_hit: 0.15\n")
        items = tmp_path / f"items{suffix}"
        text = rows if isinstance(rows, str) else "".join(json.dumps(row) + "\n" for row in rows)
        items.write_text(text, newline="")
        call_command("create_campaign", str(tmp_path / "campaign.yaml"), items=items, **{"dry_run": True} | options)

    return run


def last_line(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_it_says_what_the_campaign_will_ask_for(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    check([ROW, ROW | {"pair": "p2"}, ROW | {"pair": "p3", "item": "i2", "prompt": "cat"}], json=True)
    assert last_line(capsys) == {
        "campaign": "pilot", "rows_good": 3, "rows_bad": 0, "items": 2, "hits": 3, "assignments_wanted": 6,
        "expected_cost_usd": "0.90", "expected_hours": round(6 * 20 / 3600, 2),
    }  # fmt: skip
    assert not Campaign.objects.exists()


def test_it_names_every_bad_row_and_not_only_the_first_five(
    check: Check, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = [ROW | {"pair": f"p{number}", "prompt": " "} for number in range(7)]
    rows = [ROW, *bad, ROW, "no object"]
    report = tmp_path / "bad.csv"
    fails_with(lambda: check(rows, report=report, json=True), "9 problems in its rows")
    *named, numbers = capsys.readouterr().out.splitlines()
    assert named == [
        *(f"line {line}: prompt: expected text, found only blanks" for line in range(2, 9)),
        "line 9: pair: the same as on line 1",
        "line 10: expected a JSON object, found 'no object'",
    ]
    assert (json.loads(numbers)["rows_good"], json.loads(numbers)["rows_bad"]) == (1, 9)
    with report.open(newline="") as stream:
        header, *lines = csv.reader(stream)
    assert header == ["line", "field", "reason"]
    assert [line[0] for line in lines] == [str(line) for line in range(2, 11)]
    assert lines[7] == ["9", "pair", "the same as on line 1"]
    fails_with(lambda: check(rows, report=report), "bad.csv exists already")
    assert not Campaign.objects.exists()


def test_a_real_creation_points_to_the_dry_run(check: Check) -> None:
    fails_with(lambda: check([ROW | {"pair": ""}] * 7, dry_run=False), r"and 2 more \(--dry-run lists all\)")
    fails_with(lambda: check([ROW], dry_run=False, report=Path("bad.csv")), "expected --dry-run beside it")


def test_it_finds_what_creation_would_refuse(check: Check) -> None:
    check([ROW], dry_run=False)
    fails_with(lambda: check([ROW]), "campaign 'pilot' exists already")
    Campaign.objects.all().delete()
    fails_with(lambda: check(""), "holds no items")


def test_texts_lines_and_files_have_bounds(
    check: Check, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_files, "MOST_ROW", 250_000)
    long = ROW | {"pair": "p2", "completion_a": "x" * 200_001}
    longer = ROW | {"pair": "p3", "completion_a": "x" * 800_000}
    fails_with(lambda: check([ROW, long, longer, ROW | {"pair": "p4", "references": ["x" * 200_001]}]), "3 problems")
    assert capsys.readouterr().out.splitlines()[:3] == [
        "line 2: completion_a: expected at most 200,000 characters, found 200,001",
        "line 3: expected at most 250,000 characters on a line",
        "line 4: references: expected at most 200,000 characters, found 200,001",
    ]
    header = ",".join(ROW)
    long_cell = ",".join(ROW.values()) + "x" * 250_001
    fails_with(
        lambda: check(f"{header}\n{long_cell}\n", ".csv"), "items.csv is not valid CSV after line 1: field larger than"
    )
    monkeypatch.setattr(settings, "MAX_INPUT_BYTES", 10)
    fails_with(lambda: check([ROW]), r"bytes; expected at most 10 \(PREFLOOP_MAX_INPUT_MB\)")


def test_a_text_longer_than_pythons_own_limit_for_csv_is_read(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ROW | {"completion_a": "x" * 150_000}
    check(f"{','.join(cells)}\n{','.join(cells.values()).replace('dog, run', 'dog')}\n", ".csv", json=True)
    assert last_line(capsys)["rows_good"] == 1


def test_it_names_what_is_wrong_in_a_csv(check: Check, capsys: pytest.CaptureFixture[str]) -> None:
    header, line = ",".join(ROW), "i,p,prompt,a text, with a comma,b,s,t"
    fails_with(lambda: check(f"{header}\n{line}\ni,p,prompt\n", ".csv"), "5 problems")
    assert capsys.readouterr().out.splitlines()[:2] == [
        "line 2: has 8 cells where the header has 7",
        "line 3: completion_a: expected text, found nothing",
    ]
    fails_with(lambda: check(f"{header},pair\n{line}\n", ".csv"), "the header has the column 'pair' twice")


def test_references_in_a_csv_are_a_list_or_one_text(check: Check) -> None:
    lines = ['i,p,dog,a,b,s,t,"[""one"", ""two""]"', "j,q,dog,a,b,s,t,5", "k,r,dog,a,b,s,t,A dog."]
    check("\n".join((",".join((*ROW, "references")), *lines)), ".csv", dry_run=False)
    stored = Campaign.objects.get().items.order_by("key").values_list("references", flat=True)
    assert list(stored) == [["one", "two"], ["5"], ["A dog."]]


MEASURE = """
import sys, django
django.setup()
from pathlib import Path
from annotation.campaign_files import ItemsCheck, check_items
from annotation.task_templates import load_template
seen = ItemsCheck(load_template("generic-pairwise"))
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
before = peak()
problems = sum(1 for found in check_items(Path(sys.argv[1]), seen) if not hasattr(found, "item"))
print(seen.good, problems, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc")
def test_the_texts_of_a_long_file_are_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    text = "x" * 4000
    with path.open("w") as stream:
        for number in range(8000):  # 64 MB of texts
            row = ROW | {"item": f"i{number}", "pair": f"p{number}", "completion_a": text, "completion_b": text + "."}
            stream.write(json.dumps(row) + "\n")
    code = f"import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'annotation.settings'\n{MEASURE}"
    output = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, cwd=ROOT, check=True)
    good, problems, mebibytes = map(int, output.stdout.split())
    assert (good, problems) == (8000, 0)
    assert mebibytes < 16


def test_the_bound_of_a_file_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFLOOP_MAX_INPUT_MB", "lots")
    command = [sys.executable, "manage.py", "campaign_status", "pilot"]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode != 0
    assert "PREFLOOP_MAX_INPUT_MB: expected a whole number of MiB, found 'lots'" in run.stderr
