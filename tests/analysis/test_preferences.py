"""Sign flips against enumeration and Fisher's own count; binomial and power against closed forms."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.preferences import (
    binomial_test,
    sign_flip_p,
    sign_flip_test,
    win_counts,
)
from annotation.errors import InputError


def votes_of(units: dict[str, list[float]]) -> pd.DataFrame:
    return pd.DataFrame([(unit, vote) for unit, votes in units.items() for vote in votes], columns=["item", "vote"])


def p_by_enumeration(means: list[float]) -> float:
    """All 2^n sign assignments, one by one."""
    observed = abs(sum(means)) - 1e-9
    signs = list(itertools.product((-1, 1), repeat=len(means)))
    return sum(abs(sum(s * m for s, m in zip(sign, means, strict=True))) >= observed for sign in signs) / len(signs)


def test_fishers_count_for_darwins_maize() -> None:
    """The Design of Experiments (1935), section 21: 863 of 32,768 sums reach 314, and as many -314."""
    darwin_maize = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]) / 100
    p_value, is_exact = sign_flip_p(darwin_maize, seed=0)
    assert is_exact
    assert p_value == pytest.approx(2 * 863 / 32768, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([-1, -2 / 3, -1 / 3, 0, 1 / 3, 2 / 3, 1]), min_size=1, max_size=10))
def test_the_exact_p_equals_enumeration(means: list[float]) -> None:
    p_value, is_exact = sign_flip_p(np.array(means), seed=0)
    assert is_exact
    assert p_value == pytest.approx(p_by_enumeration(means), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=8, max_size=12), st.integers(0, 100))
def test_random_flips_agree_with_enumeration(means: list[float], seed: int) -> None:
    p_value, is_exact = sign_flip_p(np.array(means), seed=seed, flips=100)
    exact = p_by_enumeration(np.array(means).round(12).tolist())
    if not is_exact:
        assert p_value >= 1 / 101
        # (1 + count) / 101: five standard errors of a share of 100, and the one that is added.
        assert p_value == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 100) + 0.011)


def test_random_flips_count_the_observed_one() -> None:
    """100 units that all agree: no random flip does, so p = (1 + 0) / (1 + flips), never 0."""
    means = np.linspace(0.5, 1, 100)
    assert sign_flip_p(means, seed=0, flips=999) == (1 / 1000, False)


def test_exact_and_random_flips_agree_on_800_items() -> None:
    generator = np.random.default_rng(4)
    means = generator.choice([-1, -1 / 3, 1 / 3, 1], size=800, p=[0.22, 0.26, 0.27, 0.25])
    exact, is_exact = sign_flip_p(means, seed=0)
    # The same means, each moved by less than matters, have 800 sizes and cannot be listed.
    random, is_exact_too = sign_flip_p(means + generator.uniform(-1e-6, 1e-6, 800), seed=0)
    assert (is_exact, is_exact_too) == (True, False)
    # Five standard errors at 100,000 flips.
    assert random == pytest.approx(exact, abs=5 * math.sqrt(exact * (1 - exact) / 100_000) + 1e-5)


def test_units_count_once_however_many_votes_they_have() -> None:
    few = sign_flip_test(votes_of({"x": [1], "y": [1], "z": [-1]}), unit="item", vote="vote", seed=0)
    many = sign_flip_test(votes_of({"x": [1] * 9, "y": [1], "z": [-1] * 4}), unit="item", vote="vote", seed=0)
    assert many.estimate == pytest.approx(few.estimate) == pytest.approx(1 / 3)
    assert many.p_value == few.p_value == 1.0
    assert (many.units_used, many.units_nonzero, many.votes_used) == (3, 3, 14)


def test_exchanging_a_and_b_turns_the_mean_and_keeps_p() -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"item": np.repeat(np.arange(50), 3), "vote": generator.choice([-1, 0, 1, 1], 150)})
    straight = sign_flip_test(table, unit="item", vote="vote", seed=0)
    turned = sign_flip_test(table.assign(vote=-table["vote"]), unit="item", vote="vote", seed=0)
    assert turned.estimate == pytest.approx(-straight.estimate)
    assert turned.p_value == pytest.approx(straight.p_value, rel=1e-9)
    assert turned.low == pytest.approx(-straight.high)


def test_all_ties_have_p_one_and_missing_votes_are_counted() -> None:
    result = sign_flip_test(votes_of({"x": [0, 0], "y": [0, np.nan]}), unit="item", vote="vote", seed=0)
    assert (result.estimate, result.p_value, result.units_nonzero) == (0, 1, 0)
    assert (result.votes_used, result.votes_dropped) == (3, 1)


def test_the_interval_resamples_units() -> None:
    generator = np.random.default_rng(0)
    means = generator.choice([-1.0, 1.0], size=200, p=[0.4, 0.6])
    table = pd.DataFrame({"item": np.repeat(np.arange(200), 3), "vote": np.repeat(means, 3)})
    result = sign_flip_test(table, unit="item", vote="vote", seed=0, draws=4000)
    # Three copies of a vote add nothing: 1.96 sd / sqrt(200), within 6% of bootstrap noise.
    assert (result.high - result.low) / 2 == pytest.approx(1.96 * means.std() / math.sqrt(200), rel=0.06)


def test_votes_are_counted_by_sign_and_the_binomial_leaves_ties_out() -> None:
    table = votes_of({"x": [1, 1, 1, 0, -1], "y": [1, 1, -1, 0, np.nan]})
    counts = win_counts(table, vote="vote")
    assert (counts.wins_a, counts.wins_b, counts.ties, counts.missing) == (2, 5, 2, 1)
    result = binomial_test(counts)
    # Two-sided by hand: 2 (C(7,0) + C(7,1) + C(7,2)) / 2^7 = 58 / 128.
    assert result.p_value == pytest.approx(58 / 128)
    assert result.ties_dropped == 2
    # Wilson 1927: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).
    z, n, p = stats.norm.ppf(0.975), 7, 5 / 7
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert result.low == pytest.approx((p + z**2 / (2 * n) - half) / (1 + z**2 / n))
    assert result.high == pytest.approx((p + z**2 / (2 * n) + half) / (1 + z**2 / n))


def test_a_binomial_without_decided_votes_is_undefined() -> None:
    result = binomial_test(win_counts(votes_of({"x": [0, 0]}), vote="vote"))
    assert math.isnan(result.p_value)
    assert result.reason == "every vote is a tie"


def test_a_vote_outside_the_scale_is_named() -> None:
    with pytest.raises(InputError, match=r"row 1: 'vote' is 2\.0; expected -1 for a, 1 for b or 0 for a tie"):
        win_counts(votes_of({"x": [1, 2.0]}), vote="vote")


def test_when_votes_share_items_the_sign_flip_keeps_its_level_and_the_binomial_does_not() -> None:
    generator = np.random.default_rng(3)
    studies, flip_rejected, binomial_rejected = 1000, 0, 0
    for _ in range(studies):
        share_b = generator.beta(0.5, 0.5, size=60)
        wins = generator.binomial(3, share_b)
        flip_rejected += sign_flip_p((2 * wins - 3) / 3, seed=0)[0] <= 0.05
        binomial_rejected += stats.binomtest(int(wins.sum()), 180).pvalue <= 0.05
    # 3 binomial standard errors: 3 sqrt(.05 .95 / 1000) = .021.
    assert flip_rejected / studies == pytest.approx(0.05, abs=0.021)
    assert binomial_rejected / studies > 0.12
