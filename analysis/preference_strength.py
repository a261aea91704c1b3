"""How much better is the better one? Votes with a degree: signed strengths, their mean, and agreement on them.

The signed strength of a vote is its degree (1, 2, ...) for b, minus its degree for a, and 0 for a tie.
"""

import dataclasses

import numpy as np
import pandas as pd

from analysis.preferences import FLIPS, TOLERANCE, read_votes, sign_flip_p
from analysis.resampling import CONFIDENCE, DRAWS, Floats, bootstrap_estimate, resampling_warnings
from analysis.results import NAN, SIGNIFICANCE, Result, format_interval, format_number, format_p
from analysis.tables import cluster_codes, numbers, quoted, require_columns, require_no_gaps
from annotation.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class MeanStrength(Result):
    """Mean of units' mean signed strengths (above 0: b), percentile interval and sign-flip p over units.

    degree_a, degree_b: mean degree of the votes for a and for b. largest: the highest degree that was given.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    degree_a: float
    degree_b: float
    largest: float
    units_used: int
    used: int
    dropped: int
    method: str
    seed: int
    draws: int
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""
    name_a: str = "a"
    name_b: str = "b"

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The strength of preference is not defined: {self.reason}."
        verdict = "no significant preference"
        if self.p_value <= SIGNIFICANCE:
            verdict = f"{self.name_b if self.estimate > 0 else self.name_a} is preferred"
        return (
            f"With degrees counted the mean preference is {format_number(self.estimate)} "
            f"{format_interval(self.low, self.high)} ({self.largest:g} = always {self.name_b} by the highest degree): "
            f"{verdict}, sign-flip {format_p(self.p_value)}; votes for {self.name_b} have a mean degree of "
            f"{format_number(self.degree_b, 2)}, for {self.name_a} {format_number(self.degree_a, 2)}."
        )


def signed_strengths(table: pd.DataFrame, *, vote: str, strength: str) -> Floats:
    """Vote times degree (N,), 0 for ties; NaN where the vote or a decided vote's degree is empty."""
    require_columns(table, vote, strength)
    votes, degrees = np.sign(read_votes(table, vote)), numbers(table, strength)
    wrong = table.index[degrees <= 0]
    if len(wrong):
        found = quoted(table[strength].loc[wrong[0]])
        raise InputError(f"row {wrong[0]}: {strength!r} is {found}; expected a degree above 0.")
    return np.where(votes == 0, 0.0, votes * degrees)


def mean_strength(
    table: pd.DataFrame,
    *,
    unit: str,
    vote: str,
    strength: str,
    seed: int,
    flips: int = FLIPS,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    name_a: str = "a",
    name_b: str = "b",
) -> MeanStrength:
    """Mean signed strength over units (items). vote: 1 for b, -1 for a, 0 for a tie; strength: its degree."""
    require_columns(table, unit)
    require_no_gaps(table, unit)
    signed = signed_strengths(table, vote=vote, strength=strength)
    given = np.isfinite(signed)
    values = signed[given]
    unit_of_vote, units = cluster_codes(table[given], unit)
    means = np.bincount(unit_of_vote, values, minlength=units) / np.maximum(np.bincount(unit_of_vote), 1)
    mean = bootstrap_estimate(
        lambda weights: (weights @ means) / weights.sum(axis=1),
        np.arange(units),
        method="mean signed strength of units",
        seed=seed,
        draws=draws,
        confidence=confidence,
    )
    return MeanStrength(
        estimate=0.0 if abs(mean.estimate) < TOLERANCE else mean.estimate,
        low=mean.low,
        high=mean.high,
        p_value=sign_flip_p(means, seed=seed, flips=flips)[0] if units else NAN,
        degree_a=float(-values[values < 0].mean()) if (values < 0).any() else NAN,
        degree_b=float(values[values > 0].mean()) if (values > 0).any() else NAN,
        largest=float(np.abs(values).max()) if units else NAN,
        units_used=units,
        used=len(values),
        dropped=int((~given).sum()),
        method=f"{mean.method}; sign-flip test over units, two-sided",
        seed=seed,
        draws=draws,
        confidence=confidence,
        warnings=resampling_warnings("the mean strength", units, mean.undefined_share) if units else (),
        reason="" if units else "no vote has a degree",
        name_a=name_a,
        name_b=name_b,
    )
