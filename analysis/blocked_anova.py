"""Do systems differ on the same items? ANOVA of item means with items as blocks, and all pairs by Tukey's range.

The model of a mean is item + system + error, by least squares, so that an item that lacks a system still counts
("intra-block analysis": F. Yates 1940). An item's difficulty falls out, its ratings become one mean, and so what the
errors hold is what systems and items have to themselves.
"""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse, stats

from analysis.anova import verdict
from analysis.groups import ROUNDING
from analysis.item_means import ItemMeans, item_means
from analysis.noncentral import explained_share_interval
from analysis.pair_differences import PairwiseTest, compare_by_range, pair_places, pairs_without_values
from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN, Result, format_interval, format_number, format_p

METHOD = "ANOVA of item means, items as blocks"
COMPLETE_ITEMS_PER_SYSTEM = 2  # with fewer, epsilon comes out far too low
UNEVEN = 0.75  # E. R. Girden (1992): below it spreads are unlike enough to matter


@dataclasses.dataclass(frozen=True, slots=True)
class BlockedAnova(Result):
    """F of systems beside items. `means` are adjusted: as if every system had every used item.

    `partial_eta_squared` is the systems' share of what items leave, [low, high] its interval by the noncentral F.
    `p_value` is corrected for differences that spread unlike each other by Greenhouse and Geisser's `epsilon` (1: all
    alike), where it can be estimated; `p_uncorrected` is not. `items_dropped` have one system only.
    """

    statistic: float
    p_value: float
    partial_eta_squared: float
    low: float
    high: float
    epsilon: float
    p_uncorrected: float
    df_between: int
    df_error: int
    mean_square_error: float
    groups: tuple[str, ...]
    means: tuple[float, ...]
    items_used: int
    items_dropped: int
    cells_missing: int
    used: int
    dropped: int
    confidence: float = CONFIDENCE
    reason: str = ""
    method: str = METHOD
    warnings: tuple[str, ...] = ()

    @property
    def estimate(self) -> float:
        return self.partial_eta_squared

    @property
    def reading(self) -> str:
        if self.reason:
            return f"The systems cannot be compared within items by ANOVA: {self.reason}."
        return (
            f"Compared within items, the systems {verdict(self.p_value)}: F({self.df_between}, {self.df_error}) = "
            f"{format_number(self.statistic, 2)}, epsilon {format_number(self.epsilon, 2)}, {format_p(self.p_value)}, "
            f"partial eta squared {format_number(self.partial_eta_squared)} {format_interval(self.low, self.high)}, "
            f"{self.items_used} items."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class BlockFit:
    """The fitted model. present, residuals (B, G), 0 where a cell is empty; effects (G,) sum to 0.

    covariance (G, G) of the effects in units of the error's variance. Only items with two systems or more are in it.
    """

    present: Floats
    residuals: Floats
    effects: Floats
    means: Floats
    covariance: Floats
    explained: float
    unexplained: float
    reason: str

    @property
    def df_error(self) -> int:
        blocks, groups = self.present.shape
        return int(self.present.sum()) - blocks - groups + 1

    @property
    def mean_square_error(self) -> float:
        return self.unexplained / self.df_error if self.df_error > 0 else NAN


def fit_blocks(cells: ItemMeans) -> BlockFit:
    """Least squares of item + system + error on the item means."""
    is_used = (cells.counts > 0).sum(axis=1) > 1
    present = (cells.counts[is_used] > 0).astype(np.float64)
    values = np.where(present > 0, cells.means[is_used], 0.0)
    sizes = present.sum(axis=1, keepdims=True)
    block_means = values.sum(axis=1, keepdims=True) / sizes
    within = (values - block_means) * present
    # The normal equations with the items eliminated.
    information = np.diag(present.sum(axis=0)) - present.T @ (present / sizes)
    covariance = np.linalg.pinv(information, hermitian=True)
    effects = covariance @ within.sum(axis=0)
    fitted = (effects - (present @ effects)[:, None] / sizes) * present
    residuals = within - fitted
    unexplained = float((residuals**2).sum())
    # Equal means leave a trace of spread by rounding.
    if unexplained <= ROUNDING * present.sum() * np.abs(values).max(initial=0.0) ** 2:
        residuals, unexplained = np.zeros_like(residuals), 0.0
    item_effects = block_means[:, 0] - (present @ effects) / sizes[:, 0]
    fit = BlockFit(
        present=present,
        residuals=residuals,
        effects=effects,
        means=effects + item_effects.mean() if len(values) else effects,
        covariance=covariance,
        explained=float(effects @ within.sum(axis=0)),
        unexplained=unexplained,
        reason="",
    )
    return dataclasses.replace(fit, reason=_why_no_fit(fit, cells))


def _why_no_fit(fit: BlockFit, cells: ItemMeans) -> str:
    if len(cells.groups) < 2:
        return "fewer than two systems have a value"
    if not len(fit.present):
        return "no item has two systems"
    parts, part_of_group = sparse.csgraph.connected_components(sparse.csr_array(fit.present.T @ fit.present))
    if parts > 1:
        apart = cells.groups[int(np.argmax(part_of_group != part_of_group[0]))]
        return f"{str(cells.groups[0])!r} and {str(apart)!r} share no item, nor through other systems"
    if fit.df_error < 1:
        return "no item is left to judge the spread by"
    return "items and systems explain the means to the last digit" if fit.unexplained == 0 else ""


def blocked_anova(
    table: pd.DataFrame, *, block: str, group: str, value: str, confidence: float = CONFIDENCE
) -> BlockedAnova:
    """F test that all groups (systems) have one mean, on the means of each block (item) and group.

    Both degrees of freedom are multiplied by epsilon for `p_value`: one system with noisy means is enough to double the
    errors of the plain F test.
    """
    cells = item_means(table, block=block, group=group, value=value)
    fit = fit_blocks(cells)
    is_defined, df_between, df_error = not fit.reason, len(cells.groups) - 1, fit.df_error
    statistic = fit.explained / df_between / fit.mean_square_error if is_defined else NAN
    low, high = explained_share_interval(statistic, df_between, df_error, df_between + df_error + 1, confidence)
    epsilon = _estimate_epsilon(cells) if is_defined else NAN
    factor = 1.0 if np.isnan(epsilon) else epsilon
    counts = _counts(cells, fit)
    return BlockedAnova(
        statistic=statistic,
        p_value=float(stats.f.sf(statistic, factor * df_between, factor * df_error)),
        partial_eta_squared=fit.explained / (fit.explained + fit.unexplained) if is_defined else NAN,
        low=low,
        high=high,
        epsilon=epsilon,
        p_uncorrected=float(stats.f.sf(statistic, df_between, df_error)),
        df_between=df_between,
        df_error=df_error,
        mean_square_error=fit.mean_square_error,
        groups=tuple(map(str, cells.groups)),
        means=tuple(fit.means.tolist()),
        confidence=confidence,
        reason=fit.reason,
        method=METHOD if np.isnan(epsilon) else f"{METHOD}; p with Greenhouse and Geisser's correction",
        warnings=_warn(counts, is_corrected=not (is_defined and np.isnan(epsilon))),
        **counts,
    )


def _counts(cells: ItemMeans, fit: BlockFit) -> dict[str, Any]:
    is_used = (cells.counts > 0).sum(axis=1) > 1
    used = int(cells.counts[is_used].sum())
    return {
        "items_used": int(is_used.sum()),
        "items_dropped": int((~is_used).sum()),
        "cells_missing": int((fit.present == 0).sum()),
        "used": used,
        "dropped": cells.dropped + int(cells.counts.sum()) - used,
    }


def _warn(counts: dict[str, Any], *, is_corrected: bool) -> tuple[str, ...]:
    warnings = []
    if counts["items_dropped"]:
        warnings.append(f"{counts['items_dropped']} items have one system only and were left out")
    if counts["cells_missing"]:
        warnings.append(f"{counts['cells_missing']} means of an item and a system are missing")
    if not is_corrected:
        warnings.append("p within items takes all differences to spread alike: too few items have every system to tell")
    return tuple(warnings)


def _estimate_epsilon(cells: ItemMeans) -> float:
    """Epsilon from the items that have every system; NaN where some lack one and the others are too few."""
    is_complete = cells.is_complete
    can_be_compared = (cells.counts > 0).sum(axis=1) > 1
    enough = COMPLETE_ITEMS_PER_SYSTEM * len(cells.groups)
    if is_complete.sum() < can_be_compared.sum() and is_complete.sum() < enough:
        return NAN
    return greenhouse_geisser(cells.means[is_complete])


def greenhouse_geisser(means: Floats) -> float:
    """Epsilon of complete blocks (B, G): 1 where all differences spread alike, 1 / (G - 1) at the other end.

    S. W. Greenhouse & S. Geisser (1959). NaN with fewer than two blocks, or where no difference spreads.
    """
    blocks, groups = means.shape
    if blocks < 2 or groups < 2:
        return NAN
    covariance = np.cov(means, rowvar=False)
    centred = covariance - covariance.mean(axis=0) - covariance.mean(axis=1, keepdims=True) + covariance.mean()
    total = float((centred**2).sum())
    return float(np.trace(centred) ** 2 / ((groups - 1) * total)) if total > 0 else NAN


def blocked_tukey(
    table: pd.DataFrame, *, block: str, group: str, value: str, confidence: float = CONFIDENCE
) -> PairwiseTest:
    """Every pair of adjusted means against the studentised range, on the error that items and systems leave.

    With missing cells the errors of pairs differ, and the range is Kramer's approximation. All pairs have one error:
    where differences spread very unlike each other (epsilon below .75), a warning says so.
    """
    cells = item_means(table, block=block, group=group, value=value)
    fit = fit_blocks(cells)
    names = tuple(map(str, cells.groups))
    first, second = pair_places(len(names))
    differences = fit.means[second] - fit.means[first]
    if fit.reason:
        pairs = pairs_without_values(names, np.full(len(first), NAN), fit.reason)
    else:
        variances = np.diag(fit.covariance)
        spread = variances[first] + variances[second] - 2 * fit.covariance[first, second]
        errors = np.sqrt(fit.mean_square_error * spread / 2)
        pairs = compare_by_range(names, differences, errors, np.full(len(first), float(fit.df_error)), confidence)
    counts = _counts(cells, fit)
    return PairwiseTest(
        pairs=pairs,
        short_name="Tukey's range within items",
        of="means",
        used=counts["used"],
        dropped=counts["dropped"],
        confidence=confidence,
        method="Tukey's range on item means, items as blocks",
        reason=fit.reason,
        warnings=() if fit.reason else _warn_of_pairs(_estimate_epsilon(cells)),
    )


def _warn_of_pairs(epsilon: float) -> tuple[str, ...]:
    if not epsilon < UNEVEN:
        return ()
    return (
        f"differences of systems spread unlike each other (epsilon {epsilon:.2f}): pairs with a noisy system are "
        "judged too boldly within items",
    )
