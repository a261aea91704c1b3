"""The whole bench in miniature, by its command: every stage for real, interrupted, resumed, and the same again."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.demo.miniature import ROOT, finished_runs

MINIATURE = [
    "seed=3",
    "task.train=300",
    "task.validation=20",
    "task.test=20",
    "supervised.steps=80",
    "annotators.pairs=40",
    "annotators.workers=6",
    "reward_models.count=2",
    "reward_models.training.epochs=1",
    "best_of_n.prompts=6",
    "best_of_n.samples=8",
    "best_of_n.largest=8",
    "nlpo.runs=1",
    "nlpo.samples=2",
    "policy_set=['iterations=2', 'prompts=8', 'value_warmup=0', 'snapshots=[1]', 'evaluation.items=4', "
    "'optimiser.epochs=1']",
]


def bench_command(output: Path, *options: str) -> list[str]:
    settings = [word for setting in MINIATURE for word in ("--set", setting)]
    return [sys.executable, "manage.py", "bench_overoptimisation", "--output", str(output), *settings, *options]


def run_bench(output: Path, *options: str) -> dict:
    """Run the bench to its end; what it prints last."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [*bench_command(output, *options), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def interrupt_bench(output: Path, sign: Path) -> None:
    """Start the bench and send Ctrl-C's signal as soon as the file `sign` is there."""
    process = subprocess.Popen(
        bench_command(output), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 600
    while not sign.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.xdist_group("overoptimisation")
def test_the_bench_runs_resumes_after_an_interruption_and_repeats_itself(tmp_path: Path) -> None:
    straight, broken = tmp_path / "straight", tmp_path / "broken"
    printed = run_bench(straight)
    interrupt_bench(broken, broken / "nlpo" / "mean-free-0")  # a policy is done, others are under way or waiting
    assert not (broken / "results.json").exists()
    before = finished_runs(broken)
    run_bench(broken, "--resume")
    after = finished_runs(broken)
    assert {path: after[path] for path in before} == before, "nothing that was done was done again"
    assert (broken / "results.json").read_bytes() == (straight / "results.json").read_bytes()
    expect_outcome(straight, printed)


def expect_outcome(bench: Path, printed: dict) -> None:
    """Everything is written, simulated is called simulated, and page and tables tell what results.json does."""
    results = json.loads((bench / "results.json").read_text())
    assert results["simulated"] is True
    assert results["stages"]["votes"]["votes"] == 40 * 3
    rewards = ["single", "mean", "worst", "uncertainty"]
    assert list(results["best_of_n"]) == rewards == list(results["nlpo"]["free"]) == list(results["nlpo"]["penalised"])
    assert [row["n"] for row in results["best_of_n"]["worst"]] == [1, 2, 4, 8]
    for rows in results["nlpo"]["free"].values():
        assert [row["iteration"] for row in rows] == [0, 1, 2]
        assert rows[0]["kl_nats"] == rows[0]["gold"]["estimate"] == 0 < rows[-1]["kl_nats"]
    gains = results["gains_over_the_single_model"]
    at_the_end = next(row for row in gains if (row["penalty"], row["reward"]) == ("free", "worst"))
    worst, single = (results["nlpo"]["free"][reward][-1]["gold"]["estimate"] for reward in ("worst", "single"))
    expected = worst - single
    assert at_the_end["estimate"] == pytest.approx(expected)
    assert printed["gold_over_the_single_model"]["nlpo free worst"][0] == at_the_end["estimate"]
    with (bench / "tables" / "best_of_n.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 4 * 4
    assert {path.stem for path in (bench / "tables").iterdir()} == {"best_of_n", "nlpo", "nlpo_runs", "fits", "gains"}
    page = (bench / "report.html").read_text()
    assert "simulated annotators" in page and page.count("<figure>") == 1
    assert (bench / "overoptimisation.svg").is_file() and (bench / "overoptimisation.png").is_file()


def test_a_folder_with_something_in_it_is_not_touched_without_resume(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(CommandError, match="is not empty; pass --resume") as refused:
        call_command("bench_overoptimisation", "--output", str(tmp_path))
    assert refused.value.returncode == 2
    with pytest.raises(CommandError, match="is not a bench's"):
        call_command("bench_overoptimisation", "--output", str(tmp_path), "--resume")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
    with pytest.raises(CommandError, match="unknown key 'piars'; did you mean 'pairs'"):
        call_command("bench_overoptimisation", "--output", str(tmp_path / "new"), "--set", "annotators.piars=3")
    assert not (tmp_path / "new").exists()
