"""The bench of votes: every step is timed, peers say the same, and sizes that bound no strengths are refused."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from analysis.management.vote_bench import CASES


def test_every_case_is_timed_and_a_peer_has_our_strengths() -> None:
    output = io.StringIO()
    call_command("bench_votes", votes=2000, systems=4, draws=5, json=True, stdout=output, stderr=io.StringIO())
    results = json.loads(output.getvalue().splitlines()[-1])
    for name in CASES:
        assert list(results[name]) == ["count", "fit", "bootstrap"]
        assert all(step["seconds"] > 0 and step["cpu_seconds"] >= 0 for step in results[name].values())
    assert results["peers"]["statsmodels, Logit"]["largest_difference"] < 1e-5
    assert results["peak_mb"] > 10


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"votes": 10}, "--votes 10: expected at least 1000"),
        ({"votes": 1000, "systems": 9}, "--votes 1000: expected at least 4050 for 9 systems"),
        ({"draws": 0}, "--draws 0: expected at least 1"),
    ],
)
def test_a_size_that_bounds_no_strengths_is_refused(options: dict, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as refusal:
        call_command("bench_votes", **options, stdout=io.StringIO(), stderr=io.StringIO())
    assert refusal.value.returncode == 2
