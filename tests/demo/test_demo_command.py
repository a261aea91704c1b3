"""The whole loop in miniature, by its command: every stage for real, interrupted, resumed, and the same again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# Enough supervised steps that some completions use all concepts; everything else as small as it can be.
MINIATURE = [
    "task.train=900",
    "task.validation=20",
    "task.test=60",
    "supervised.steps=420",
    "supervised.early_steps=40",
    "policy_set=['iterations=3', 'prompts=16', 'value_warmup=1', 'snapshots=[2]', 'evaluation.items=8']",
    "first_vote.pairs=40",
    "first_vote.workers=6",
    "reward_model.epochs=2",
    "best_of.samples=4",
    "best_of.prompts=8",
    "second_vote.items=12",
    "second_vote.workers=6",
    "likert.items=5",
    "likert.workers=6",
    "trajectory_items=6",
]


def demo_command(output: Path) -> list[str]:
    settings = [word for setting in MINIATURE for word in ("--set", setting)]
    return [sys.executable, "manage.py", "demo", "--seed", "3", "--output", str(output), *settings, "--json"]


def run_demo(output: Path) -> dict:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(demo_command(output), cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def interrupt_after(output: Path, stage: str) -> None:
    """Start the demo and send Ctrl-C's signal as soon as `stage` has finished and the next is under way."""
    process = subprocess.Popen(
        demo_command(output), cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 600
    while not (output / "results" / f"{stage}.json").exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_loop_runs_resumes_after_an_interruption_and_repeats_itself(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    interrupt_after(first, "supervised")
    assert not (first / "summary.json").exists()
    headline = run_demo(first)
    run_demo(second)
    assert (first / "summary.json").read_bytes() == (second / "summary.json").read_bytes()
    summary = json.loads((first / "summary.json").read_text())
    assert summary["first-vote"]["votes"] == 40 * 3
    contest = summary["second-vote"]["c_against_b"]
    assert contest["wins_a"] + contest["wins_b"] + contest["ties"] == 12 * 3
    assert headline["second_vote_c_against_b"]["wins_b"] == contest["wins_b"]
    assert set(summary["gold"]["gold"]) == {"zero-shot", "supervised", "nlpo", "supervised+nlpo", "arm-b", "arm-c"}
    assert set(summary["likert"]["questions"]) == {"quality", "fluency"}
    page = (first / "report.html").read_text()
    assert "The workers are simulated" in page
    assert page.count("<svg") >= 8
    again = time.monotonic()
    run_demo(first)
    assert time.monotonic() - again < 120  # nothing is trained a second time


def run_command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "manage.py", *map(str, words)], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["demo", "--set", "first_vote.piars=3"], "unknown key 'piars'; did you mean 'pairs'?"),
        (["demo", "--experiment", "absent.yaml"], "absent.yaml: no such file"),
        (["train_policy", "rl/configs/commongen-mini-nlpo.yaml", "--set", "kl.taget=3"], "did you mean 'target'?"),
        (["train_reward_model", "absent", "--base-model", "x"], "absent: no such folder; expected an export"),
        (["train_supervised", "--task", "commongen-mini", "--data", "absent"], "expected one item a line as JSON"),
        (["generate_samples", "absent", "--task", "commongen-mini", "--data", "absent"], "absent"),
        (["score_texts", "absent", "absent.jsonl"], "absent.jsonl: no such file"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else None,
)
def test_bad_input_gets_one_sentence_exit_code_2_and_leaves_nothing(
    tmp_path: Path, words: list[str], sentence: str
) -> None:
    output = tmp_path / "output"
    done = run_command(*words, "--output", output)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
