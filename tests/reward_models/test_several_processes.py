"""The command, started by a launcher in two processes, does what it does in one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from reward_models.scoring import load_scorer
from tests.reward_models.pairs import make_pairs

ROOT = Path(__file__).parent.parent.parent
PAIRS = make_pairs(61, "train")


def write_pairs(path: Path) -> Path:
    keys = ("pair", "prompt", "completion_a", "completion_b", "votes_a", "votes_b")
    path.write_text("".join(json.dumps({key: getattr(pair, key) for key in keys}) + "\n" for pair in PAIRS))
    return path


def run(launcher: list[str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *launcher, "manage.py", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )


def launcher(count: int) -> list[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--cpu", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    command = ["-m", "accelerate.commands.accelerate_cli", "launch", *options]
    return [*command, f"--num_processes={count}", f"--main_process_port={port}"]


@pytest.mark.slow
def test_two_processes_train_what_one_trains(base: Path, tmp_path: Path) -> None:
    """Batches of seven in microbatches of two: no number is even, and of the last batch one process has nothing."""
    pairs = write_pairs(tmp_path / "pairs.jsonl")
    options = ["--base-model", base, "--epochs", 3, "--batch", 7, "--microbatch", 2, "--dropout", 0, "--json"]
    options += ["--learning-rate", 1e-3, "--margin", 0.2]
    for name, start in (("one", []), ("two", launcher(2))):
        finished = run(start, "train_reward_model", pairs, *options, "--output", tmp_path / name)
        assert finished.returncode == 0, finished.stderr[-3000:]
        # The first process alone says what came of it.
        assert finished.stdout.count("validation_log_loss") == 1
    one, two = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    )
    assert len(one) >= 3
    for row, other in zip(one, two, strict=True):
        assert other == pytest.approx(row, rel=1e-3, abs=1e-4)  # float32 sums in another order, grown by AdamW's steps
    prompts, completions = [pair.prompt for pair in PAIRS], [pair.completion_a for pair in PAIRS]
    scores = [load_scorer(tmp_path / name)(prompts, completions) for name in ("one", "two")]
    np.testing.assert_allclose(scores[0], scores[1], atol=2e-3)


def test_bad_input_ends_with_a_sentence_and_leaves_nothing(base: Path, tmp_path: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs.jsonl")
    command = ["train_reward_model", str(pairs), f"--output={tmp_path / 'run'}", f"--base-model={base}"]
    for wrong, sentence in (("--learning-rate=0", "learning_rate: expected"), ("--layout=scalar", "cannot read")):
        with pytest.raises(CommandError, match=sentence) as raised:
            call_command(*command, wrong)
        assert raised.value.returncode == 2
        assert not list(tmp_path.glob("run*"))


@pytest.mark.slow
def test_two_processes_measure_the_curve_that_one_measures(base: Path, tmp_path: Path) -> None:
    """One process scores and writes while the other waits in the next training."""
    pairs = write_pairs(tmp_path / "pairs.jsonl")
    options = ["--base-model", base, "--epochs", 2, "--batch", 7, "--dropout", 0, "--learning-rate", 1e-3, "--json"]
    options += ["--shares", 0.5, 1]
    found = []
    for name, start in (("one", []), ("two", launcher(2))):
        finished = run(start, "measure_learning_curve", pairs, *options, "--output", tmp_path / name)
        assert finished.returncode == 0, finished.stderr[-3000:]
        assert finished.stdout.count("votes_before") == 1
        found.append(json.loads((tmp_path / name / "results.json").read_text())["sizes"])
    for one, two in zip(*found, strict=True):
        assert (one["pairs"], one["runs"][0]["steps"]) == (two["pairs"], two["runs"][0]["steps"])
        expected = pytest.approx(one["measures"]["log_loss"], abs=2e-3)  # float32 sums, grown by AdamW's steps
        assert two["measures"]["log_loss"] == expected
