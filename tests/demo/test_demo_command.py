"""The whole loop in miniature, by its command: every stage for real, interrupted, resumed, and the same again."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.demo.miniature import ROOT, interrupt_demo, run_demo


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_the_loop_runs_resumes_after_an_interruption_and_repeats_itself(tmp_path: Path, finished_demo: Path) -> None:
    first = tmp_path / "first"
    interrupt_demo(first, first / "results" / "supervised.json")
    assert not (first / "summary.json").exists()
    headline = run_demo(first)
    assert (first / "summary.json").read_bytes() == (finished_demo / "summary.json").read_bytes()
    summary = json.loads((first / "summary.json").read_text())
    assert summary["first-vote"]["votes"] == (40 + 10) * 3
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
