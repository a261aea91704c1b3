"""All pairs of systems after a test of them all: differences, simultaneous intervals, adjusted p, and letters."""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.letter_display import display_letters
from analysis.resampling import Floats
from analysis.results import NAN, Result
from analysis.studentized_range import studentized_range_quantile, studentized_range_sf

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, slots=True)
class PairDifference:
    """`second` less `first`, with its simultaneous interval; `p_value` is adjusted for the number of pairs.

    Where it is not defined it is NaN, and `reason` says why.
    """

    first: str
    second: str
    difference: float
    low: float
    high: float
    p_value: float
    reason: str = ""

    def upright(self) -> "PairDifference":
        """The same, with first and second exchanged where the difference is negative."""
        if not self.difference < 0:
            return self
        return dataclasses.replace(
            self, first=self.second, second=self.first, difference=-self.difference, low=-self.high, high=-self.low
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PairwiseTest(Result):
    """Every pair of systems. `short_name` names the test in a sentence, `of` what the differences are of.

    The intervals hold together with probability `confidence`; a test without intervals leaves them NaN.
    """

    pairs: tuple[PairDifference, ...]
    short_name: str
    of: str
    used: int
    dropped: int
    confidence: float
    method: str
    counted: str = "ratings"
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def significant(self) -> tuple[PairDifference, ...]:
        """Pairs whose adjusted p is at most 1 - confidence."""
        # .05 is 1 - .95 but for rounding.
        level = round(1 - self.confidence, 12)
        return tuple(pair for pair in self.pairs if not math.isnan(pair.p_value) and pair.p_value <= level)

    @property
    def smallest_p(self) -> float:
        """The smallest adjusted p: a test that no two systems differ."""
        return min((pair.p_value for pair in self.pairs if not math.isnan(pair.p_value)), default=NAN)

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Pairs of systems cannot be compared by {self.short_name}: {self.reason}."
        level = f"{1 - self.confidence:.2g}".removeprefix("0")
        undefined = sum(1 for pair in self.pairs if pair.reason)
        others = f"; {undefined} pairs are not defined" if undefined else ""
        return (
            f"{len(self.significant)} of {len(self.pairs)} pairs of systems differ ({self.short_name}, "
            f"family error {level}){others}."
        )

    def letters(self, order: Sequence[str]) -> dict[str, str]:
        """Systems that share a letter do not differ significantly; `a` begins with the first of `order`."""
        return display_letters(order, [(pair.first, pair.second) for pair in self.significant])

    def to_frame(self) -> pd.DataFrame:
        columns = [field.name for field in dataclasses.fields(PairDifference)]
        return pd.DataFrame([dataclasses.asdict(pair) for pair in self.pairs], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"reading": self.reading}

    def plot(self) -> "Figure":
        from analysis.plots import plot_differences

        return plot_differences(self.pairs, xlabel=f"difference of {self.of}")


def pair_places(groups: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of the first and the second of every pair, (P,) each."""
    return np.triu_indices(groups, 1)


def pairs_without_values(names: Sequence[str], differences: Floats, reason: str) -> tuple[PairDifference, ...]:
    """Every pair with its difference and nothing else, because of `reason`."""
    first, second = pair_places(len(names))
    return tuple(
        PairDifference(names[i], names[j], delta, NAN, NAN, NAN, reason)
        for i, j, delta in zip(first, second, differences.tolist(), strict=True)
    )


def compare_by_range(
    names: Sequence[str],
    differences: Floats,
    errors: Floats,
    degrees_of_freedom: Floats,
    confidence: float,
    reasons: Sequence[str] = (),
) -> tuple[PairDifference, ...]:
    """Pairs by the studentised range of all groups; differences, errors, degrees of freedom and reasons (P,).

    An error is the standard error of a difference over the root of 2: that of a mean, where all have the same (the
    range is one of means). A pair with a reason is not defined.
    """
    groups = len(names)
    quantiles: dict[float, float] = {}
    pairs = []
    for i, j, delta, error, freedom, reason in zip(
        *pair_places(groups),
        differences.tolist(),
        errors.tolist(),
        degrees_of_freedom.tolist(),
        reasons or [""] * len(differences),
        strict=True,
    ):
        if reason:
            pairs.append(PairDifference(names[i], names[j], delta, NAN, NAN, NAN, reason))
            continue
        if freedom not in quantiles:
            quantiles[freedom] = studentized_range_quantile(confidence, groups, freedom)
        half = quantiles[freedom] * error
        p_value = studentized_range_sf(abs(delta) / error, groups, freedom)
        pairs.append(PairDifference(names[i], names[j], delta, delta - half, delta + half, p_value))
    return tuple(pairs)
