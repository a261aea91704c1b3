"""The bench of workers' models: it times what it says, and refuses what it cannot."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from analysis.management.worker_bench import BenchConfig, make_ratings


def test_it_times_every_step() -> None:
    output = io.StringIO()
    call_command("bench_workers", labels=500, json=True, stdout=output, stderr=io.StringIO())
    results = json.loads(output.getvalue().splitlines()[-1])
    assert list(results) == [
        "dawid-skene, 100 steps",
        "dawid-skene, one coin, 100 steps",
        "mace, 10 restarts, converged",
        "measures and flags",
    ]
    assert all(time["cpu_seconds"] > 0 for time in results.values())


def test_nobody_answers_a_unit_twice() -> None:
    table = make_ratings(BenchConfig(labels=1000))
    assert len(table) == 1000
    assert not table.duplicated(["hit", "worker"]).any()


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(CommandError, match="--labels 10: expected at least 100"):
        call_command("bench_workers", labels=10)
