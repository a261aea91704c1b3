"""What ANOVA takes for granted: groups that spread alike (Brown-Forsythe), residuals that are normal (Shapiro-Wilk)."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.blocked_anova import fit_blocks
from analysis.groups import ROUNDING, read_groups
from analysis.item_means import item_means
from analysis.resampling import Floats
from analysis.results import NAN, Result, format_number, format_p

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FOR_SHAPIRO = 5000  # Royston's p (1995) was fitted up to here
FEWEST_FOR_SHAPIRO = 3


@dataclasses.dataclass(frozen=True, slots=True)
class AssumptionChecks(Result):
    """Residuals of an ANOVA by group, and two tests of them; a p that is not defined is NaN with its reason.

    `spread_statistic` is Brown and Forsythe's F, `normality_statistic` Shapiro and Wilk's W. `spread_ratio`: the
    largest standard deviation of a group over the smallest.
    """

    spread_statistic: float
    spread_p: float
    spread_ratio: float
    normality_statistic: float
    normality_p: float
    groups: tuple[str, ...]
    standard_deviations: tuple[float, ...]
    used: int
    dropped: int
    method: str
    spread_reason: str = ""
    normality_reason: str = ""
    warnings: tuple[str, ...] = ()
    residuals: tuple[Floats, ...] = dataclasses.field(default=(), repr=False, compare=False)

    @property
    def is_spread(self) -> bool:
        """Whether any residual is not 0."""
        return any(part.any() for part in self.residuals)

    @property
    def reading(self) -> str:
        return f"{self.spread_reading} {self.normality_reading}"

    @property
    def spread_reading(self) -> str:
        if self.spread_reason:
            return f"Whether the systems spread alike cannot be told: {self.spread_reason}."
        verb = "differ" if self.spread_p <= 0.05 else "do not differ significantly"
        return (
            f"The systems' spreads {verb} (Brown-Forsythe {format_p(self.spread_p)}, largest over smallest standard "
            f"deviation {format_number(self.spread_ratio, 2)})."
        )

    @property
    def normality_reading(self) -> str:
        if self.normality_reason:
            return f"Whether residuals are normal cannot be told by a test: {self.normality_reason}."
        verb = "depart" if self.normality_p <= 0.05 else "do not depart significantly"
        return (
            f"Residuals {verb} from a normal distribution (Shapiro-Wilk W {format_number(self.normality_statistic)}, "
            f"{format_p(self.normality_p)})."
        )

    def to_dict(self) -> dict[str, Any]:
        """Without the residuals."""
        names = (field.name for field in dataclasses.fields(self) if field.name != "residuals")
        return {name: getattr(self, name) for name in names} | {"reading": self.reading}

    def plot(self) -> "Figure":
        from analysis.group_plots import plot_assumptions

        return plot_assumptions(dict(zip(self.groups, self.residuals, strict=True)))


def check_assumptions(table: pd.DataFrame, *, group: str, value: str, block: str | None = None) -> AssumptionChecks:
    """The residuals of one-way ANOVA; with `block` those of the blocked ANOVA on item means."""
    if block is None:
        groups = read_groups(table, group=group, value=value)
        residuals = np.where(groups.squares == 0, 0.0, 1.0)[groups.codes] * (groups.values - groups.means[groups.codes])
        parts = [residuals[groups.codes == place] for place in range(len(groups.names))]
        return _check(groups.names, parts, groups.dropped, "residuals of one-way ANOVA")
    cells = item_means(table, block=block, group=group, value=value)
    fit = fit_blocks(cells)
    parts = [fit.residuals[fit.present[:, place] > 0, place] for place in range(len(cells.groups))]
    in_fit = (cells.counts > 0).sum(axis=1) > 1
    dropped = cells.dropped + int(cells.counts[~in_fit].sum())
    return _check(tuple(map(str, cells.groups)), parts, dropped, "residuals of item means, items as blocks")


def _check(names: tuple[str, ...], parts: list[Floats], dropped: int, method: str) -> AssumptionChecks:
    pooled = np.concatenate(parts) if parts else np.empty(0)
    deviations = np.array([part.std(ddof=1) if len(part) > 1 else NAN for part in parts])
    spread_reason, normality_reason = _why_no_spread(parts, pooled), _why_no_normality(pooled)
    spread_statistic, spread_p = (NAN, NAN) if spread_reason else stats.levene(*parts, center="median")
    is_testable = not normality_reason
    normality_statistic, normality_p = stats.shapiro(pooled) if is_testable else (NAN, NAN)
    known = deviations[~np.isnan(deviations)]
    return AssumptionChecks(
        spread_statistic=float(spread_statistic),
        spread_p=float(spread_p),
        spread_ratio=float(known.max() / known.min()) if len(known) > 1 and known.min() > 0 else NAN,
        normality_statistic=float(normality_statistic),
        normality_p=float(normality_p),
        groups=names,
        standard_deviations=tuple(deviations.tolist()),
        used=len(pooled),
        dropped=dropped,
        method=f"Brown-Forsythe and Shapiro-Wilk tests of the {method}",
        spread_reason=spread_reason,
        normality_reason=normality_reason,
        residuals=tuple(parts),
    )


def _why_no_spread(parts: list[Floats], pooled: Floats) -> str:
    if len(parts) < 2:
        return "fewer than two groups have a value"
    if len(pooled) <= len(parts):
        return "no group has two values"
    distances = [np.abs(part - np.median(part)) for part in parts]
    spread = sum(float(((each - each.mean()) ** 2).sum()) for each in distances)
    scale = float((pooled**2).sum())
    return "in every group all values lie equally far from the median" if spread <= ROUNDING * scale else ""


def _why_no_normality(pooled: Floats) -> str:
    if len(pooled) < FEWEST_FOR_SHAPIRO:
        return "there are fewer than three residuals"
    if not np.ptp(pooled) > 0:
        return "all residuals are 0"
    if len(pooled) > MOST_FOR_SHAPIRO:
        return f"Shapiro-Wilk's p holds up to {MOST_FOR_SHAPIRO} residuals, not for {len(pooled)}; see the figure"
    return ""
