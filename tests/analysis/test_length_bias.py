"""Length against R, closed forms, and simulated votes that know no length."""

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special

from analysis.length_bias import count_words, length_adjusted_win_rate, length_bias, log_length_ratio
from annotation.errors import InputError
from tests.analysis.references import made_up_votes, r_says

COLUMNS = {"completion_a": "completion_a", "completion_b": "completion_b", "vote": "vote"}


def make_lengths(
    generator: np.random.Generator, *, items: int = 80, raters: int = 3, slope: float = 0.0, gain: float = 0.0
) -> pd.DataFrame:
    """Votes of items with leanings of their own; b gains `gain`, and `slope` times the log length ratio."""
    words = generator.integers(3, 40, size=(items, 2))
    eta = gain + slope * np.log(words[:, 1] / words[:, 0]) + generator.normal(0, 0.8, items)
    votes = np.where(generator.random((items, raters)) < special.expit(eta)[:, None], 1, -1)
    item = np.repeat(np.arange(items), raters)
    texts = np.array([" ".join(["w"] * count) for count in range(41)], dtype=object)
    return pd.DataFrame(
        {
            "item": item,
            "completion_a": texts[words[item, 0]],
            "completion_b": texts[words[item, 1]],
            "vote": votes.ravel(),
        }
    )


def test_words_are_what_stands_between_white_space() -> None:
    counted = count_words(pd.Series(["one two", " one\n\ttwo  three ", "", "  ", None, "nan", "단어 두개"]))
    assert counted == pytest.approx([2, 3, np.nan, np.nan, np.nan, 1, 2], nan_ok=True)


def test_the_slope_is_that_of_r() -> None:
    result = length_bias(made_up_votes(), **COLUMNS, cluster="item", seed=0)
    r = r_says()
    assert result.slope == pytest.approx(r["slope"])
    assert result.slope_high - result.slope == pytest.approx(1.959964 * r["slope_error"], rel=1e-5)


def test_the_longer_ones_share_counts_decided_votes_on_unequal_lengths() -> None:
    table = pd.DataFrame(
        {
            "completion_a": ["w w", "w w", "w w", "w", "w", ""],
            "completion_b": ["w", "w", "w w", "w w", "w w", "w"],
            "vote": [-1, 1, 1, 1, 0, 1],
        }
    )
    result = length_bias(table, **COLUMNS, seed=0)
    assert (result.longer, result.used, result.equal, result.dropped) == (2, 3, 1, 2)
    assert result.estimate == 2 / 3
    # Three votes of one size each: 2 (C(3,2) + C(3,3)) / 8 = 1 both ways.
    assert result.p_value == 1


def test_equal_lengths_are_undefined() -> None:
    table = pd.DataFrame({"completion_a": "w w", "completion_b": "v v", "vote": [1, -1, 1]})
    result = length_bias(table, **COLUMNS, seed=0)
    assert math.isnan(result.estimate)
    assert math.isnan(result.slope)
    assert result.reading == ("Length bias is not defined: no decided vote is on completions of different lengths.")
    adjusted = length_adjusted_win_rate(table, **COLUMNS)
    assert adjusted.reason == "the likelihood has no maximum that the votes determine"


def test_votes_that_always_take_the_longer_have_no_slope() -> None:
    generator = np.random.default_rng(0)
    table = make_lengths(generator)
    ratio = log_length_ratio(table, completion_a="completion_a", completion_b="completion_b")
    table = table.assign(vote=np.sign(ratio))
    result = length_bias(table, **COLUMNS, cluster="item", seed=0)
    assert result.estimate == 1
    assert math.isnan(result.slope)
    assert "multiplies" not in result.reading


def test_exchanging_a_and_b_changes_no_number() -> None:
    table = make_lengths(np.random.default_rng(2), slope=0.8, gain=0.3)
    turned = table.assign(completion_a=table["completion_b"], completion_b=table["completion_a"], vote=-table["vote"])
    ours, other = (length_bias(rows, **COLUMNS, cluster="item", seed=0) for rows in (table, turned))
    assert (other.estimate, other.slope, other.slope_low) == pytest.approx((ours.estimate, ours.slope, ours.slope_low))
    adjusted, reverse = (length_adjusted_win_rate(rows, **COLUMNS, cluster="item") for rows in (table, turned))
    assert reverse.estimate == pytest.approx(1 - adjusted.estimate)
    assert (reverse.low, reverse.mean_ratio) == pytest.approx((1 - adjusted.high, 1 / adjusted.mean_ratio))


def test_the_win_rate_at_equal_lengths_is_a_logistic_intercept() -> None:
    table = make_lengths(np.random.default_rng(1), slope=0.5, gain=0.6)
    ratio = log_length_ratio(table, completion_a="completion_a", completion_b="completion_b")
    other = sm.Logit((table["vote"] == 1).astype(float), sm.add_constant(ratio)).fit(
        disp=False, cov_type="cluster", cov_kwds={"groups": table["item"], "use_correction": False}
    )
    result = length_adjusted_win_rate(table, **COLUMNS, cluster="item")
    intercept, slope = np.asarray(other.params)
    assert result.estimate == pytest.approx(special.expit(intercept))
    assert result.slope == pytest.approx(slope)
    error = np.asarray(other.bse)[0] * math.sqrt(80 / 79)
    assert special.logit(result.high) - intercept == pytest.approx(1.959964 * error, rel=1e-5)


def test_a_system_that_wins_by_length_alone_wins_half_at_equal_lengths() -> None:
    """b is about twice as long and people like length: it wins votes, and none of it is left at equal lengths."""
    generator = np.random.default_rng(3)
    table = make_lengths(generator, items=4000, raters=1)
    longer = table["completion_b"] + " " + table["completion_b"]
    table = table.assign(completion_b=longer)
    ratio = log_length_ratio(table, completion_a="completion_a", completion_b="completion_b")
    table = table.assign(vote=np.where(generator.random(len(table)) < special.expit(1.2 * ratio), 1, -1))
    result = length_adjusted_win_rate(table, **COLUMNS, cluster="item")
    assert result.unadjusted > 0.6
    assert result.low < 0.5 < result.high
    assert result.slope_low < 1.2 < result.slope_high
    assert result.mean_ratio == pytest.approx(2, rel=0.1)


def test_the_slope_rejects_at_its_level_where_length_says_nothing() -> None:
    """100 null studies with correlated votes: at 5% between 1 and 13 (99.9% binomial)."""
    generator = np.random.default_rng(5)
    rejected = sum(
        length_bias(make_lengths(generator, items=60), **COLUMNS, cluster="item", seed=0, draws=2).slope_p <= 0.05
        for _ in range(100)
    )
    assert 1 <= rejected <= 13


def test_missing_columns_are_named() -> None:
    with pytest.raises(InputError, match="no column 'text'"):
        length_bias(make_lengths(np.random.default_rng(0)), completion_a="text", completion_b="b", vote="vote", seed=0)
