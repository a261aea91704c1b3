"""What mixed models are fitted to: who rated which completion of which system, and which random effects that allows.

A completion is what one system wrote for one item. Ratings of one completion are more alike than ratings of one item,
and a model that does not know it takes every further rater for new evidence about the system.
"""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.crossed_effects import FACTORS, CrossedEffects, Integers
from analysis.resampling import Floats
from analysis.tables import codes, require_columns, require_no_gaps


@dataclasses.dataclass(frozen=True, slots=True)
class Design:
    """The used rows as codes. `is_fitted` (3,) says of completions, items and workers whether they get an effect.

    `effects` has one level for a factor without an effect. `levels` counts the real levels of the three factors.
    """

    systems: list[Any]
    workers: list[Any]
    system: Integers
    effects: CrossedEffects
    is_fitted: NDArray[np.bool_]
    levels: tuple[int, ...]
    used: int
    dropped: int
    warnings: tuple[str, ...]

    @property
    def indicators(self) -> Floats:
        """One column a system, (N, S)."""
        return np.asarray(self.system[:, None] == np.arange(len(self.systems)), dtype=np.float64)


def read_design(
    table: pd.DataFrame,
    *,
    is_used: NDArray[np.bool_],
    system: str,
    item: str,
    worker: str,
    completion_effect: bool,
) -> Design:
    """The rows that are used (N,), and which random effects they can tell apart; the others are named in a warning."""
    require_columns(table, system, item, worker)
    require_no_gaps(table, system, item, worker)
    rows = table[is_used]
    of_system, systems = codes(rows[system])
    of_item, items = codes(rows[item])
    of_worker, workers = codes(rows[worker])
    completions, of_completion = np.unique(of_item * max(1, len(systems)) + of_system, return_inverse=True)
    of_factors = [of_completion, of_item, of_worker]
    wanted = [completion_effect, True, True]
    reasons = [_why_left_out(of_factors, place, of_system) for place in range(3)] if len(rows) else ["", "", ""]
    is_fitted = np.array([want and not reason for want, reason in zip(wanted, reasons, strict=True)])
    warnings = tuple(
        f"no effect of {name}s: {reason}"
        for name, want, reason in zip(FACTORS, wanted, reasons, strict=True)
        if want and reason
    )
    return Design(
        systems=systems,
        workers=workers,
        system=of_system,
        effects=_effects(of_factors, is_fitted),
        is_fitted=is_fitted,
        levels=(len(completions), len(items), len(workers)),
        used=len(rows),
        dropped=len(table) - len(rows),
        warnings=warnings,
    )


def _why_left_out(of_factors: list[Integers], place: int, of_system: Integers) -> str:
    """Why the ratings say nothing about the variance of this factor; empty if they do."""
    levels = of_factors[place]
    name, count = FACTORS[place], int(levels.max()) + 1
    if count < 2:
        return f"there is one {name}"
    if count == len(levels):
        return f"each {name} has one rating, so it cannot be told from the residual"
    # Completions give way to items, and both to workers.
    for other in range(place + 1, 3):
        if _distinct(levels, of_factors[other]) == count == int(of_factors[other].max()) + 1:
            return f"each {name} is one {FACTORS[other]}"
    if _distinct(levels, of_system) == len(np.unique(of_system)):
        return f"each system has one {name}, so the two cannot be told apart"
    return ""


def _distinct(first: Integers, second: Integers) -> int:
    return len(np.unique(first * (int(second.max()) + 1) + second))


def _effects(of_factors: list[Integers], is_fitted: NDArray[np.bool_]) -> CrossedEffects:
    """Factors without an effect shrink to one level; completions to those of items, in which they must be nested."""
    completion, item, worker = of_factors
    nothing = np.zeros_like(item)
    item = item if is_fitted[1] else nothing
    return CrossedEffects(completion if is_fitted[0] else item, item, worker if is_fitted[2] else nothing)
