"""The form in which every statistic comes back: the number, its interval, and where both come from."""

import dataclasses
import math
from typing import Any

NAN = math.nan


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate:
    """One number with its interval.

    `used` and `dropped` count table rows; `clusters` are what the bootstrap resampled (0 where it did not).
    An estimate that cannot be computed is NaN and `reason` says why.
    """

    estimate: float
    low: float = NAN
    high: float = NAN
    used: int = 0
    dropped: int = 0
    clusters: int = 0
    method: str = ""
    seed: int | None = None
    draws: int = 0
    undefined_share: float = 0.0
    confidence: float = 0.95
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Coefficient:
    """A coefficient of agreement with its interval; NaN with a `reason` where it is not defined.

    `reading` says it in one sentence. `clusters` are what a bootstrap resampled (0 where it did not).
    """

    estimate: float
    low: float
    high: float
    units_used: int
    units_dropped: int
    ratings_used: int
    method: str
    reading: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seed: int | None = None
    draws: int = 0
    clusters: int = 0
    undefined_share: float = 0.0
    confidence: float = 0.95

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def format_number(value: float, digits: int = 3) -> str:
    """A number as papers print it: a true minus sign, and "not defined" for NaN."""
    if math.isnan(value):
        return "not defined"
    return f"{value:.{digits}f}".replace("-", "−")


def format_p(p_value: float) -> str:
    """`p = .023`, or `p < .0001`."""
    if math.isnan(p_value):
        return "p not defined"
    if p_value > 0.9999:
        return "p = 1"
    return "p < .0001" if p_value < 0.0001 else f"p = {p_value:.4f}".replace("0.", ".", 1)


def format_interval(low: float, high: float, digits: int = 3) -> str:
    if math.isnan(low) or math.isnan(high):
        return "no interval"
    return f"[{format_number(low, digits)}, {format_number(high, digits)}]"
