"""One number a worker, with its interval and how likely it is by chance: the form of every measure of workers."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.resampling import CONFIDENCE, Floats
from analysis.results import NAN, Result, format_number


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerValue:
    """A worker's number over `count` answers; NaN with a `reason` where it is not defined.

    p_value: how likely such a number is for a worker in order; NaN where the measure is no test.
    """

    worker: Any
    estimate: float
    low: float = NAN
    high: float = NAN
    count: int = 0
    p_value: float = NAN
    reason: str = ""
    details: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerMeasure(Result):
    """A measure of all workers, in the order of their names; `counted` names what count, used and dropped count.

    rule: what a small p_value speaks against, as a sentence begins that says so of one worker; empty for no test.
    """

    name: str
    label: str
    values: tuple[WorkerValue, ...]
    counted: str
    used: int
    dropped: int
    method: str
    rule: str = ""
    confidence: float = CONFIDENCE
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        defined = [value.estimate for value in self.values if not math.isnan(value.estimate)]
        if not defined:
            reason = self.reason or (self.values[0].reason if self.values else "there is no answer")
            return f"{self.label} of workers is not defined: {reason}."
        lowest, middle, highest = (format_number(float(value), 2) for value in np.quantile(defined, [0, 0.5, 1]))
        return f"{self.label} of {len(defined)} workers lies between {lowest} and {highest}, median {middle}."

    def to_frame(self) -> pd.DataFrame:
        """A row a worker; details are columns."""
        rows = []
        for value in self.values:
            row = dataclasses.asdict(value)
            rows.append(row | row.pop("details"))
        names = [field.name for field in dataclasses.fields(WorkerValue) if field.name != "details"]
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=names)


def wilson_bounds(successes: Floats, trials: Floats, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Wilson's score intervals of many shares (Wilson 1927), (W,) each; NaN without trials."""
    z = stats.norm.ppf((1 + confidence) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = successes / trials
        centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
        half = z * np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    return centre - half, centre + half


def share_values(
    workers: Sequence[Any],
    successes: Floats,
    trials: Floats,
    p_values: Floats,
    *,
    reason: str,
    details: Sequence[dict[str, float]] | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[WorkerValue, ...]:
    """Shares of `trials` with Wilson's intervals; `reason` where there was no trial."""
    lows, highs = wilson_bounds(successes, trials, confidence)
    values = []
    for code, worker in enumerate(workers):
        total = int(trials[code])
        if not total:
            values.append(WorkerValue(worker, NAN, reason=reason))
            continue
        values.append(
            WorkerValue(
                worker=worker,
                estimate=float(successes[code] / total),
                low=float(lows[code]),
                high=float(highs[code]),
                count=total,
                p_value=float(p_values[code]),
                details=details[code] if details else {},
            )
        )
    return tuple(values)
