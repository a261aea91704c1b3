"""The whole loop in miniature, by its command: every stage for real, and as small as it can be."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# Enough supervised steps that some completions use all concepts; everything else as small as it can be.
MINIATURE = [
    "task.train=900",
    "task.validation=20",
    "task.test=60",
    "supervised.steps=340",
    "supervised.early_steps=40",
    "policy_set=['iterations=3', 'prompts=16', 'value_warmup=1', 'snapshots=[2]', 'evaluation.items=8']",
    "first_vote.pairs=40",
    "first_vote.incomplete_pairs=10",
    "first_vote.workers=6",
    "reward_model.epochs=2",
    "best_of.samples=4",
    "best_of.prompts=8",
    "second_vote.items=12",
    "second_vote.workers=6",
    "likert.items=5",
    "likert.workers=6",
    "trajectory_items=6",
    "controls.shuffled_models=2",
    "controls.shuffled_policies=2",
]


def demo_command(output: Path, *options: str) -> list[str]:
    settings = [word for setting in MINIATURE for word in ("--set", setting)]
    command = [sys.executable, "manage.py", "demo", "--seed", "3", "--output", str(output), *settings, "--json"]
    return [*command, *options]


def run_demo(output: Path, *options: str) -> dict:
    """Run the demo to its end; what it prints last."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(demo_command(output, *options), cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def interrupt_demo(output: Path, result: Path, *options: str) -> None:
    """Start the demo and send Ctrl-C's signal as soon as the file `result` is there and the next stage under way."""
    process = subprocess.Popen(
        demo_command(output, *options),
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 600
    while not result.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0


def finished_runs(demo: Path) -> dict[Path, int]:
    """When each run folder in `demo` was finished: a run's environment is written last, and once."""
    records = [path for path in demo.rglob("*/environment.json") if not path.parent.name.endswith(".partial")]
    return {path: path.stat().st_mtime_ns for path in records if path.parent != demo}
