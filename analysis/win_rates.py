"""How often does each system win against each other? A matrix of win rates, with ties left out or as half a win."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from scipy import stats

from analysis.intervals import wilson_interval
from analysis.resampling import CONFIDENCE, DRAWS, Floats, percentiles, resampling_warnings
from analysis.results import NAN, Result, format_interval, format_p
from analysis.vote_counts import Integers, VoteCounts, count_votes
from annotation.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TiesInRates = Literal["drop", "half"]
TIES_IN_RATES: tuple[TiesInRates, ...] = get_args(TiesInRates)
TIES_IN_WORDS = {"drop": "ties left out", "half": "ties as half a win"}


@dataclasses.dataclass(frozen=True, slots=True)
class WinRate(Result):
    """Share of votes that `system` won against `opponent`; NaN with a `reason` where there is none.

    low, high: percentile interval over draws of items. wilson_low, wilson_high and p_value (exact binomial, decided
    votes alone) take votes as independent. used: the votes in the share; items: what the bootstrap drew.
    """

    system: Any
    opponent: Any
    estimate: float
    low: float
    high: float
    wilson_low: float
    wilson_high: float
    p_value: float
    wins: int
    losses: int
    ties: int
    used: int
    items: int
    method: str
    seed: int
    draws: int
    undefined_share: float = 0.0
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def excludes_half(self) -> bool:
        """Whether the interval over items lies on one side of one half."""
        return self.low > 0.5 or self.high < 0.5

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The win rate of {self.system} against {self.opponent} is not defined: {self.reason}."
        return (
            f"{self.system} wins {self.estimate:.1%} of {self.used} votes against {self.opponent} "
            f"{format_interval(self.low, self.high)}, exact binomial {format_p(self.p_value)}."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class WinRates(Result):
    """A cell for each two systems that were compared; `systems` by their mean win rate, the best first."""

    systems: tuple[Any, ...]
    cells: tuple[WinRate, ...]
    votes_used: int
    votes_dropped: int
    clusters: int
    method: str
    seed: int
    draws: int
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        clear = sum(cell.excludes_half for cell in self.cells)
        return f"{clear} of {len(self.cells)} win rates between {len(self.systems)} systems differ from one half."

    def to_frame(self) -> pd.DataFrame:
        """A row each two systems."""
        columns = [field.name for field in dataclasses.fields(WinRate) if field.name != "warnings"]
        return pd.DataFrame([{name: getattr(cell, name) for name in columns} for cell in self.cells], columns=columns)

    def to_matrix(self) -> pd.DataFrame:
        """Win rate of the row's system against the column's; NaN where they were not compared."""
        matrix = pd.DataFrame(NAN, index=list(self.systems), columns=list(self.systems))
        for cell in self.cells:
            matrix.loc[cell.system, cell.opponent] = cell.estimate
            matrix.loc[cell.opponent, cell.system] = 1 - cell.estimate
        return matrix

    def plot(self) -> "Figure":
        from analysis.preference_plots import plot_win_matrix  # takes a second to import

        return plot_win_matrix(self)


def win_rates(
    table: pd.DataFrame,
    *,
    system_a: str,
    system_b: str,
    vote: str,
    seed: int,
    ties: TiesInRates = "drop",
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> WinRates:
    """Win rates of all systems. vote: 1 for b, -1 for a, 0 for a tie; empty is missing.

    The bootstrap draws `cluster`s (items) with all their votes on all systems; without that column it draws votes.
    """
    if ties not in TIES_IN_RATES:
        raise InputError(f"ties is {ties!r}; expected one of {', '.join(TIES_IN_RATES)}.")
    counts = count_votes(table, system_a=system_a, system_b=system_b, vote=vote, cluster=cluster)
    return resample_win_rates(counts, ties=ties, seed=seed, draws=draws, confidence=confidence)


def resample_win_rates(
    counts: VoteCounts, *, ties: TiesInRates, seed: int, draws: int, confidence: float = CONFIDENCE
) -> WinRates:
    """Win rates of counted votes that have no covariates: a setting is two systems."""
    drawn = np.empty((0, len(counts.first)))
    if counts.votes_used:
        drawn = counts.resample(lambda sums: shares_of_first(sums, ties), seed=seed, draws=draws)
    clusters = _clusters_of_setting(counts)
    cells = []
    for setting, (first, second) in enumerate(zip(counts.first, counts.second, strict=True)):
        wins, tied, losses = (int(count) for count in counts.totals[0, setting :: len(counts.first)])
        cells.append(
            _describe(
                (counts.systems[first], counts.systems[second]),
                (wins, losses, tied),
                drawn[:, setting],
                items=int(clusters[setting]),
                ties=ties,
                seed=seed,
                confidence=confidence,
            )
        )
    used = sum(cell.used for cell in cells)
    return WinRates(
        systems=_order(counts.systems, cells),
        cells=tuple(cells),
        votes_used=used,
        votes_dropped=counts.votes_dropped + counts.votes_used - used,
        clusters=counts.clusters,
        method=f"win rates, {TIES_IN_WORDS[ties]}; percentile bootstrap over {counts.clusters} clusters",
        seed=seed,
        draws=draws,
        warnings=tuple(f"{cell.system} against {cell.opponent}: {text}" for cell in cells for text in cell.warnings),
    )


def shares_of_first(sums: Floats, ties: TiesInRates) -> Floats:
    """Win rate of the first system of each setting: summed counts (D, 3M) to (D, M), NaN without votes."""
    wins, tied, losses = np.split(sums, 3, axis=1)
    half = tied / 2 if ties == "half" else np.zeros_like(tied)
    with np.errstate(invalid="ignore"):
        return (wins + half) / (wins + losses + 2 * half)


def _clusters_of_setting(counts: VoteCounts) -> Integers:
    """In how many clusters a setting has votes, (M,)."""
    first, tied, second = (counts.of_cluster[:, part] for part in _thirds(len(counts.first)))
    return np.asarray(((first + tied + second) > 0).sum(axis=0), dtype=np.int64)


def _thirds(settings: int) -> list[slice]:
    return [slice(part * settings, (part + 1) * settings) for part in range(3)]


def _describe(
    systems: tuple[Any, Any],
    votes: tuple[int, int, int],
    drawn: Floats,
    *,
    items: int,
    ties: TiesInRates,
    seed: int,
    confidence: float,
) -> WinRate:
    """One cell from its wins, losses and ties; drawn (D,) are the shares in bootstrap draws."""
    wins, losses, tied = votes
    half = tied / 2 if ties == "half" else 0.0
    used = wins + losses + 2 * half
    interval = percentiles(drawn, confidence)
    wilson_low, wilson_high = wilson_interval(wins + half, used, confidence)
    decided = wins + losses
    return WinRate(
        system=systems[0],
        opponent=systems[1],
        estimate=(wins + half) / used if used else NAN,
        low=interval.low,
        high=interval.high,
        wilson_low=wilson_low,
        wilson_high=wilson_high,
        p_value=float(stats.binomtest(wins, decided).pvalue) if decided else NAN,
        wins=wins,
        losses=losses,
        ties=tied,
        used=round(used),
        items=items,
        method=f"win rate, {TIES_IN_WORDS[ties]}; percentile bootstrap over {items} clusters",
        seed=seed,
        draws=len(drawn),
        undefined_share=interval.undefined_share,
        confidence=confidence,
        warnings=resampling_warnings("the win rate", items, interval.undefined_share) if used else (),
        reason="" if used else "every vote is a tie",
    )


def _order(systems: list[Any], cells: list[WinRate]) -> tuple[Any, ...]:
    """Systems by their mean win rate over opponents, best first; equal ones as they were."""
    rates: dict[Any, list[float]] = {system: [] for system in systems}
    for cell in cells:
        if not math.isnan(cell.estimate):
            rates[cell.system].append(cell.estimate)
            rates[cell.opponent].append(1 - cell.estimate)
    return tuple(sorted(systems, key=lambda system: -float(np.mean(rates[system] or [0.0]))))
