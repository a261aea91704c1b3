"""Pairwise accuracies against their definitions in plain loops, every threshold and every exchange tried."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.pairwise_accuracy import pairwise_accuracy, soft_pairwise_accuracy
from tests.analysis.metric_tables import COLUMNS, make_completions


def accuracy_in_loops(table: pd.DataFrame, metric: str, threshold: float) -> float:
    """Mean over items of the share of pairs that are ordered, or tied, alike."""
    of_items = []
    for _, rows in table.groupby("item"):
        right = []
        pairs = itertools.combinations(zip(rows[metric], rows["human"], strict=True), 2)
        for (score, rating), (other_score, other_rating) in pairs:
            order = 0 if abs(score - other_score) <= threshold + 1e-12 else np.sign(score - other_score)
            right.append(order == np.sign(rating - other_rating))
        if right:
            of_items.append(np.mean(right))
    return float(np.mean(of_items))


def ragged(seed: int) -> pd.DataFrame:
    """Items with one to five systems, scores with many equal differences."""
    table = make_completions(items=12, seed=seed).sample(frac=0.7, random_state=seed)
    return table.assign(good=(2 * table["good"]).round() / 2)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_it_equals_the_definition_and_calibration_tries_every_threshold(seed: int) -> None:
    table = ragged(seed)
    plain = pairwise_accuracy(table, metric="good", seed=0, draws=1, **COLUMNS)
    assert plain.estimate == pytest.approx(accuracy_in_loops(table, "good", 0))
    calibrated = pairwise_accuracy(table, metric="good", calibrate=True, seed=0, draws=1, **COLUMNS)
    thresholds = np.arange(0, 15, 0.5)
    reached = [accuracy_in_loops(table, "good", threshold) for threshold in thresholds]
    assert calibrated.estimate == pytest.approx(max(reached))
    assert calibrated.threshold == pytest.approx(thresholds[int(np.argmax(np.round(reached, 9)))])
    pairs = plain.concordant + plain.discordant + plain.ties_of_people + plain.ties_of_metric + plain.ties_of_both
    assert pairs == sum(math.comb(len(rows), 2) for _, rows in table.groupby("item"))


def test_the_counts_are_those_of_the_threshold() -> None:
    table = pd.DataFrame({"item": 0, "system": list("abc"), "good": [0.0, 0.1, 5.0], "human": [1, 1, 2]})
    plain = pairwise_accuracy(table, metric="good", seed=0, **COLUMNS)
    assert (plain.concordant, plain.ties_of_people, plain.estimate) == (2, 1, pytest.approx(2 / 3))
    calibrated = pairwise_accuracy(table, metric="good", calibrate=True, seed=0, **COLUMNS)
    assert (calibrated.concordant, calibrated.ties_of_both) == (2, 1)
    assert (calibrated.estimate, calibrated.threshold) == (pytest.approx(1), pytest.approx(0.1))
    assert "within 0.1 being a tie" in calibrated.reading


@pytest.mark.parametrize("calibrate", [False, True])
def test_the_interval_comes_from_copies_of_whole_items_calibrated_anew(calibrate: bool) -> None:
    table = ragged(1)
    table = table[table.groupby("item")["item"].transform("size") > 1]
    ours = pairwise_accuracy(table, metric="good", calibrate=calibrate, seed=3, draws=30, **COLUMNS)
    items = np.unique(table["item"])
    generator, values = np.random.default_rng(3), []
    for _ in range(30):
        chosen = generator.integers(len(items), size=len(items))
        copies = [table[table["item"] == items[code]].assign(item=place) for place, code in enumerate(chosen)]
        copied = pairwise_accuracy(pd.concat(copies), metric="good", calibrate=calibrate, seed=0, draws=1, **COLUMNS)
        values.append(copied.estimate)
    assert (ours.low, ours.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_a_metric_that_copies_people_is_always_right_and_its_reverse_only_in_ties() -> None:
    table = make_completions(items=20)
    table = table.assign(copy=2 * table["human"], reverse=-table["human"])
    assert pairwise_accuracy(table, metric="copy", seed=0, **COLUMNS).estimate == pytest.approx(1)
    reverse = pairwise_accuracy(table, metric="reverse", seed=0, **COLUMNS)
    assert reverse.estimate == pytest.approx(reverse.ties_of_both / 200)
    assert soft_pairwise_accuracy(table, metric="copy", seed=0, **COLUMNS).estimate == 1


def p_in_loops(differences: np.ndarray) -> float:
    """The share of all exchanges with a larger sum, equal ones half."""
    sums = [np.dot(exchange, differences) for exchange in itertools.product((1, -1), repeat=len(differences))]
    observed = differences.sum()
    return float(np.mean([0.5 if abs(value - observed) < 1e-9 else value > observed for value in sums]))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_soft_accuracy_equals_its_definition_over_all_exchanges(seed: int) -> None:
    table = make_completions(items=6, systems=4, seed=seed).iloc[:-1]
    ours = soft_pairwise_accuracy(table, metric="poor", seed=0, **COLUMNS)
    cells = {name: table.pivot(index="item", columns="system", values=name) for name in ("poor", "human")}
    of_pairs = []
    for first, second in itertools.combinations(cells["human"].columns, 2):
        p_values = [p_in_loops((side[first] - side[second]).dropna().to_numpy()) for side in cells.values()]
        of_pairs.append(1 - abs(p_values[0] - p_values[1]))
    assert ours.estimate == pytest.approx(np.mean(of_pairs))
    assert (ours.is_exact, ours.flips, ours.pairs) == (True, 64, 6)


def test_random_exchanges_come_close_to_all_of_them() -> None:
    table = make_completions(items=12, systems=4, gain=0.15)
    exact = soft_pairwise_accuracy(table, metric="poor", seed=0, flips=2**12, **COLUMNS)
    random = soft_pairwise_accuracy(table, metric="poor", seed=0, flips=2**12 - 1, **COLUMNS)
    assert (exact.is_exact, random.is_exact) == (True, False)
    assert random.estimate == pytest.approx(exact.estimate, abs=0.03)


def test_soft_accuracy_knows_sure_from_unsure() -> None:
    """People see a clear order; a metric that sees none is half right, one that sees the reverse is wrong."""
    table = make_completions(items=60, systems=4, gain=2.0)
    generator = np.random.default_rng(0)
    table = table.assign(reverse=-table["good"], level=np.tile(generator.normal(size=60).repeat(4), 1))
    estimates = [
        soft_pairwise_accuracy(table, metric=name, seed=0, **COLUMNS).estimate for name in ("good", "level", "reverse")
    ]
    assert estimates == pytest.approx([1, 0.5, 0], abs=0.01)


@pytest.mark.parametrize("measure", [pairwise_accuracy, soft_pairwise_accuracy])
def test_scale_and_names_change_nothing_and_one_system_is_undefined(measure) -> None:
    table = make_completions(items=15)
    changed = table.assign(good=2 * table["good"] - 1, human=3 * table["human"]).sample(frac=1, random_state=0)
    first, second = (measure(rows, metric="good", seed=0, **COLUMNS).estimate for rows in (table, changed))
    assert first == pytest.approx(second)
    alone = measure(table[table["system"] == "system a"], metric="good", seed=0, **COLUMNS)
    assert math.isnan(alone.estimate)
    assert "no item has completions of two systems" in alone.reading
    nothing = measure(table.assign(good=np.nan), metric="good", seed=0, **COLUMNS)
    assert (nothing.used, nothing.dropped) == (0, 75)
