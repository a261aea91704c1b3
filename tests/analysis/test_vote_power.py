"""Power of comparisons: the level without an effect, normal approximations, the model's moments, and enumeration."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.vote_power import binomial_power, sign_flip_power, simulate_vote_sums
from annotation.errors import InputError


def test_power_without_effect_is_the_level() -> None:
    power = sign_flip_power(units=200, votes_per_unit=3, mean_vote=0, correlation=0.3, simulations=2000, seed=0)
    # 3 binomial standard errors: 3 sqrt(.05 .95 / 2000) = .015.
    assert power.estimate == pytest.approx(0.05, abs=0.015)
    assert power.low < power.estimate < power.high


@pytest.mark.parametrize(
    ("correlation", "tie_share", "mean_vote"), [(0.0, 0.0, 0.06), (0.3, 0.0, 0.08), (0.3, 0.2, 0.08)]
)
def test_power_equals_the_normal_approximation(correlation: float, tie_share: float, mean_vote: float) -> None:
    """Variance of a unit's mean of k votes: (variance + (k-1) covariance) / k, by the model's own moments."""
    units, k = 800, 3
    decided = 1 - tie_share
    variance = decided - mean_vote**2
    # Two decided votes covary by correlation * (1 - mean^2); both are decided with probability decided^2.
    covariance = decided**2 * correlation * (1 - (mean_vote / decided) ** 2)
    error = math.sqrt((variance + (k - 1) * covariance) / k / units)
    expected = stats.norm.cdf(mean_vote / error - 1.96) + stats.norm.cdf(-mean_vote / error - 1.96)
    power = sign_flip_power(
        units=units,
        votes_per_unit=k,
        mean_vote=mean_vote,
        correlation=correlation,
        tie_share=tie_share,
        simulations=2000,
        seed=1,
    )
    # 3 standard errors of 2000 studies (.034 at most), and .01 for 999 flips and the approximation.
    assert power.estimate == pytest.approx(expected, abs=0.044)


@pytest.mark.parametrize(("correlation", "tie_share"), [(0.0, 0.0), (0.3, 0.0), (0.3, 0.4)])
def test_simulated_votes_have_the_moments_of_the_model(correlation: float, tie_share: float) -> None:
    units, k, mean_vote = 400_000, 3, 0.3
    sums = simulate_vote_sums(
        np.random.default_rng(0),
        units=units,
        votes_per_unit=k,
        mean_vote=mean_vote,
        correlation=correlation,
        tie_share=tie_share,
    )
    decided = 1 - tie_share
    variance = decided - mean_vote**2
    covariance = decided**2 * correlation * (1 - (mean_vote / decided) ** 2)
    expected = k * variance + k * (k - 1) * covariance
    # Five standard errors of the mean; of the variance, whose relative one is at most sqrt(2 / units) here.
    assert sums.mean() == pytest.approx(k * mean_vote, abs=5 * math.sqrt(expected / units))
    assert sums.var() == pytest.approx(expected, rel=5 * math.sqrt(2 / units))


@pytest.mark.parametrize(
    ("change", "name"), [({"correlation": 1.0}, "correlation"), ({"tie_share": 1.0}, "tie_share"), ({}, "mean_vote")]
)
def test_an_impossible_study_is_refused(change: dict[str, float], name: str) -> None:
    settings_of_study = {"mean_vote": 0.1 if change else 1.2} | change
    with pytest.raises(InputError, match=f"{name} is"):
        sign_flip_power(units=10, votes_per_unit=3, seed=0, **settings_of_study)


@pytest.mark.parametrize(("votes", "share_b", "tie_share"), [(25, 0.7, 0.0), (40, 0.35, 0.2), (5, 0.9, 0.0)])
def test_binomial_power_is_that_of_all_outcomes(votes: int, share_b: float, tie_share: float) -> None:
    expected = 0.0
    for decided in range(votes + 1):
        chance = stats.binom.pmf(decided, votes, 1 - tie_share)
        for wins in range(decided + 1):
            is_rejected = decided > 0 and stats.binomtest(wins, decided).pvalue <= 0.05
            expected += chance * is_rejected * stats.binom.pmf(wins, decided, share_b)
    assert binomial_power(votes=votes, share_b=share_b, tie_share=tie_share) == pytest.approx(expected, abs=1e-12)


def test_with_one_vote_an_item_both_tests_have_about_the_same_power() -> None:
    """The sign-flip test of single votes is the binomial test, but for its 999 random flips."""
    closed = binomial_power(votes=120, share_b=0.62)
    power = sign_flip_power(units=120, votes_per_unit=1, mean_vote=0.24, simulations=1000, seed=0)
    # 3 binomial standard errors (.042), and .02 for the flips.
    assert power.estimate == pytest.approx(closed, abs=0.062)
    assert power.reading.startswith("With votes on 120 items, 1 on each, a mean vote of 0.24 is found with power 0.7")


@pytest.mark.parametrize("change", [{"votes": 0}, {"share_b": 1.1}, {"tie_share": 1.0}])
def test_an_impossible_binomial_study_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        binomial_power(**{"votes": 10, "share_b": 0.6, **change})
