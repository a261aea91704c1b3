"""The form in which every statistic comes back: the number, its interval, and where both come from."""

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAN = math.nan
SIGNIFICANCE = 0.05


class Result:
    """What every statistic can do: a frozen dataclass with a `method`, `warnings`, and a one-sentence `reading`.

    One that has rows (pairs of systems, workers) gives them in `to_frame`; one with a figure of its own gives it in
    `plot`. Both have a plain form here: the fields as one row, and the estimate with its interval.
    """

    __slots__ = ()

    @property
    def reading(self) -> str:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Every field, down to plain values, and the reading."""
        return dataclasses.asdict(self) | {"reading": self.reading}  # type: ignore[call-overload]

    def to_frame(self) -> pd.DataFrame:
        """One row of the fields that are single values."""
        entries = self.to_dict()
        single = {name: value for name, value in entries.items() if isinstance(value, int | float | str | None)}
        return pd.DataFrame([single])

    def to_latex(self, *, digits: int = 3) -> str:
        """`to_frame` as a tabular for booktabs."""
        return latex_table(self.to_frame(), digits=digits)

    def plot(self) -> "Figure":
        """A matplotlib figure."""
        from analysis.plots import plot_estimate  # takes a second to import

        return plot_estimate(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Estimate(Result):
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
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        name = capitalized(self.method.split(";")[0])
        if self.reason and math.isnan(self.estimate):
            return f"{name} is not defined: {self.reason}."
        return f"{name} is {format_number(self.estimate)} {format_interval(self.low, self.high)}."


@dataclasses.dataclass(frozen=True, slots=True)
class Coefficient(Result):
    """A coefficient of agreement with its interval; NaN with a `reason` where it is not defined.

    `opening` begins its reading. `clusters` are what a bootstrap resampled (0 where it did not).
    """

    estimate: float
    low: float
    high: float
    units_used: int
    units_dropped: int
    ratings_used: int
    method: str
    opening: str
    reason: str = ""
    warnings: tuple[str, ...] = ()
    seed: int | None = None
    draws: int = 0
    clusters: int = 0
    undefined_share: float = 0.0
    confidence: float = 0.95

    @property
    def reading(self) -> str:
        if self.reason:
            return f"{capitalized(self.method)} is not defined: {self.reason}."
        value, interval = format_number(self.estimate, 2), format_interval(self.low, self.high, 2)
        return f"{self.opening} {value} {interval} ({self.units_used} units)."


def capitalized(sentence: str) -> str:
    """With a capital first letter, all others as they are."""
    return sentence[:1].upper() + sentence[1:]


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


def latex_table(table: pd.DataFrame, *, digits: int = 3, caption: str = "", label: str = "") -> str:
    """The table in LaTeX, for the package booktabs; text is escaped, an undefined number is a dash.

    With a caption it is a table environment, else a tabular alone.
    """
    return table.to_latex(
        index=False,
        escape=True,
        na_rep="--",
        float_format=lambda number: f"{number:.{digits}f}",
        caption=caption or None,
        label=label or None,
        position="ht" if caption else None,
    )
