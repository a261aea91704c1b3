"""The bench of alpha: every step is timed, and sizes that make no table are refused."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from analysis.management.agreement_bench import CASES, MOST_POINTS_OF_PEER


def test_every_case_is_timed_step_by_step() -> None:
    output = io.StringIO()
    call_command("bench_agreement", units=40, raters=3, draws=5, json=True, stdout=output, stderr=io.StringIO())
    results = json.loads(output.getvalue().splitlines()[-1])
    for name in CASES:
        has_peer = CASES[name].points <= MOST_POINTS_OF_PEER
        peer = ["alpha by krippendorff"] if has_peer else []
        assert list(results[name]) == ["count", "alpha", "bootstrap", *peer]
        assert all(step["seconds"] > 0 and step["cpu_seconds"] >= 0 for step in results[name].values())
    assert results["peak_mb"] > 10


@pytest.mark.parametrize(("option", "value"), [("units", 1), ("raters", 1), ("draws", 0)])
def test_a_size_without_a_table_is_refused(option: str, value: int) -> None:
    with pytest.raises(CommandError, match=f"--{option} {value}: expected at least") as refusal:
        call_command("bench_agreement", **{option: value}, stdout=io.StringIO(), stderr=io.StringIO())
    assert refusal.value.returncode == 2
