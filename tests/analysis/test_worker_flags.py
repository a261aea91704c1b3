"""Flags: Holm's correction, planted bad workers found, and honest crowds left alone as often as promised."""

import numpy as np
import pandas as pd

from analysis.worker_flags import flag_workers
from analysis.worker_habits import measure_gold, measure_left_share, measure_monotony, measure_speed
from analysis.worker_measures import WorkerMeasure
from analysis.workers import correlate_with_others, match_majority, measure_severity
from tests.analysis.crowds import make_ratings_of_crowd, make_votes_of_crowd

RATINGS = {"unit": "unit", "worker": "worker", "value": "value"}


def measures_of_ratings(table: pd.DataFrame) -> list[WorkerMeasure]:
    return [
        correlate_with_others(table, **RATINGS, cluster="item"),
        measure_monotony(table, **RATINGS),
        measure_speed(table, hit="unit", worker="worker", seconds="seconds"),
    ]


def measures_of_votes(table: pd.DataFrame) -> list[WorkerMeasure]:
    return [
        match_majority(table, unit="pair", worker="worker", value="choice"),
        measure_left_share(table, worker="worker", left="left", choice="choice"),
        measure_gold(table, worker="worker", value="choice", expected="truth"),
    ]


def test_each_planted_fault_is_flagged_and_nobody_else() -> None:
    table = make_ratings_of_crowd(items=80, severity=0.3)
    generator = np.random.default_rng(0)
    table.loc[table["worker"] == "worker 01", "value"] = 4
    is_random = table["worker"] == "worker 02"
    table.loc[is_random, "value"] = generator.integers(1, 6, int(is_random.sum()))
    table.loc[table["worker"] == "worker 03", "seconds"] /= 20
    flags = flag_workers([measure_severity(table, **RATINGS), *measures_of_ratings(table)])
    found = {(flag.worker, flag.flag) for flag in flags.flags}
    assert found == {("worker 01", "monotony"), ("worker 02", "agreement"), ("worker 03", "speed")}
    assert flags.reading.startswith("3 of 10 workers are flagged, which is a hint to look and no verdict: worker 01 ")
    assert set(flags.rules) == {"agreement", "monotony", "speed"}
    assert flags.to_frame()["p_holm"].max() <= 0.05


def test_faults_in_votes_are_flagged() -> None:
    table = make_votes_of_crowd(pairs=250).assign(truth="a")
    table["choice"] = np.where(table["pair"].str[-1].isin(list("02468")), "a", "b")
    table["truth"] = table["choice"]
    one_sided = table["worker"] == "worker 04"
    table.loc[one_sided, "choice"] = table.loc[one_sided, "left"]
    flags = flag_workers(measures_of_votes(table))
    assert {(flag.worker, flag.flag) for flag in flags.flags} == {
        ("worker 04", "agreement"), ("worker 04", "gold"), ("worker 04", "left_share")
    }  # fmt: skip
    assert flags.flagged == ("worker 04",)


def test_an_honest_crowd_is_left_alone_in_nineteen_studies_of_twenty() -> None:
    """Severity differs between workers, so they are no copies of each other; 40 studies of 10 workers each."""
    wrong = dict.fromkeys(("agreement", "monotony", "speed"), 0)
    for seed in range(40):
        flags = flag_workers(measures_of_ratings(make_ratings_of_crowd(items=25, severity=0.4, seed=seed)))
        for name in {flag.flag for flag in flags.flags}:
            wrong[name] += 1
    # Binomial(40, .05) is at most 6 with a probability of .99.
    assert max(wrong.values()) <= 6


def test_honest_votes_are_left_alone_in_nineteen_studies_of_twenty() -> None:
    wrong = dict.fromkeys(("agreement", "left_share"), 0)
    for seed in range(40):
        table = make_votes_of_crowd(seed=seed).assign(truth=None)
        for name in {flag.flag for flag in flag_workers(measures_of_votes(table)).flags}:
            wrong[name] += 1
    assert max(wrong.values()) <= 6


def test_the_side_rule_wrongly_flags_single_workers_as_often_as_it_says() -> None:
    """Without the correction: at most .05 a worker, and not far below with many votes."""
    votes = pd.DataFrame({"worker": np.repeat(np.arange(1000), 200), "left": "a"})
    votes["choice"] = np.random.default_rng(0).choice(["a", "b"], len(votes))
    p_values = measure_left_share(votes, worker="worker", left="left", choice="choice").to_frame()["p_value"]
    assert 0.03 <= (p_values <= 0.05).mean() <= 0.05 + 0.02  # three standard errors


def test_too_few_answers_flag_nobody() -> None:
    table = make_ratings_of_crowd(items=2)
    flags = flag_workers(measures_of_ratings(table))
    assert flags.flags == ()
    assert flags.reading == f"None of the {flags.workers} workers is flagged."
    assert flag_workers([]).reading == "No worker has answers enough for a flag."
