"""How many items and raters does a study of ratings need? Power by a closed form, and by simulation.

The model is the linear mixed one: a rating is its system's mean plus effects of completion, item and worker, plus a
residual; the variances come from a pilot's fit (`analysis.mixed_linear`). Every system writes a completion for every
item, and each completion gets the same number of raters from a common pool. The test is the analysis of variance of
completions' means, blocked by item; with two systems that is the paired t-test.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.intervals import wilson_interval
from analysis.resampling import Floats, blocks
from analysis.results import NAN, Result, format_interval, format_number
from annotation.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALPHA, TARGET = 0.05, 0.8
RATERS = (1, 2, 3, 5)
SIMULATIONS = 500
GRID_SIZES = 5
MOST_ITEMS = 1_000_000
LARGEST_SIMULATION = 1_000_000  # completions in all simulated studies of a design; a plan has larger ones by formula


@dataclasses.dataclass(frozen=True, slots=True)
class Variances:
    """Variances of the mixed model, in squared points of the scale. That of items cancels out of a blocked test."""

    residual: float
    completion: float = 0.0
    item: float = 0.0
    worker: float = 0.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"the variance {name!r} is {value:g}; expected 0 or more.")
        if self.residual + self.completion <= 0:
            raise InputError("the variances 'residual' and 'completion' are both 0; expected one of them above 0.")


@dataclasses.dataclass(frozen=True, slots=True)
class RatingStudy:
    """What is compared, how: `difference` is that of the best and the worst system, in points; others lie midway.

    workers: how many there are in the pool, who share the completions evenly; None for so many that none rates twice.
    """

    difference: float
    variances: Variances
    systems: int = 2
    workers: int | None = None
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        if not (math.isfinite(self.difference) and self.difference >= 0):
            raise InputError(f"the difference is {self.difference:g}; expected 0 or more points of the scale.")
        if self.systems < 2:
            raise InputError(f"there are {self.systems} systems; expected at least 2.")
        if not 0 < self.alpha < 1:
            raise InputError(f"alpha is {self.alpha:g}; expected a number between 0 and 1.")

    def means(self) -> Floats:
        """Means of the systems (S,): two at the ends, the others in the middle, which is the hardest case to find."""
        means = np.zeros(self.systems)
        means[[0, -1]] = -self.difference / 2, self.difference / 2
        return means

    def cell_variance(self, raters: int) -> float:
        """Variance of a completion's mean rating about its item and system, as far as the blocked test sees it.

        Two completions share raters^2 / workers raters on average, so that workers^-1 of their variance cancels.
        """
        pool = 0.0 if self.workers is None else 1 / self.workers
        of_workers = self.variances.worker * (1 / raters - pool)
        return self.variances.completion + of_workers + self.variances.residual / raters


@dataclasses.dataclass(frozen=True, slots=True)
class Power(Result):
    """Share of simulated studies with p <= alpha, its Wilson interval, and beside it the closed form.

    NaN with a `reason` where nothing was simulated.
    """

    estimate: float
    low: float
    high: float
    closed_form: float
    items: int
    raters: int
    ratings: int
    simulations: int
    seed: int
    method: str = "simulated studies, blocked ANOVA of completions' means; closed form by noncentral F"
    warnings: tuple[str, ...] = ()
    reason: str = ""

    @property
    def reading(self) -> str:
        interval = format_interval(self.low, self.high, 2)
        return (
            f"With {self.items} items, each completion rated by {self.raters}, the power is "
            f"{format_number(self.estimate, 2)} {interval} by simulation, "
            f"{format_number(self.closed_form, 2)} by formula."
        )


@dataclasses.dataclass(frozen=True, slots=True)
class PowerGrid(Result):
    """Power of every design of a grid, and for each number of raters the fewest items that reach `target`."""

    study: RatingStudy
    powers: tuple[Power, ...]
    smallest: tuple[Power, ...]
    target: float
    simulations: int
    seed: int
    method: str = "power of the blocked ANOVA of completions' means, simulated from the mixed model"
    warnings: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        opening = (
            f"To find a difference of {self.study.difference:.3g} with power {self.target:g}, "
            f"{self.study.systems} systems need"
        )
        if not self.smallest:
            return f"{opening} more than {MOST_ITEMS} items."
        first, *others = self.smallest
        raters = f"{first.raters} {'rater' if first.raters == 1 else 'raters'}"
        needs = [f"{first.items} items with {raters} a completion ({first.ratings} ratings)"]
        needs += [f"{power.items} with {power.raters} ({power.ratings})" for power in others]
        listed = " or ".join(filter(None, [", ".join(needs[:-1]), needs[-1]]))
        return f"{opening} {listed}."

    def to_frame(self) -> pd.DataFrame:
        """A row a design: the grid, then the smallest ones."""
        rows = [dataclasses.asdict(power) for power in (*self.powers, *self.smallest)]
        table = pd.DataFrame(rows).drop(columns=["method", "warnings", "reason", "seed"])
        return table.assign(is_smallest=[False] * len(self.powers) + [True] * len(self.smallest))

    def plot(self) -> "Figure":
        """Curves over items, a line for each number of raters."""
        from analysis.power_plots import plot_power  # takes a second to import

        return plot_power(self)


def blocked_power(study: RatingStudy, *, items: int, raters: int) -> float:
    """Closed form: the noncentral F distribution of the blocked analysis of variance (Cohen 1988, chapter 8)."""
    _require_design(study, items, raters)
    between, within = study.systems - 1, (study.systems - 1) * (items - 1)
    noncentrality = items * float((study.means() ** 2).sum()) / study.cell_variance(raters)
    critical = stats.f.isf(study.alpha, between, within)
    if noncentrality == 0:  # there scipy 1.17's ncf.sf is below 0, and special.ncfdtr is NaN for some large ones
        return study.alpha
    return float(stats.ncf.sf(critical, between, within, noncentrality))


def simulate_power(study: RatingStudy, *, items: int, raters: int, seed: int, simulations: int = SIMULATIONS) -> Power:
    """Studies drawn from the mixed model, each tested at alpha.

    Every completion is rated by neighbours in a circle of workers, at a place drawn anew for each.
    """
    _require_design(study, items, raters)
    if simulations < 1:
        raise InputError(f"there are {simulations} simulations; expected at least 1.")
    generator = np.random.default_rng([seed, items, raters])
    critical = stats.f.isf(study.alpha, study.systems - 1, (study.systems - 1) * (items - 1))
    rejected = sum(
        int((_f_statistics(_draw_means(generator, study, block, items, raters)) >= critical).sum())
        for block in blocks(simulations, items * study.systems)
    )
    low, high = wilson_interval(rejected, simulations)
    return Power(
        estimate=rejected / simulations,
        low=low,
        high=high,
        closed_form=blocked_power(study, items=items, raters=raters),
        items=items,
        raters=raters,
        ratings=items * study.systems * raters,
        simulations=simulations,
        seed=seed,
    )


def _require_design(study: RatingStudy, items: int, raters: int) -> None:
    if items < 2:
        raise InputError(f"a design has {items} items; expected at least 2.")
    if raters < 1:
        raise InputError(f"a design has {raters} raters a completion; expected at least 1.")
    if study.workers is not None and raters > study.workers:
        raise InputError(f"a design has {raters} raters a completion; expected at most the {study.workers} workers.")


def _draw_means(
    generator: np.random.Generator, study: RatingStudy, simulations: int, items: int, raters: int
) -> Floats:
    """Mean ratings of completions, (simulations, items, systems)."""
    variances = study.variances
    shape = (simulations, items, study.systems)
    of_workers = variances.worker if study.workers is None else 0.0
    spread = math.sqrt(variances.completion + (variances.residual + of_workers) / raters)
    means = generator.normal(0, spread, shape) + study.means()
    means += generator.normal(0, math.sqrt(variances.item), (simulations, items, 1))
    if study.workers is not None:
        effects = generator.normal(0, math.sqrt(variances.worker), (simulations, study.workers))
        circle = np.concatenate([np.zeros((simulations, 1)), effects, effects[:, : raters - 1]], axis=1).cumsum(axis=1)
        neighbours = (circle[:, raters:] - circle[:, :-raters]) / raters
        places = generator.integers(study.workers, size=(simulations, items * study.systems))
        means += np.take_along_axis(neighbours, places, axis=1).reshape(shape)
    return means


def _f_statistics(means: Floats) -> Floats:
    """F of the systems, blocked by item: means (B, I, S) to (B,)."""
    items = means.shape[1]
    within_items = means - means.mean(axis=2, keepdims=True)
    between = items * (within_items.mean(axis=1) ** 2).sum(axis=1)
    rest = np.einsum("bis,bis->b", within_items, within_items) - between
    return np.asarray(between * (items - 1) / rest)


def items_needed(study: RatingStudy, *, raters: int, target: float = TARGET) -> int | None:
    """The fewest items whose closed-form power is at least `target`; None beyond a million."""
    if not study.alpha < target < 1:
        raise InputError(f"the power is {target:g}; expected a number between alpha, {study.alpha:g}, and 1.")

    def reaches(items: int) -> bool:
        return blocked_power(study, items=items, raters=raters) >= target

    if not reaches(MOST_ITEMS):
        return None
    too_few, enough = 1, MOST_ITEMS
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        too_few, enough = (too_few, middle) if reaches(middle) else (middle, enough)
    return enough


def plan_ratings(
    study: RatingStudy,
    *,
    seed: int,
    items: Sequence[int] | None = None,
    raters: Sequence[int] = RATERS,
    target: float = TARGET,
    simulations: int = SIMULATIONS,
) -> PowerGrid:
    """Power of a grid of designs, and the smallest design for each number of raters. items: None for sizes that fit."""
    if study.difference == 0:
        raise InputError("the difference is 0; expected more than 0 points of the scale.")
    asked = sorted(set(raters))
    raters = [count for count in asked if study.workers is None or count <= study.workers]
    if not raters:
        raise InputError(f"every design has more raters a completion than the {study.workers} workers.")
    needed = {count: items_needed(study, raters=count, target=target) for count in raters}
    reachable = {count: number for count, number in needed.items() if number is not None}
    warnings = [f"designs with more raters than the {study.workers} workers are left out"] if raters != asked else []
    if len(reachable) < len(raters):
        warnings.append(f"with some numbers of raters no {MOST_ITEMS} items reach power {target:g}")
    sizes = sorted(set(items)) if items else _sizes_around(list(reachable.values()))
    options: dict[str, Any] = {"seed": seed, "simulations": simulations}
    return PowerGrid(
        study=study,
        powers=tuple(_power_of(study, size, count, **options) for count in raters for size in sizes),
        smallest=tuple(_power_of(study, size, count, **options) for count, size in reachable.items()),
        target=target,
        simulations=simulations,
        seed=seed,
        warnings=tuple(warnings),
    )


def _power_of(study: RatingStudy, items: int, raters: int, *, seed: int, simulations: int) -> Power:
    """By simulation, or by the closed form alone where that would take too long."""
    if items * study.systems * simulations <= LARGEST_SIMULATION:
        return simulate_power(study, items=items, raters=raters, seed=seed, simulations=simulations)
    return Power(
        estimate=NAN,
        low=NAN,
        high=NAN,
        closed_form=blocked_power(study, items=items, raters=raters),
        items=items,
        raters=raters,
        ratings=items * study.systems * raters,
        simulations=0,
        seed=seed,
        method="closed form by noncentral F",
        reason="the study is too large to be simulated here",
    )


def _sizes_around(needed: list[int]) -> list[int]:
    """Numbers of items, evenly spaced on a log scale and rounded, from far too few to more than enough."""
    low, high = (max(4.0, min(needed) / 3), 1.5 * max(needed)) if needed else (100.0, 10_000.0)
    sizes = np.geomspace(low, max(high, 4 * low), GRID_SIZES)
    steps = np.where(sizes < 20, 1, 5 * 10.0 ** (np.floor(np.log10(sizes)) - 1))
    return sorted({int(size) for size in np.round(sizes / steps) * steps})
