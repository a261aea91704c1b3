"""Rankings of sets of completions: mean ranks, best less worst, and whether raters order a set alike.

The long table has a row for each completion in each ranking: the set that was ranked (unit), who ranked it (rater), the
completion's system, and its rank, the lowest the best; tied ones have the same rank, whatever number it is.
"""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.resampling import (
    CONFIDENCE,
    DRAWS,
    Floats,
    bootstrap_estimate,
    percentiles,
    resample_sums,
    resampling_warnings,
)
from analysis.results import Estimate, Result, format_interval, format_number
from analysis.tables import cluster_codes, codes, numbers, quoted, require_columns, require_no_gaps
from analysis.vote_counts import Integers
from annotation.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True, slots=True)
class SystemRank(Result):
    """One system: its mean rank, and how often it was best less how often worst, as a share of its rankings.

    Both with percentile intervals over items. Ties share their places: midranks, and parts of a best or worst.
    """

    system: Any
    mean_rank: float
    mean_rank_low: float
    mean_rank_high: float
    best: float
    worst: float
    best_worst: float
    best_worst_low: float
    best_worst_high: float
    used: int
    method: str = "mean midrank; best less worst over all; percentile bootstrap"
    warnings: tuple[str, ...] = ()

    @property
    def estimate(self) -> float:
        return self.mean_rank

    @property
    def low(self) -> float:
        return self.mean_rank_low

    @property
    def high(self) -> float:
        return self.mean_rank_high

    @property
    def reading(self) -> str:
        return (
            f"{self.system} has a mean rank of {format_number(self.mean_rank, 2)} "
            f"{format_interval(self.mean_rank_low, self.mean_rank_high, 2)}; it was best {self.best:g} times and worst "
            f"{self.worst:g} times in {self.used} rankings."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class SystemRanks(Result):
    """All systems, the best mean rank first."""

    systems: tuple[SystemRank, ...]
    rankings: int
    used: int
    dropped: int
    clusters: int
    method: str
    seed: int
    draws: int
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        return self.systems[0].reading

    def to_frame(self) -> pd.DataFrame:
        """A row a system."""
        columns = [field.name for field in dataclasses.fields(SystemRank) if field.name not in ("method", "warnings")]
        return pd.DataFrame([{name: getattr(rank, name) for name in columns} for rank in self.systems])

    def plot(self) -> "Figure":
        from analysis.preference_plots import plot_mean_ranks  # takes a second to import

        return plot_mean_ranks(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Concordance(Result):
    """Kendall's W (1939), averaged over units that two raters or more ranked, with its interval over items.

    rank_correlation: (m W - 1) / (m - 1), without ties the mean Spearman correlation of two raters; by chance W is
    1 / m and this is 0.
    """

    estimate: float
    low: float
    high: float
    rank_correlation: float
    rank_correlation_low: float
    rank_correlation_high: float
    units_used: int
    units_dropped: int
    rankings_used: int
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
            return f"Kendall's W is not defined: {self.reason}."
        return (
            f"Workers order a set with Kendall's W = {format_number(self.estimate, 2)} "
            f"{format_interval(self.low, self.high, 2)}, a mean rank correlation of "
            f"{format_number(self.rank_correlation, 2)} "
            f"{format_interval(self.rank_correlation_low, self.rank_correlation_high, 2)} (0 = chance), over "
            f"{self.units_used} sets."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Ranks:
    """Midranks within each ranking, all (N,); `size` is how many a ranking has."""

    unit: Integers
    ranking: Integers
    system: Integers
    systems: list[Any]
    cluster: Integers
    clusters: int
    midrank: Floats
    size: Integers
    used: int
    dropped: int


def _read(
    table: pd.DataFrame, unit: str, rater: str, system: str, rank: str, entry: str | None, cluster: str | None
) -> _Ranks:
    named = [unit, rater, system, *filter(None, [entry, cluster])]
    require_columns(table, rank, *named)
    require_no_gaps(table, *named)
    key = [unit, rater, entry or system]
    again = table.index[table.duplicated(key)]
    if len(again):
        cells = ", ".join(quoted(table[name].loc[again[0]]) for name in key)
        raise InputError(f"row {again[0]}: {cells} occurs twice; expected one rank a set, rater and {key[2]}.")
    values = numbers(table, rank)
    given = np.isfinite(values)
    rows = table[given]
    unit_code, _ = codes(rows[unit])
    rater_code, raters = codes(rows[rater])
    _, ranking = np.unique(unit_code * max(1, len(raters)) + rater_code, return_inverse=True)
    system_code, systems = codes(rows[system])
    cluster_code, clusters = cluster_codes(rows, cluster or unit)
    midrank = pd.Series(values[given]).groupby(ranking).rank(method="average").to_numpy()
    return _Ranks(
        unit=unit_code,
        ranking=ranking.astype(np.int64),
        system=system_code,
        systems=systems,
        cluster=cluster_code,
        clusters=clusters,
        midrank=midrank,
        size=np.bincount(ranking)[ranking] if len(ranking) else ranking,
        used=int(given.sum()),
        dropped=int((~given).sum()),
    )


def mean_ranks(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    system: str,
    rank: str,
    seed: int,
    entry: str | None = None,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> SystemRanks:
    """Mean rank and best less worst of each system. The bootstrap draws `cluster`s (items; default: units).

    entry: names the completion within its set, where a system may have several; default the system.
    """
    ranks = _read(table, unit, rater, system, rank, entry, cluster)
    if not ranks.used:
        raise InputError(f"the column {rank!r} is empty; expected at least one rank.")
    is_best, is_worst = _ends(ranks)
    columns = np.zeros((ranks.clusters, 3 * len(ranks.systems)))
    for part, values in enumerate((np.ones(ranks.used), ranks.midrank, is_best - is_worst)):
        np.add.at(columns, (ranks.cluster, part * len(ranks.systems) + ranks.system), values)
    drawn = resample_sums(columns, np.ones(ranks.clusters, dtype=np.int64), _means, seed=seed, draws=draws)
    whole = _means(columns.sum(axis=0)[None, :])[0]
    rankings = np.bincount(ranks.system)
    best, worst = np.bincount(ranks.system, is_best), np.bincount(ranks.system, is_worst)
    found = []
    for code, name in enumerate(ranks.systems):
        of_rank = percentiles(drawn[:, code], confidence)
        of_ends = percentiles(drawn[:, len(ranks.systems) + code], confidence)
        found.append(
            SystemRank(
                name,
                float(whole[code]),
                of_rank.low,
                of_rank.high,
                round(float(best[code]), 9),
                round(float(worst[code]), 9),
                float(whole[len(ranks.systems) + code]),
                of_ends.low,
                of_ends.high,
                int(rankings[code]),
                warnings=resampling_warnings(f"the rank of {name}", ranks.clusters, of_rank.undefined_share),
            )
        )
    sizes = np.unique(ranks.size)
    mixed = (f"sets have {sizes[0]} to {sizes[-1]} completions, so ranks are not comparable between them",)
    return SystemRanks(
        systems=tuple(sorted(found, key=lambda rank: rank.mean_rank)),
        rankings=int(ranks.ranking.max()) + 1,
        used=ranks.used,
        dropped=ranks.dropped,
        clusters=ranks.clusters,
        method=f"mean midrank and best less worst; percentile bootstrap over {ranks.clusters} clusters",
        seed=seed,
        draws=draws,
        warnings=mixed if len(sizes) > 1 else (),
    )


def _ends(ranks: _Ranks) -> tuple[Floats, Floats]:
    """Each completion's part of its ranking's best place and worst place, (N,) each: 1 / t for t that are tied."""
    ends = []
    for wanted in (np.minimum, np.maximum):
        extreme = np.full(int(ranks.ranking.max()) + 1, np.inf if wanted is np.minimum else -np.inf)
        wanted.at(extreme, ranks.ranking, ranks.midrank)
        is_end = ranks.midrank == extreme[ranks.ranking]
        tied = np.bincount(ranks.ranking, is_end)
        ends.append(is_end / tied[ranks.ranking])
    return ends[0], ends[1]


def _means(sums: Floats) -> Floats:
    """Sums (D, 3S) of counts, midranks and ends to mean ranks and mean ends, (D, 2S)."""
    counts, of_ranks, of_ends = np.split(sums, 3, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([of_ranks / counts, of_ends / counts], axis=1)


def kendall_w(
    table: pd.DataFrame,
    *,
    unit: str,
    rater: str,
    entry: str,
    rank: str,
    seed: int,
    cluster: str | None = None,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> Concordance:
    """W = 12 S / (m^2 (n^3 - n) - m sum(t^3 - t)), corrected for ties, of each unit; their mean over units.

    A unit needs two raters who ranked the same completions; it is dropped and counted where it has not, or where every
    rater ties all of them. entry: names a completion within its set.
    """
    ranks = _read(table, unit, rater, entry, rank, None, cluster)
    by_unit = _concordances(ranks)
    defined = by_unit[np.isfinite(by_unit["w"])]
    dropped = table[unit].nunique() - len(defined)
    _, cluster_of_unit = np.unique(defined["cluster"].to_numpy(), return_inverse=True)

    def mean(column: str) -> Estimate:
        values = defined[column].to_numpy(dtype=np.float64)
        return bootstrap_estimate(
            lambda weights: (weights @ values) / weights.sum(axis=1),
            cluster_of_unit,
            method=column,
            seed=seed,
            draws=draws,
            confidence=confidence,
        )

    w, correlation = mean("w"), mean("rank_correlation")
    return Concordance(
        estimate=w.estimate,
        low=w.low,
        high=w.high,
        rank_correlation=correlation.estimate,
        rank_correlation_low=correlation.low,
        rank_correlation_high=correlation.high,
        units_used=len(defined),
        units_dropped=dropped,
        rankings_used=int(defined["raters"].sum()),
        clusters=w.clusters,
        method=f"Kendall's W corrected for ties, mean over units; percentile bootstrap over {w.clusters} clusters",
        seed=seed,
        draws=draws,
        confidence=confidence,
        warnings=resampling_warnings("Kendall's W", w.clusters, w.undefined_share) if len(defined) else (),
        reason="" if len(defined) else "no set was ranked by two raters who do not tie everything",
    )


def _concordances(ranks: _Ranks) -> pd.DataFrame:
    """A row a unit: raters, cluster, W and the mean rank correlation; NaN where they are not defined."""
    frame = pd.DataFrame(
        {"unit": ranks.unit, "ranking": ranks.ranking, "system": ranks.system, "midrank": ranks.midrank}
    )
    # Ties of t completions take t^3 - t from what the ranks could vary.
    tied = frame.groupby(["ranking", "midrank"])["unit"].agg(["first", "size"])
    ties = (tied["size"] ** 3 - tied["size"]).groupby(tied["first"]).sum()
    of_system = frame.groupby(["unit", "system"])["midrank"].agg(["sum", "size"]).reset_index()
    grouped = of_system.groupby("unit")
    objects, raters, least = grouped.size(), grouped["size"].max(), grouped["size"].min()
    deviation = of_system["sum"] - grouped["sum"].transform("mean")
    squares = (deviation**2).groupby(of_system["unit"]).sum()
    scale = raters**2 * (objects**3 - objects) - raters * ties
    is_defined = (raters == least) & (raters >= 2) & (scale > 0)
    w = (12 * squares / scale.where(is_defined)).astype(np.float64)
    first = pd.Series(ranks.cluster).groupby(ranks.unit).first()
    return pd.DataFrame(
        {"raters": raters, "cluster": first, "w": w, "rank_correlation": (raters * w - 1) / (raters - 1)}
    )
