"""P-values of several questions, corrected: Holm's way for the family, Benjamini and Hochberg's for false discoveries.

A NaN is no test: it stays NaN and does not count.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np

from analysis.resampling import Floats
from annotation.errors import InputError

Name = TypeVar("Name", bound=Hashable)


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """S. Holm (1979): the r-th smallest of m times m - r + 1, never below one before it. Any dependence is allowed."""
    return _adjust(p_values, _step_down)


def benjamini_hochberg(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Y. Benjamini & Y. Hochberg (1995): the r-th smallest of m times m / r, never above one after it.

    Controls the share of false findings among independent or positively dependent tests.
    """
    return _adjust(p_values, _step_up)


def _step_down(ascending: Floats) -> Floats:
    count = len(ascending)
    return np.maximum.accumulate(ascending * (count - np.arange(count)))


def _step_up(ascending: Floats) -> Floats:
    count = len(ascending)
    return np.minimum.accumulate((ascending * count / np.arange(1, count + 1))[::-1])[::-1]


def _adjust(p_values: Mapping[Name, float], step: Callable[[Floats], Floats]) -> dict[Name, float]:
    values = np.array(list(p_values.values()), dtype=np.float64)
    for name, value in zip(p_values, values, strict=True):
        if value < 0 or value > 1:
            raise InputError(f"{name!r}: p is {value:g}; expected a number from 0 to 1.")
    adjusted = np.full(len(values), np.nan)
    defined = np.flatnonzero(~np.isnan(values))
    order = defined[np.argsort(values[defined], kind="stable")]
    adjusted[order] = np.minimum(step(values[order]), 1)
    return dict(zip(p_values, adjusted.tolist(), strict=True))
