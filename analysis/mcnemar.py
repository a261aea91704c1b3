"""Do two systems succeed on different items? McNemar's test (1947) of paired successes, one pair an item.

Only items on which exactly one of the two succeeds say anything. Under the null each of these is a fair coin.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from analysis.intervals import wilson_interval
from analysis.preferences import TOLERANCE, read_votes
from analysis.resampling import CONFIDENCE
from analysis.results import NAN, SIGNIFICANCE, Result, format_interval, format_number, format_p
from analysis.tables import cluster_codes, numbers, quoted, require_columns, require_no_gaps
from annotation.errors import InputError

FEWEST_FOR_CHI_SQUARE = 25  # items on which one alone succeeds; with fewer the exact test


class PairedTable(NamedTuple):
    """Items on which both succeed, only the first, only the second, neither."""

    both: int
    only_first: int
    only_second: int
    neither: int


@dataclasses.dataclass(frozen=True, slots=True)
class McNemar(Result):
    """Difference of the shares of success, second less first, with its interval and two-sided p.

    only_first, only_second: items on which one alone succeeds; both, neither: the others.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    both: int
    only_first: int
    only_second: int
    neither: int
    used: int
    dropped: int
    method: str
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""
    first: Any = "the first"
    second: Any = "the second"
    deed: str = "alone succeeds on"

    @property
    def reading(self) -> str:
        if self.reason:
            return f"McNemar's test of {self.second} against {self.first} is not defined: {self.reason}."
        verdict = "they differ" if self.p_value <= SIGNIFICANCE else "no significant difference"
        return (
            f"{self.second} {self.deed} {self.only_second} items and {self.first} on {self.only_first} of "
            f"{self.used}: {verdict}, difference {format_number(self.estimate)} "
            f"{format_interval(self.low, self.high)}, McNemar {format_p(self.p_value)}."
        )


def mcnemar_test(
    table: pd.DataFrame,
    *,
    unit: str,
    system: str,
    success: str,
    first: Any,
    second: Any,
    confidence: float = CONFIDENCE,
) -> McNemar:
    """Two systems on the same units (items). success: 1 or true, 0 or false; empty is missing.

    One row a unit and system. A unit without both systems is dropped and counted; other systems are passed over.
    """
    require_columns(table, unit, system, success)
    require_no_gaps(table, unit, system)
    rows = table[table[system].isin([first, second])]
    for name in (first, second):
        if not (rows[system] == name).any():
            raise InputError(f"no row has {quoted(name)} in the column {system!r}; expected both systems.")
    again = rows.index[rows.duplicated([unit, system])]
    if len(again):
        found = f"{quoted(rows[system].loc[again[0]])} on {quoted(rows[unit].loc[again[0]])}"
        raise InputError(f"row {again[0]}: {found} occurs twice; expected one row a unit and system.")
    outcome = numbers(rows, success)
    wrong = rows.index[np.isfinite(outcome) & ~np.isin(outcome, (0, 1))]
    if len(wrong):
        raise InputError(f"row {wrong[0]}: {success!r} is {quoted(rows[success].loc[wrong[0]])}; expected 0 or 1.")
    paired = pd.Series(outcome, index=[rows[unit], rows[system]]).unstack()
    whole = paired.dropna()
    of_first, of_second = (whole[name].to_numpy(dtype=bool) for name in (first, second))
    cells = (of_first & of_second, of_first & ~of_second, ~of_first & of_second, ~of_first & ~of_second)
    counts = PairedTable(*(int(cell.sum()) for cell in cells))
    return _test(counts, len(paired) - len(whole), confidence, (first, second), "alone succeeds on")


def mcnemar_test_of_votes(
    table: pd.DataFrame,
    *,
    unit: str,
    vote: str,
    confidence: float = CONFIDENCE,
    name_a: str = "a",
    name_b: str = "b",
) -> McNemar:
    """Items that most votes give to b against items that most give to a. vote: 1 for b, -1 for a, 0 for a tie.

    An item whose votes balance goes to neither. So few and many votes on an item count alike.
    """
    require_columns(table, unit, vote)
    require_no_gaps(table, unit)
    votes = read_votes(table, vote)
    given = np.isfinite(votes)
    unit_of_vote, units = cluster_codes(table[given], unit)
    sums = np.bincount(unit_of_vote, votes[given], minlength=units)
    for_a, for_b = int((sums < -TOLERANCE).sum()), int((sums > TOLERANCE).sum())
    dropped = table[unit].nunique() - units
    items = PairedTable(0, for_a, for_b, units - for_a - for_b)
    return _test(items, dropped, confidence, (name_a, name_b), "has most votes on")


def _test(counts: PairedTable, dropped: int, confidence: float, names: tuple[Any, Any], deed: str) -> McNemar:
    both, only_first, only_second, neither = counts
    used, discordant = sum(counts), only_first + only_second
    is_exact = discordant < FEWEST_FOR_CHI_SQUARE
    p_value, reason = NAN, ""
    if not used:
        reason = "no unit has both systems"
    elif not discordant:
        reason = "both succeed on the same units"
    elif is_exact:
        p_value = float(stats.binomtest(only_second, discordant).pvalue)
    else:
        p_value = float(stats.chi2.sf((only_second - only_first) ** 2 / discordant, 1))
    low, high = paired_difference(counts, confidence)
    how = "exact" if is_exact else "chi-square without continuity correction"
    return McNemar(
        estimate=(only_second - only_first) / used if used else NAN,
        low=low,
        high=high,
        p_value=p_value,
        both=both,
        only_first=only_first,
        only_second=only_second,
        neither=neither,
        used=used,
        dropped=dropped,
        method=f"McNemar's test, {how}; Newcombe's interval of the paired difference",
        confidence=confidence,
        reason=reason,
        first=names[0],
        second=names[1],
        deed=deed,
    )


def paired_difference(counts: PairedTable, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of the second's share less the first's: R. G. Newcombe (1998), "Improved confidence intervals for the
    difference between binomial proportions based on paired data", method 10. NaN without units."""
    both, only_first, only_second, _ = counts
    used = sum(counts)
    if not used:
        return NAN, NAN
    shares = ((both + only_first) / used, (both + only_second) / used)
    difference = shares[1] - shares[0]
    first = wilson_interval(both + only_first, used, confidence)
    second = wilson_interval(both + only_second, used, confidence)
    phi = _phi(counts)

    def reach(of_first: float, of_second: float) -> float:
        return math.sqrt(max(0.0, of_first**2 - 2 * phi * of_first * of_second + of_second**2))

    low = difference - reach(first[1] - shares[0], shares[1] - second[0])
    high = difference + reach(shares[0] - first[0], second[1] - shares[1])
    return low, high


def _phi(counts: PairedTable) -> float:
    """The correlation of the two successes, its numerator corrected for continuity where it is positive."""
    both, only_first, only_second, neither = counts
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if not margins:
        return 0.0
    numerator = float(both * neither - only_first * only_second)
    if numerator > 0:
        numerator = max(numerator - sum(counts) / 2, 0.0)
    return numerator / math.sqrt(margins)
