"""How often does a metric order two systems as people do, ties included?

Pairs of completions of one item: accuracy with ties (Deutsch, Foster & Freitag, EMNLP 2023, "Ties Matter"), where a
threshold, which may be calibrated, says what the metric calls a tie. Pairs of systems: soft pairwise accuracy
(Thompson, Mathur, Deutsch & Khayrallah, WMT 2024), which compares how sure people and metric are.
"""

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.metric_cells import SAME, Cells, pair_differences, read_cells, scale_of, signs
from analysis.resampling import CONFIDENCE, DRAWS, Floats, blocks, bootstrap_estimate, resampling_warnings
from analysis.results import NAN, Result, format_interval, format_number

FLIPS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class PairwiseAccuracy(Result):
    """Share of pairs ordered as people order them, a tie being an order; mean over items, NaN with a `reason`.

    threshold: the largest difference of scores that counts as a tie. concordant to ties_of_both count pairs;
    ties_of_people and ties_of_metric are of one side alone. `used` and `dropped` count completions.
    """

    estimate: float
    low: float
    high: float
    threshold: float
    is_calibrated: bool
    metric: str
    concordant: int
    discordant: int
    ties_of_people: int
    ties_of_metric: int
    ties_of_both: int
    items: int
    used: int
    dropped: int
    method: str
    seed: int
    draws: int
    undefined_share: float = 0.0
    confidence: float = CONFIDENCE
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Pairwise accuracy of {self.metric} is not defined: {self.reason}."
        number = f"{format_number(self.estimate, 2)} {format_interval(self.low, self.high, 2)}"
        ties = f", scores within {self.threshold:.3g} being a tie" if self.threshold > 0 else ""
        return f"{self.metric} orders pairs of completions as people do in a share of {number}{ties}."


@dataclasses.dataclass(frozen=True, slots=True)
class SoftPairwiseAccuracy(Result):
    """Mean over pairs of systems of 1 - |p of people - p of metric|; NaN with a `reason`.

    No interval: the p-values themselves carry how much the items leave open, and resampling items would count it twice.
    """

    estimate: float
    metric: str
    pairs: int
    systems: int
    items: int
    used: int
    dropped: int
    is_exact: bool
    flips: int
    method: str
    seed: int
    low: float = NAN
    high: float = NAN
    reason: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        if self.reason:
            return f"Soft pairwise accuracy of {self.metric} is not defined: {self.reason}."
        number = format_number(self.estimate, 2)
        return f"{self.metric} is as sure as people which of two systems is better to {number} ({self.pairs} pairs)."


@dataclasses.dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of completions of one item, in the order of the size of the metric's difference, all (N,)."""

    item: NDArray[np.int64]
    size: Floats
    is_concordant: Floats
    is_tied: Floats  # by people
    share: Floats  # of its item's pairs


def pairwise_accuracy(
    table: pd.DataFrame,
    *,
    metric: str,
    human: str,
    item: str,
    system: str,
    seed: int,
    calibrate: bool = False,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
) -> PairwiseAccuracy:
    """(C + T_both) / all pairs of an item, averaged over items, with an interval from resampling items.

    calibrate: call two scores a tie up to the threshold that makes the accuracy largest, chosen anew in each draw; the
    estimate is then the best on these very data, and a little too good for others.
    """
    cells = read_cells(table, metrics=[metric], human=human, item=item, system=system)
    pairs = _pair_up(cells)
    estimate = bootstrap_estimate(
        lambda weights: _accuracies(pairs, weights, calibrate=calibrate)[0],
        pairs.item,
        method=f"pairwise accuracy with ties{', threshold calibrated' if calibrate else ''}",
        seed=seed,
        dropped=cells.dropped,
        draws=draws,
        confidence=confidence,
    )
    threshold = 0.0
    if len(pairs.item) and calibrate:
        threshold = float(_accuracies(pairs, np.ones((1, len(pairs.item))), calibrate=True)[1][0])
    is_tie = pairs.size <= threshold
    items = len(np.unique(pairs.item))
    warnings = resampling_warnings("pairwise accuracy", items, estimate.undefined_share) if items else ()
    return PairwiseAccuracy(
        estimate=estimate.estimate,
        low=estimate.low,
        high=estimate.high,
        threshold=threshold,
        is_calibrated=calibrate,
        metric=metric,
        concordant=int((pairs.is_concordant * ~is_tie).sum()),
        discordant=int(((1 - pairs.is_concordant) * (1 - pairs.is_tied) * ~is_tie).sum()),
        ties_of_people=int((pairs.is_tied * ~is_tie).sum()),
        ties_of_metric=int(((1 - pairs.is_tied) * is_tie).sum()),
        ties_of_both=int((pairs.is_tied * is_tie).sum()),
        items=items,
        used=cells.used,
        dropped=cells.dropped,
        method=estimate.method,
        seed=seed,
        draws=estimate.draws,
        undefined_share=estimate.undefined_share,
        confidence=confidence,
        reason="" if items else "no item has completions of two systems",
        warnings=warnings,
    )


