"""Measures of workers: plain loops, known crowds, coverage, and what must not change them."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score

from analysis.intervals import wilson_interval
from analysis.worker_habits import measure_gold, measure_left_share, measure_monotony, measure_speed
from analysis.worker_measures import WorkerMeasure, WorkerValue, wilson_bounds
from analysis.workers import correlate_with_others, match_majority, measure_severity
from annotation.errors import InputError
from tests.analysis.crowds import make_ratings_of_crowd, make_votes_of_crowd

RATINGS = {"unit": "unit", "worker": "worker", "value": "value"}
VOTES = {"unit": "pair", "worker": "worker", "value": "choice"}


def of(measure: WorkerMeasure, worker: Any) -> WorkerValue:
    (found,) = [value for value in measure.values if value.worker == worker]
    return found


def others_of(table: pd.DataFrame, row: Any) -> pd.DataFrame:
    return table[(table["unit"] == row.unit) & (table["worker"] != row.worker)]


def test_severity_equals_its_definition_in_a_plain_loop() -> None:
    table = make_ratings_of_crowd(items=12, severity=0.6)
    own = table[table["worker"] == "worker 03"]
    deviation = np.array([row.value - others_of(table, row)["value"].mean() for row in own.itertuples()])
    mean, count = deviation.mean(), len(own)
    sums = pd.Series(deviation - mean).groupby(own["item"].to_numpy()).sum()
    error = math.sqrt(len(sums) / (len(sums) - 1) * (sums**2).sum()) / count
    half = stats.t.ppf(0.975, len(sums) - 1) * error
    ours = of(measure_severity(table, **RATINGS, cluster="item"), "worker 03")
    assert (ours.estimate, ours.low, ours.high) == pytest.approx((mean, mean - half, mean + half))
    assert (ours.count, ours.details["items"]) == (count, len(sums))


def test_without_clusters_the_interval_is_students() -> None:
    table = make_ratings_of_crowd(items=12)
    own = table[table["worker"] == "worker 03"]
    deviation = [row.value - others_of(table, row)["value"].mean() for row in own.itertuples()]
    expected = stats.ttest_1samp(deviation, 0).confidence_interval()
    ours = of(measure_severity(table, **RATINGS), "worker 03")
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high))


def test_severity_finds_the_severe_and_its_intervals_cover() -> None:
    """A crowd without severity: intervals hold 0 in 95 cases of 100."""
    covered = [
        value.low <= 0 <= value.high
        for seed in range(25)
        for value in measure_severity(make_ratings_of_crowd(items=20, seed=seed), **RATINGS, cluster="item").values
    ]
    assert len(covered) == 250
    assert 0.91 <= np.mean(covered) <= 0.99  # three standard errors
    table = make_ratings_of_crowd(items=60)
    harsh = table.assign(value=table["value"] - 1.0 * (table["worker"] == "worker 07"))
    measure = measure_severity(harsh, **RATINGS, cluster="item")
    assert of(measure, "worker 07").estimate == pytest.approx(-1, abs=0.2)
    assert of(measure, "worker 07").high < -0.5


def test_shrinking_draws_towards_zero_and_helps() -> None:
    """Known severities, few answers: the shrunken estimate is closer to them."""
    generator = np.random.default_rng(0)
    severity = dict(zip([f"worker {code:02d}" for code in range(10)], generator.normal(0, 0.3, 10), strict=True))
    raw, shrunken = [], []
    for seed in range(15):
        table = make_ratings_of_crowd(items=10, seed=seed)
        table["value"] = table["value"] + table["worker"].map(severity)
        for value in measure_severity(table, **RATINGS, cluster="item").values:
            truth = severity[value.worker] - np.mean(
                [other for name, other in severity.items() if name != value.worker]
            )
            raw.append((value.estimate - truth) ** 2)
            shrunken.append((value.details["shrunken"] - truth) ** 2)
            assert abs(value.details["shrunken"]) <= abs(value.estimate)
    assert np.mean(shrunken) < 0.9 * np.mean(raw)


def test_a_crowd_without_differences_has_no_spread() -> None:
    spreads = [
        measure_severity(make_ratings_of_crowd(items=30, severity=size), **RATINGS).values[0].details["spread"]
        for size in (0.0, 0.5)
    ]
    assert spreads[0] < 0.12
    assert 0.25 < spreads[1] < 0.9


def test_agreement_of_ratings_is_pearsons_with_the_mean_of_the_others() -> None:
    table = make_ratings_of_crowd(items=15)
    own = table[table["worker"] == "worker 03"]
    others = [others_of(table, row)["value"].mean() for row in own.itertuples()]
    r = stats.pearsonr(own["value"], others)
    measure = correlate_with_others(table, **RATINGS)
    ours = of(measure, "worker 03")
    interval = r.confidence_interval()
    assert (ours.estimate, ours.low, ours.high) == pytest.approx((r.statistic, interval.low, interval.high))
    weights = {value.worker: value.count - 3 for value in measure.values if value.worker != "worker 03"}
    z = sum(weights[name] * np.arctanh(of(measure, name).estimate) for name in weights) / sum(weights.values())
    assert ours.details["others"] == pytest.approx(np.tanh(z))
    assert ours.p_value == 1  # above chance


def test_agreement_of_votes_is_the_share_with_the_others_majority() -> None:
    table = make_votes_of_crowd().assign(unit=lambda rows: rows["pair"])
    own, theirs = [], []
    for row in table[table["worker"] == "worker 03"].itertuples():
        shares = others_of(table, row)["choice"].value_counts()
        if len(shares) == 1 or shares.iloc[0] > shares.iloc[1]:
            own.append(row.choice)
            theirs.append(shares.index[0])
    ours = of(match_majority(table, **VOTES), "worker 03")
    matches = sum(mine == other for mine, other in zip(own, theirs, strict=True))
    assert (ours.estimate, ours.count) == (pytest.approx(matches / len(own)), len(own))
    assert (ours.low, ours.high) == pytest.approx(wilson_interval(matches, len(own)))
    assert ours.details["kappa"] == pytest.approx(cohen_kappa_score(own, theirs))


def test_the_p_of_agreement_is_exact_against_chance_and_against_the_other_workers() -> None:
    """Four workers on forty pairs: three nearly always agree, the fourth as often as a coin."""
    choices = {"ada": "a" * 20 + "b" * 20, "bea": "a" * 20 + "b" * 20, "cleo": "a" * 19 + "b" * 21, "dora": "ab" * 20}
    table = pd.DataFrame(
        [(pair, name, choice) for name, given in choices.items() for pair, choice in enumerate(given)],
        columns=["pair", "worker", "choice"],
    )
    measure = match_majority(table, **VOTES)
    dora = of(measure, "dora")
    assert (dora.estimate, dora.count) == (pytest.approx(0.5), 40)
    others = [of(measure, name) for name in ("ada", "bea", "cleo")]
    crowd = sum(other.estimate * other.count for other in others) / sum(other.count for other in others)
    assert dora.details["others"] == pytest.approx(crowd)
    assert dora.details["p_chance"] == pytest.approx(stats.binomtest(20, 40, 0.5, alternative="greater").pvalue)
    assert dora.p_value == pytest.approx(stats.binomtest(20, 40, crowd, alternative="less").pvalue)
    assert {other.p_value for other in others} == {1.0}


def test_who_answers_at_random_is_told_from_the_others() -> None:
    table, votes = make_ratings_of_crowd(items=80), make_votes_of_crowd(pairs=600)
    generator = np.random.default_rng(1)
    is_random = table["worker"] == "worker 05"
    table["value"] = np.where(is_random, generator.integers(1, 6, len(table)), table["value"])
    votes["choice"] = np.where(
        votes["worker"] == "worker 05", generator.choice(["a", "b"], len(votes)), votes["choice"]
    )
    for measure in (correlate_with_others(table, **RATINGS, cluster="item"), match_majority(votes, **VOTES)):
        p_values = {value.worker: value.p_value for value in measure.values}
        assert p_values.pop("worker 05") < 0.005
        assert min(p_values.values()) > 0.2


def test_wilsons_bounds_are_scipys() -> None:
    lows, highs = wilson_bounds(np.array([0.0, 3, 10, 0]), np.array([5.0, 9, 10, 0]))
    for place, (successes, trials) in enumerate(((0, 5), (3, 9), (10, 10))):
        assert (lows[place], highs[place]) == pytest.approx(wilson_interval(successes, trials))
    assert math.isnan(lows[3])


def test_monotony_counts_the_most_frequent_value_and_what_others_give_there() -> None:
    table = make_ratings_of_crowd(items=30)
    is_lazy = table["worker"] == "worker 02"
    table.loc[is_lazy, "value"] = 3
    measure = measure_monotony(table, **RATINGS)
    lazy, count = of(measure, "worker 02"), int(is_lazy.sum())
    others = pd.concat([others_of(table, row) for row in table[is_lazy].itertuples()])
    assert (lazy.estimate, lazy.count) == (1, count)
    assert lazy.details["others"] == pytest.approx((others["value"] == 3).mean())
    assert lazy.p_value == pytest.approx(min(1, 5 * 0.8**count))
    assert of(measure, "worker 03").p_value == 1


def test_where_everybody_gives_one_value_nobody_is_monotone() -> None:
    table = make_ratings_of_crowd(items=30).assign(value=5)
    assert {value.p_value for value in measure_monotony(table, **RATINGS).values} == {1.0}


def test_speed_is_compared_with_the_others_on_the_same_hit() -> None:
    table = make_ratings_of_crowd(items=40)
    fast = table["worker"] == "worker 04"
    table.loc[fast, "seconds"] = table.loc[fast, "seconds"] / 10
    questions = pd.concat([table, table])  # two questions of an assignment are one time
    measure = measure_speed(questions, hit="unit", worker="worker", seconds="seconds")
    own = table[fast]
    ratios = [math.log(row.seconds) - np.log(others_of(table, row)["seconds"]).mean() for row in own.itertuples()]
    value = of(measure, "worker 04")
    assert value.estimate == pytest.approx(own["seconds"].median())
    assert value.details["ratio"] == pytest.approx(math.exp(np.median(ratios)))
    number = sum(ratio < math.log(1 / 3) for ratio in ratios)
    assert value.p_value == pytest.approx(stats.binomtest(number, len(own), alternative="greater").pvalue)
    assert min(other.p_value for other in measure.values if other is not value) > 0.5
    unmeasured = measure_speed(table.assign(seconds=0.0), hit="unit", worker="worker", seconds="seconds")
    assert (unmeasured.reason, unmeasured.dropped) == ("no time was measured", len(table))


def test_the_left_share_is_tested_against_one_half() -> None:
    table = make_votes_of_crowd(pairs=60)
    biased = table["worker"] == "worker 06"
    table.loc[biased, "choice"] = table.loc[biased, "left"]
    table.loc[table.index[:5], "choice"] = "tie"
    measure = measure_left_share(table, worker="worker", left="left", choice="choice")
    assert (measure.used, measure.dropped) == (len(table) - 5, 5)
    for value in measure.values:
        rows = table[(table["worker"] == value.worker) & (table["choice"] != "tie")]
        left = int((rows["choice"] == rows["left"]).sum())
        assert (value.estimate, value.count) == (pytest.approx(left / len(rows)), len(rows))
        assert value.p_value == pytest.approx(stats.binomtest(left, len(rows)).pvalue)
    assert of(measure, "worker 06").estimate == 1


def test_gold_is_the_share_of_expected_answers() -> None:
    table = pd.DataFrame(
        {"worker": ["a"] * 10 + ["b"] * 10 + ["c"], "value": 1, "expected": [1] * 9 + [2] + [2] * 8 + [1, 1, None]}
    )
    measure = measure_gold(table, worker="worker", value="value", expected="expected")
    assert [value.estimate for value in measure.values] == [0.9, 0.2]
    assert measure.values[1].p_value == pytest.approx(stats.binom.cdf(2, 10, 0.7))
    assert (measure.used, measure.dropped) == (20, 1)


MEASURES = [measure_severity, correlate_with_others, match_majority, measure_monotony]


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(MEASURES))
def test_names_and_the_order_of_rows_change_nothing(seed: int, measure: Any) -> None:
    table = make_ratings_of_crowd(items=8, seed=seed)
    renamed = table.assign(worker=table["worker"].map(lambda name: name[::-1]), unit=table["unit"] + "!")
    first = measure(table, **RATINGS)
    second = measure(renamed.sample(frac=1, random_state=seed), **RATINGS)
    for value in first.values:
        other = of(second, value.worker[::-1])
        assert other.estimate == pytest.approx(value.estimate, nan_ok=True)
        assert other.p_value == pytest.approx(value.p_value, nan_ok=True)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_a_shift_of_the_scale_changes_nothing_and_a_stretch_only_severity(seed: int) -> None:
    table = make_ratings_of_crowd(items=10, seed=seed, severity=0.5)
    changed = table.assign(value=10 * table["value"] - 3)
    for measure, factor in ((measure_severity, 10), (correlate_with_others, 1)):
        before, after = (measure(rows, **RATINGS, cluster="item").to_frame() for rows in (table, changed))
        assert (after["estimate"] / factor).tolist() == pytest.approx(before["estimate"].tolist(), nan_ok=True)


@pytest.mark.parametrize("measure", MEASURES)
def test_awkward_tables_are_undefined_and_never_crash(measure: Any) -> None:
    table = make_ratings_of_crowd(items=4)
    alone = table.drop_duplicates("unit")
    result = measure(alone, **RATINGS)
    assert (result.values, result.reason, result.dropped) == ((), "no unit has answers of two workers", len(alone))
    assert result.to_frame().empty and "is not defined" in result.reading
    constant = measure(table.assign(value=3), **RATINGS)
    assert all(value.p_value == 1 or math.isnan(value.p_value) for value in constant.values)
    with pytest.raises(InputError, match=r"row 32: worker 'worker \d\d' has rated unit"):
        measure(pd.concat([table, table.iloc[:1]], ignore_index=True), **RATINGS)
    with pytest.raises(InputError, match="no column 'rating'"):
        measure(table, unit="unit", worker="worker", value="rating")


def test_a_worker_of_one_answer_has_a_number_and_no_interval() -> None:
    table = pd.concat(
        [
            make_ratings_of_crowd(items=10),
            pd.DataFrame({"item": "item 0", "unit": "0 s", "worker": "once", "value": [2]}),
        ]
    )
    severity = of(measure_severity(table, **RATINGS, cluster="item"), "once")
    assert math.isfinite(severity.estimate) and math.isnan(severity.low)
    assert severity.reason == "one item has no spread, so there is no interval"
    agreement = of(correlate_with_others(table, **RATINGS, cluster="item"), "once")
    assert math.isnan(agreement.estimate) and math.isnan(agreement.p_value)
    assert "all the same" in agreement.reason


def test_800_distinct_values_and_booleans_are_taken() -> None:
    table = make_ratings_of_crowd(items=60)
    fine = table.assign(value=table["value"] + np.random.default_rng(0).integers(0, 200, len(table)) / 1000)
    assert (
        of(measure_severity(fine, **RATINGS), "worker 01").count
        == of(measure_severity(table, **RATINGS), "worker 01").count
    )
    assert len(match_majority(table.assign(value=table["value"] > 3), **RATINGS).values) == 10
    named = table.assign(value=np.where(table["value"] > 3, "nan", "fine"))
    boolean = table.assign(value=table["value"] > 3)
    first, second = (match_majority(rows, **RATINGS).to_frame()["estimate"] for rows in (named, boolean))
    assert first.tolist() == second.tolist()
