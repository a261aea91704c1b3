"""Segment-level correlations against scipy, whole and resampled."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.correlation import CORRELATIONS, correlate
from annotation.errors import InputError

SCIPY = {
    "pearson": lambda x, y: stats.pearsonr(x, y)[0],
    "spearman": lambda x, y: stats.spearmanr(x, y)[0],
    "kendall": lambda x, y: stats.kendalltau(x, y)[0],
}


def segments(seed: int, rows: int = 40) -> pd.DataFrame:
    """Scores with ties, ratings that follow them, eight items."""
    generator = np.random.default_rng(seed)
    metric = generator.normal(size=rows).round(1)
    human = np.round(metric + generator.normal(size=rows))
    return pd.DataFrame({"metric": metric, "human": human, "item": np.arange(rows) % 8})


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(CORRELATIONS)))
def test_it_equals_scipy_with_ties(seed: int, coefficient) -> None:
    table = segments(seed)
    ours = correlate(table, metric="metric", human="human", coefficient=coefficient, seed=0, draws=5)
    assert ours.estimate == pytest.approx(SCIPY[coefficient](table["metric"], table["human"]), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(sorted(CORRELATIONS)))
def test_weights_stand_for_repeated_rows(seed: int, coefficient: str) -> None:
    """What a bootstrap draw computes is the correlation of the table with its rows repeated."""
    table = segments(seed, rows=20)
    weights = np.random.default_rng(seed).integers(0, 4, size=20)
    weights[:3] = [1, 2, 3]
    x, y = table["metric"].to_numpy(copy=True), table["human"].to_numpy(copy=True)
    x[:3], y[:3] = [5, 6, 7], [5, 7, 6]  # never constant
    weighted = CORRELATIONS[coefficient](weights[None, :].astype(float), x, y)[0]
    assert weighted == pytest.approx(SCIPY[coefficient](np.repeat(x, weights), np.repeat(y, weights)), abs=1e-12)


def test_the_interval_over_items_is_near_fishers_when_segments_are_independent() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=500)
    table = pd.DataFrame({"metric": x, "human": x + generator.normal(size=500), "item": np.arange(500)})
    ours = correlate(table, metric="metric", human="human", coefficient="pearson", seed=0, cluster="item", draws=4000)
    centre, half = math.atanh(ours.estimate), 1.96 / math.sqrt(497)
    # The widths of both differ by a few percent at n = 500, the interval is .09 wide.
    assert (ours.low, ours.high) == pytest.approx((math.tanh(centre - half), math.tanh(centre + half)), abs=0.012)
    assert ours.clusters == 500


def test_copies_of_segments_within_items_do_not_narrow_the_interval() -> None:
    table = segments(1)
    copied = pd.concat([table] * 6, ignore_index=True)
    options = {"metric": "metric", "human": "human", "coefficient": "kendall", "seed": 0, "cluster": "item"}
    once, six_times = correlate(table, **options), correlate(copied, **options)
    assert six_times.low == pytest.approx(once.low)
    assert six_times.high == pytest.approx(once.high)


@pytest.mark.parametrize("coefficient", sorted(CORRELATIONS))
def test_a_constant_column_is_undefined(coefficient) -> None:
    table = segments(0).assign(human=0.1)
    ours = correlate(table, metric="metric", human="human", coefficient=coefficient, seed=0)
    assert math.isnan(ours.estimate)
    assert ours.reason == "one of the two columns is constant"


def test_rows_without_both_numbers_are_dropped_and_counted() -> None:
    table = segments(0)
    table.loc[0, "metric"], table.loc[1, "human"] = np.nan, np.nan
    ours = correlate(table, metric="metric", human="human", coefficient="spearman", seed=0, draws=5)
    assert (ours.used, ours.dropped) == (38, 2)
    assert ours.estimate == pytest.approx(stats.spearmanr(table["metric"][2:], table["human"][2:])[0])


def test_an_unknown_coefficient_is_named() -> None:
    with pytest.raises(InputError, match="coefficient is 'gamma'; expected one of pearson, spearman, kendall"):
        correlate(segments(0), metric="metric", human="human", coefficient="gamma", seed=0)  # type: ignore[arg-type]
