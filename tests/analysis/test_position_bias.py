"""Sides: the mixed model against R and plain quadrature, levels under workers who lean, and consistency by loops."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from analysis.position_bias import marginal_log_likelihood, position_bias, position_bias_by_worker
from analysis.swap_consistency import swap_consistency
from annotation.errors import InputError
from tests.analysis.references import made_up_votes, r_says

SIDES = {"vote": "vote", "left": "left"}


def votes_by_worker(chosen: list[int], decided: list[int]) -> pd.DataFrame:
    """The worker w takes the left one in chosen[w] of decided[w] votes; a and b stand left by turns."""
    rows = []
    for worker, (takes, total) in enumerate(zip(chosen, decided, strict=True)):
        for index in range(total):
            left = "ab"[index % 2]
            toward = 1 if left == "b" else -1
            rows.append((worker, left, toward if index < takes else -toward))
    return pd.DataFrame(rows, columns=["worker", "left", "vote"])


def test_the_mixed_model_is_that_of_r() -> None:
    result = position_bias_by_worker(made_up_votes(), **SIDES, rater="worker", seed=0)
    r = r_says()
    assert special.logit(result.estimate) == pytest.approx(r["side_mean"], abs=1e-4)
    assert result.spread == pytest.approx(r["side_spread"], abs=1e-4)
    assert result.spread_p == pytest.approx(r["side_spread_p"], rel=1e-3)
    # lme4's errors are those of its own approximation to the second derivatives.
    assert special.logit(result.high) - r["side_mean"] == pytest.approx(1.959964 * r["side_error"], rel=5e-3)
    assert (result.workers, result.used) == (12, 240)


def test_the_likelihood_is_the_integral() -> None:
    chosen, decided = np.array([3.0, 40.0, 0.0]), np.array([10.0, 60.0, 5.0])

    def of_worker(k: float, n: float) -> float:
        def integrand(z: float) -> float:
            rate = special.expit(0.3 + 1.7 * z)
            return rate**k * (1 - rate) ** (n - k) * stats.norm.pdf(z)

        return math.log(integrate.quad(integrand, -12, 12, epsabs=0, epsrel=1e-10, points=[-1, 0, 1])[0])

    expected = sum(of_worker(k, n) for k, n in zip(chosen, decided, strict=True))
    # 25 nodes; the worker who never takes the left one has the most skewed integrand.
    assert marginal_log_likelihood(chosen, decided, 0.3, 1.7) == pytest.approx(expected, abs=1e-5)


def test_workers_alike_have_no_spread() -> None:
    result = position_bias_by_worker(votes_by_worker([30] * 8, [50] * 8), **SIDES, rater="worker", seed=0)
    assert (result.spread, result.spread_p) == (0, 1)
    assert result.estimate == pytest.approx(0.6)
    error = 1 / math.sqrt(400 * 0.6 * 0.4)
    assert special.logit(result.high) - special.logit(0.6) == pytest.approx(1.959964 * error, rel=1e-5)
    # All eight lean alike: two of the 256 sign assignments.
    assert result.p_value == pytest.approx(2 / 256)


def test_leaning_workers_reject_at_the_level_by_worker_and_far_too_often_over_votes() -> None:
    """40 null studies of 10 workers, some of whom lean left and some right: at 5% at most 7 reject (99.9% binomial)."""
    generator = np.random.default_rng(4)
    by_worker, over_votes = 0, 0
    for _ in range(40):
        rates = special.expit(generator.normal(0, 1.2, 10))
        chosen = generator.binomial(60, rates)
        table = votes_by_worker(list(chosen), [60] * 10)
        by_worker += position_bias_by_worker(table, **SIDES, rater="worker", seed=0).p_value <= 0.05
        over_votes += position_bias(table, **SIDES).p_value <= 0.05
    assert by_worker <= 7
    assert over_votes > 12


def test_one_worker_and_one_side_are_undefined() -> None:
    alone = position_bias_by_worker(votes_by_worker([3], [5]), **SIDES, rater="worker", seed=0)
    assert alone.reading == "Side bias by worker is not defined: one worker has decided votes."
    one_side = position_bias_by_worker(votes_by_worker([5, 4], [5, 4]), **SIDES, rater="worker", seed=0)
    assert "all votes are for one side" in one_side.reason
    assert math.isnan(one_side.estimate)
    ties = votes_by_worker([1, 1], [2, 2]).assign(vote=0)
    assert "no worker has decided votes" in position_bias_by_worker(ties, **SIDES, rater="worker", seed=0).reason
    assert position_bias(ties, **SIDES).reading == "Position bias is not defined: no vote is decided."


def test_left_votes_are_counted_whatever_is_called_a() -> None:
    table = votes_by_worker([7, 2], [10, 4])
    result = position_bias(table, **SIDES)
    assert (result.left, result.used, result.estimate) == (9, 14, 9 / 14)
    assert result.p_value == pytest.approx(stats.binomtest(9, 14).pvalue)
    turned = table.assign(vote=-table["vote"], left=table["left"].map({"a": "b", "b": "a"}))
    assert position_bias(turned, **SIDES) == result


def by_loop(table: pd.DataFrame, units: list[str]) -> tuple[int, int, int, int]:
    """Agreeing and all pairs of votes: with sides exchanged, then with the same side."""
    counts = [0, 0, 0, 0]
    for _, rows in table.groupby(units):
        for one, other in itertools.combinations(rows.itertuples(), 2):
            place = 0 if one.left != other.left else 2
            counts[place] += one.vote == other.vote
            counts[place + 1] += 1
    return tuple(counts)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_consistency_equals_a_loop_over_pairs_of_votes(seed: int, by_rater: bool) -> None:
    generator = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "pair": generator.integers(4, size=24),
            "worker": generator.integers(3, size=24),
            "left": generator.choice(["a", "b"], 24),
            "vote": generator.choice([-1, 0, 1], 24),
        }
    )
    result = swap_consistency(table, pair="pair", **SIDES, rater="worker" if by_rater else None, seed=0, draws=10)
    agree, pairs, same_agree, same = by_loop(table, ["pair", "worker"] if by_rater else ["pair"])
    assert (result.pairs_of_votes, result.same_side_pairs) == (pairs, same)
    if pairs:
        assert result.estimate == pytest.approx(agree / pairs)
    if same:
        assert result.same_side == pytest.approx(same_agree / same)


def test_votes_that_follow_the_side_agree_with_none_exchanged() -> None:
    table = pd.DataFrame({"pair": np.repeat(range(30), 4), "left": ["a", "a", "b", "b"] * 30})
    table["vote"] = np.where(table["left"] == "b", 1, -1)
    result = swap_consistency(table, pair="pair", **SIDES, seed=0)
    assert (result.estimate, result.same_side, result.difference) == (0, 1, -1)
    assert (result.pairs_of_votes, result.same_side_pairs, result.units) == (120, 60, 30)
    assert (result.difference_low, result.difference_high) == (-1, -1)
    firm = swap_consistency(table.assign(vote=1), pair="pair", **SIDES, seed=0)
    assert (firm.estimate, firm.difference) == (1, 0)


def test_the_interval_over_items_covers_what_items_vary() -> None:
    """Items agree in all or in none of their pairs: the spread is that of a share of items."""
    agrees = np.random.default_rng(0).random(200) < 0.7
    rows = [(item, left, 1 if agree or left == "a" else -1) for item, agree in enumerate(agrees) for left in "aabb"]
    table = pd.DataFrame(rows, columns=["pair", "left", "vote"])
    result = swap_consistency(table, pair="pair", **SIDES, seed=0, draws=4000)
    share = agrees.mean()
    assert result.estimate == pytest.approx(share)
    # Within 6% of bootstrap noise.
    assert (result.high - result.low) / 2 == pytest.approx(1.96 * math.sqrt(share * (1 - share) / 200), rel=0.06)


def test_pairs_with_one_side_alone_have_no_consistency() -> None:
    table = pd.DataFrame({"pair": [1, 1, 2], "left": "a", "vote": [1, -1, np.nan]})
    result = swap_consistency(table, pair="pair", **SIDES, seed=0)
    assert result.reason == "no pair was judged with either side left"
    assert (result.used, result.dropped) == (0, 3)
    assert math.isnan(result.estimate)


@pytest.mark.parametrize(
    "function", [position_bias, lambda table, **columns: swap_consistency(table, pair="worker", seed=0, **columns)]
)
def test_a_side_that_is_none_is_named(function) -> None:
    table = votes_by_worker([1], [3]).assign(left=["a", "middle", "b"])
    with pytest.raises(InputError, match="row 1: 'left' is 'middle'; expected 'a' or 'b'"):
        function(table, **SIDES)