def _pair_up(cells: Cells) -> _Pairs:
    of_metric, of_people = pair_differences(cells.metrics[0]), pair_differences(cells.human)
    is_given = np.isfinite(of_people)
    item = np.nonzero(is_given)[0]
    order_of_metric = signs(of_metric[is_given], scale_of(cells.metrics[0]))
    order_of_people = signs(of_people[is_given], scale_of(cells.human))
    size = np.where(order_of_metric == 0, 0.0, np.abs(of_metric[is_given]))
    share = 1 / np.bincount(item, minlength=1)[item] if len(item) else np.zeros(0)
    by_size = np.argsort(size, kind="stable")
    is_concordant = (order_of_metric * order_of_people > 0).astype(np.float64)
    is_tied = (order_of_people == 0).astype(np.float64)
    # The items that have pairs, numbered without gaps.
    numbered = np.unique(item, return_inverse=True)[1]
    return _Pairs(numbered[by_size], size[by_size], is_concordant[by_size], is_tied[by_size], share[by_size])


def _accuracies(pairs: _Pairs, weights: Floats, *, calibrate: bool) -> tuple[Floats, Floats]:
    """Accuracy and threshold, (D,) each, under weights (D, N) of the pairs."""
    weighted = weights * pairs.share
    total = weighted.sum(axis=1)
    is_tie = pairs.size == 0
    exact = weighted @ np.where(is_tie, pairs.is_tied, pairs.is_concordant)
    if not calibrate:
        return exact / total, np.zeros(len(weights))
    # Each pair that becomes a tie of the metric wins if people tie, and loses if it was concordant.
    gains = np.where(is_tie, 0.0, pairs.is_tied - pairs.is_concordant)
    reached = exact[:, None] + np.cumsum(weighted * gains, axis=1)
    is_last = np.append(pairs.size[1:] > pairs.size[:-1] * (1 + SAME), True)  # of pairs with one size
    candidates = np.concatenate([exact[:, None], reached[:, is_last]], axis=1) / total[:, None]
    best = (candidates >= candidates.max(axis=1, keepdims=True) - SAME).argmax(axis=1)
    thresholds = np.concatenate([[0.0], pairs.size[is_last]])
    return candidates[np.arange(len(weights)), best], thresholds[best]


def soft_pairwise_accuracy(
    table: pd.DataFrame, *, metric: str, human: str, item: str, system: str, seed: int, flips: int = FLIPS
) -> SoftPairwiseAccuracy:
    """1 - |p_people - p_metric|, averaged over pairs of systems.

    p is one-sided, that the first system is no better: the share of random exchanges of the two systems within items
    with a larger sum of differences, equal ones half, so that a pair of equal systems has p = 1/2. All exchanges where
    they are at most `flips`.
    """
    cells = read_cells(table, metrics=[metric], human=human, item=item, system=system)
    differences = [pair_differences(side) for side in (cells.metrics[0], cells.human)]
    has_items = np.isfinite(differences[1]).any(axis=0)
    # The same exchanges on both sides: a metric that copies people has an accuracy of exactly 1.
    both = np.nan_to_num(np.concatenate([side[:, has_items] for side in differences], axis=1))
    is_exact = 2 ** len(cells.items) <= flips
    number = 2 ** len(cells.items) if is_exact else flips
    of_metric, of_people = np.split(_one_sided_p(both, _exchanges(len(cells.items), flips, seed)), 2)
    pairs = int(has_items.sum())
    return SoftPairwiseAccuracy(
        estimate=float(1 - np.abs(of_metric - of_people).mean()) if pairs else NAN,
        metric=metric,
        pairs=pairs,
        systems=len(cells.systems),
        items=len(cells.items),
        used=cells.used,
        dropped=cells.dropped,
        is_exact=is_exact,
        flips=number,
        method=f"soft pairwise accuracy, {'all' if is_exact else 'random'} {number} exchanges within items",
        seed=seed,
        reason="" if pairs else "no item has completions of two systems",
    )


def _exchanges(items: int, flips: int, seed: int) -> Iterator[Floats]:
    """-1 where two systems are exchanged in an item, else 1, in blocks (B, K): all ways, or at random."""
    if 2**items <= flips:
        yield np.array(list(itertools.product((1.0, -1.0), repeat=items)))
        return
    generator = np.random.default_rng(seed)
    for block in blocks(flips, items):
        yield generator.choice([-1.0, 1.0], size=(block, items))


def _one_sided_p(differences: Floats, exchanges: Iterator[Floats]) -> Floats:
    """differences (K, P) to p (P,): the share of exchanges with a larger sum, equal ones half."""
    observed, scale = differences.sum(axis=0), np.abs(differences).sum(axis=0)
    larger, total = np.zeros(len(observed)), 0
    for signs_of_items in exchanges:
        beyond = signs_of_items @ differences - observed
        larger += np.where(np.abs(beyond) <= SAME * scale, 0.5, beyond > 0).sum(axis=0)
        total += len(signs_of_items)
    return larger / total
