"""How many items and votes does a comparison of two systems need? Power of the sign-flip test, and of the binomial.

The model of votes is the beta-binomial: a vote is a tie with probability `tie_share`, otherwise it is for b with the
probability of its unit (an item), which differs from unit to unit.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.intervals import wilson_interval
from analysis.resampling import Floats
from analysis.results import Result, format_interval, format_number
from annotation.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class VotePower(Result):
    """Share of simulated studies with p <= alpha, and the Wilson interval of that share."""

    estimate: float
    low: float
    high: float
    units: int
    votes_per_unit: int
    mean_vote: float
    correlation: float
    tie_share: float
    alpha: float
    simulations: int
    seed: int
    method: str = "sign-flip test on beta-binomial votes"
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        interval = format_interval(self.low, self.high, 2)
        return (
            f"With votes on {self.units} items, {self.votes_per_unit} on each, a mean vote of "
            f"{format_number(self.mean_vote, 2)} is found with power {format_number(self.estimate, 2)} {interval}."
        )


def sign_flip_power(
    *,
    units: int,
    votes_per_unit: int,
    mean_vote: float,
    seed: int,
    correlation: float = 0.0,
    tie_share: float = 0.0,
    alpha: float = 0.05,
    simulations: int = 1000,
    flips: int = 999,
) -> VotePower:
    """Power of the sign-flip test by simulation.

    The model: a vote is a tie with probability `tie_share`; otherwise it is for b with probability p_u of its
    unit, where p_u ~ Beta with mean (1 + mean_vote / (1 - tie_share)) / 2, so that the mean vote is `mean_vote`, and
    spread such that two decided votes on one unit correlate by `correlation` (the Beta's a + b = 1/correlation - 1).
    Each simulated study is tested with `flips` random sign flips.
    """
    generator = np.random.default_rng(seed)
    rejected = 0
    for _ in range(simulations):
        sums = simulate_vote_sums(
            generator,
            units=units,
            votes_per_unit=votes_per_unit,
            mean_vote=mean_vote,
            correlation=correlation,
            tie_share=tie_share,
        )
        rejected += _flip_p_of_sums(sums, flips, generator) <= alpha
    low, high = wilson_interval(rejected, simulations)
    return VotePower(
        estimate=rejected / simulations,
        low=low,
        high=high,
        units=units,
        votes_per_unit=votes_per_unit,
        mean_vote=mean_vote,
        correlation=correlation,
        tie_share=tie_share,
        alpha=alpha,
        simulations=simulations,
        seed=seed,
    )


def _share_of_b(mean_vote: float, correlation: float, tie_share: float) -> float:
    if not 0 <= correlation < 1:
        raise InputError(f"correlation is {correlation}; expected at least 0 and less than 1.")
    if not 0 <= tie_share < 1:
        raise InputError(f"tie_share is {tie_share}; expected at least 0 and less than 1.")
    if abs(mean_vote) > 1 - tie_share:
        raise InputError(f"mean_vote is {mean_vote}; expected between -{1 - tie_share:g} and {1 - tie_share:g}.")
    return (1 + mean_vote / (1 - tie_share)) / 2


def simulate_vote_sums(
    generator: np.random.Generator,
    *,
    units: int,
    votes_per_unit: int,
    mean_vote: float,
    correlation: float = 0.0,
    tie_share: float = 0.0,
) -> NDArray[np.int64]:
    """Sum of the votes of each unit (U,), by the model of `sign_flip_power`."""
    share_b = _share_of_b(mean_vote, correlation, tie_share)
    decided = generator.binomial(votes_per_unit, 1 - tie_share, size=units)
    share: float | Floats = share_b
    if correlation > 0 and 0 < share_b < 1:
        total = 1 / correlation - 1
        share = generator.beta(share_b * total, (1 - share_b) * total, size=units)
    return 2 * generator.binomial(decided, share) - decided


def _flip_p_of_sums(sums: NDArray[np.int64], flips: int, generator: np.random.Generator) -> float:
    """Monte-Carlo p of whole-number sums of votes; every unit has the same number of votes."""
    counts = np.bincount(np.abs(sums))
    sizes = np.arange(len(counts))
    signs = 2 * generator.binomial(counts[:, None], 0.5, size=(len(counts), flips)) - counts[:, None]
    return (1 + int((np.abs(sizes @ signs) >= abs(int(sums.sum()))).sum())) / (1 + flips)


def binomial_power(*, votes: int, share_b: float, tie_share: float = 0.0, alpha: float = 0.05) -> float:
    """Power of the exact two-sided binomial test over independent votes, ties left out: the closed form, no simulation.

    share_b: the probability that a decided vote is for b. The test's level stays below alpha, for votes are whole.
    """
    if votes < 1:
        raise InputError(f"there are {votes} votes; expected at least 1.")
    if not 0 <= share_b <= 1:
        raise InputError(f"share_b is {share_b}; expected between 0 and 1.")
    if not 0 <= tie_share < 1:
        raise InputError(f"tie_share is {tie_share}; expected at least 0 and less than 1.")
    decided = np.arange(votes + 1)
    # The largest number of votes for the loser at which the test rejects, -1 where it never does.
    fewest = stats.binom.ppf(alpha / 2, decided, 0.5)
    fewest = fewest - (2 * stats.binom.cdf(fewest, decided, 0.5) > alpha)
    rejected = stats.binom.cdf(fewest, decided, share_b) + stats.binom.cdf(fewest, decided, 1 - share_b)
    return float(stats.binom.pmf(decided, votes, 1 - tie_share) @ rejected)
