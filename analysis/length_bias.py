"""Do people choose the longer completion, and who would win at equal lengths?

Length is counted in words. The log of the ratio of lengths is a covariate beside the systems (Bradley-Terry with
eta = theta_b - theta_a + beta log(words_b / words_a)), so the strengths are those at equal lengths. That is a model's
answer: where one system is always longer, its length and its quality cannot be told apart.
"""

import dataclasses
import math

import numpy as np
import pandas as pd
from scipy import special, stats

from analysis.bradley_terry import fit_bradley_terry
from analysis.davidson import Likelihood, Tallies
from analysis.preferences import read_votes, sign_flip_test
from analysis.resampling import CONFIDENCE, DRAWS, Floats, bootstrap_estimate, resampling_warnings
from analysis.results import NAN, Estimate, Result, format_interval, format_number, format_p
from analysis.tables import cluster_codes, require_columns
from analysis.vote_counts import Integers

RATIO = "log_length_ratio"


@dataclasses.dataclass(frozen=True, slots=True)
class LengthBias(Result):
    """Share of decided votes for the longer completion, with its interval and sign-flip p over items.

    slope: what one unit of log(words_b / words_a) adds to the log odds of b, with its interval over items and p. Votes
    on equally long completions are in the slope and not in the share.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    slope: float
    slope_low: float
    slope_high: float
    slope_p: float
    longer: int
    used: int
    equal: int
    dropped: int
    clusters: int
    method: str
    seed: int
    draws: int
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Length bias is not defined: {self.reason}."
        slope = ""
        if not math.isnan(self.slope):
            odds = ", ".join(format_number(2**end, 2) for end in (self.slope_low, self.slope_high))
            slope = (
                f"; twice the length multiplies the odds of being chosen by {format_number(2**self.slope, 2)} [{odds}]"
            )
        return (
            f"The longer completion won {self.longer} of {self.used} decided votes ({self.estimate:.1%}, over items "
            f"{format_interval(self.low, self.high)}, sign-flip {format_p(self.p_value)}){slope}."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class LengthAdjusted(Result):
    """Win rate of b over a among decided votes, as fitted at equal lengths, with its interval over items.

    unadjusted: the share itself. slope: as in `LengthBias`, with both systems in the model. mean_ratio: how many times
    longer b is, the geometric mean over votes.
    """

    estimate: float
    low: float
    high: float
    unadjusted: float
    slope: float
    slope_low: float
    slope_high: float
    slope_p: float
    mean_ratio: float
    used: int
    dropped: int
    clusters: int
    method: str
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""
    name_a: str = "a"
    name_b: str = "b"

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The win rate of {self.name_b} at equal lengths is not defined: {self.reason}."
        return (
            f"At equal lengths {self.name_b} would win {self.estimate:.1%} {format_interval(self.low, self.high)} "
            f"against {self.name_a}, where it won {self.unadjusted:.1%} (it is {format_number(self.mean_ratio, 2)} "
            f"times as long)."
        )


def count_words(texts: pd.Series) -> Floats:
    """Words between white space (N,); NaN where the text is missing or empty."""
    words = texts.astype("string").str.split().str.len().to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(words > 0, words, np.nan)


def log_length_ratio(table: pd.DataFrame, *, completion_a: str, completion_b: str) -> Floats:
    """log(words of b / words of a), (N,); NaN where one of them has none."""
    require_columns(table, completion_a, completion_b)
    return np.log(count_words(table[completion_b])) - np.log(count_words(table[completion_a]))


def length_bias(
    table: pd.DataFrame,
    *,
    completion_a: str,
    completion_b: str,
    vote: str,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> LengthBias:
    """vote: 1 for b, -1 for a, 0 for a tie. Ties, empty votes and empty completions are dropped and counted."""
    ratio = log_length_ratio(table, completion_a=completion_a, completion_b=completion_b)
    votes = np.sign(read_votes(table, vote))
    decided = np.isfinite(ratio) & np.isfinite(votes) & (votes != 0)
    rows = table[decided]
    unit, clusters = cluster_codes(rows, cluster)
    toward_longer = (votes * np.sign(ratio))[decided]
    differs = toward_longer != 0
    share = _share(toward_longer[differs], unit[differs], seed=seed, draws=draws, confidence=confidence)
    flip_p = NAN
    if share.used:
        leaning = pd.DataFrame({"unit": unit[differs], "vote": toward_longer[differs]})
        flip_p = sign_flip_test(leaning, unit="unit", vote="vote", seed=seed, draws=1).p_value
    slope, error = _slope(ratio[decided], votes[decided], unit)
    z = stats.norm.ppf((1 + confidence) / 2)
    return LengthBias(
        estimate=share.estimate,
        low=share.low,
        high=share.high,
        p_value=flip_p,
        slope=slope,
        slope_low=slope - z * error,
        slope_high=slope + z * error,
        slope_p=float(2 * stats.norm.sf(abs(slope / error))) if error else NAN,
        longer=int((toward_longer > 0).sum()),
        used=share.used,
        equal=int((~differs).sum()),
        dropped=int((~decided).sum()),
        clusters=clusters,
        method="share of decided votes for the longer one, percentile bootstrap; logistic slope of the log length "
        f"ratio, sandwich variance; over {clusters} clusters",
        seed=seed,
        draws=draws,
        confidence=confidence,
        warnings=resampling_warnings("the share", share.clusters, share.undefined_share) if share.used else (),
        reason="" if share.used else "no decided vote is on completions of different lengths",
    )


def _share(toward_longer: Floats, unit: Integers, seed: int, draws: int, confidence: float) -> Estimate:
    """Share of 1 among -1 and 1, (N,), with units drawn."""
    is_longer = (toward_longer > 0).astype(np.float64)
    return bootstrap_estimate(
        lambda weights: (weights @ is_longer) / weights.sum(axis=1),
        np.unique(unit, return_inverse=True)[1],
        method="share of decided votes for the longer one",
        seed=seed,
        draws=draws,
        confidence=confidence,
    )


def _slope(ratio: Floats, votes: Floats, unit: Integers) -> tuple[float, float]:
    """The logistic slope through the origin and its standard error over units; NaN where the votes bound none."""
    if not len(votes):
        return NAN, NAN
    likelihood = Likelihood(ratio[:, None], has_ties=False)
    tallies = Tallies(votes[None, :], np.zeros((1, len(votes))), np.ones((1, len(votes))))
    found = likelihood.maximise(tallies, np.zeros(1))
    units = int(unit.max()) + 1
    if np.isnan(found[0, 0]) or units < 2:
        return float(found[0, 0]), NAN
    at = likelihood.predict(found)
    scores = np.bincount(unit, ratio * (votes - at.mean[0]) / 2, minlength=units)
    information = float(likelihood.information(at, tallies)[0, 0, 0])
    return float(found[0, 0]), math.sqrt(units / (units - 1) * float(scores @ scores)) / information


def length_adjusted_win_rate(
    table: pd.DataFrame,
    *,
    completion_a: str,
    completion_b: str,
    vote: str,
    cluster: str | None = None,
    confidence: float = CONFIDENCE,
    name_a: str = "a",
    name_b: str = "b",
) -> LengthAdjusted:
    """Two systems, a and b in every row: the win rate of b at equal lengths. Ties are left out and counted."""
    ratio = log_length_ratio(table, completion_a=completion_a, completion_b=completion_b)
    columns = [vote, *([cluster] if cluster else [])]
    require_columns(table, *columns)
    rows = table[columns].assign(**{RATIO: ratio, "system_a": "a", "system_b": "b"})
    fit = fit_bradley_terry(
        rows,
        system_a="system_a",
        system_b="system_b",
        vote=vote,
        ties="drop",
        cluster=cluster,
        covariates=[RATIO],
        confidence=confidence,
    )
    votes = np.sign(read_votes(table, vote))
    decided = np.isfinite(ratio) & np.isfinite(votes) & (votes != 0)
    strength = next(strength for strength in fit.strengths if strength.system == "b")
    slope = fit.effects[0]
    # b's strength is half the difference of the two.
    estimate, low, high = (float(special.expit(2 * end)) for end in (strength.estimate, strength.low, strength.high))
    return LengthAdjusted(
        estimate=estimate,
        low=low,
        high=high,
        unadjusted=float((votes[decided] > 0).mean()) if decided.any() else NAN,
        slope=slope.estimate,
        slope_low=slope.low,
        slope_high=slope.high,
        slope_p=slope.p_value,
        mean_ratio=float(np.exp(ratio[decided].mean())) if decided.any() else NAN,
        used=fit.votes_used,
        dropped=len(table) - fit.votes_used,
        clusters=fit.clusters,
        method="Bradley-Terry with the log length ratio as a covariate, ties left out; sandwich variance over "
        f"{fit.clusters} clusters",
        confidence=confidence,
        reason=fit.reason or strength.reason,
        name_a=name_a,
        name_b=name_b,
    )
