"""The whole loop in miniature, by its command: every stage for real, interrupted, resumed, and the same again."""

import json
import sys
from pathlib import Path

import pytest

import manage
from tests.demo.miniature import finished_runs, interrupt_demo, run_demo


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.xdist_group("demo")
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
    assert page.count("<figure>") >= 8
    runs = finished_runs(first)
    assert len(runs) >= 7  # the task, the supervised policy, the reward model and four arms
    run_demo(first)
    assert finished_runs(first) == runs, "nothing is trained a second time"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["demo", "--set", "first_vote.piars=3"], "unknown key 'piars'; did you mean 'pairs'?"),
        (["demo", "--experiment", "absent.yaml"], "absent.yaml: no such file"),
        (["train_policy", "rl/configs/commongen-mini-nlpo.yaml", "--set", "kl.taget=3"], "did you mean 'target'?"),
        (["train_reward_model", "absent", "--base-model", "x"], "absent: no such folder or file; expected an export"),
        (["train_supervised", "--task", "commongen-mini", "--data", "absent"], "expected one item a line as JSON"),
        (["generate_samples", "absent", "--task", "commongen-mini", "--data", "absent"], "absent"),
        (["score_texts", "absent", "absent.jsonl"], "absent.jsonl: no such file"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else None,
)
def test_bad_input_gets_one_sentence_exit_code_2_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    sentence: str,
) -> None:
    """By the command line's own entry, in this process: one of its own would spend seconds on imports."""
    monkeypatch.setattr(sys, "argv", ["manage.py", *words, "--output", str(tmp_path / "output")])
    with pytest.raises(SystemExit) as stopped:
        manage.main()
    assert stopped.value.code == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
