"""One scale for gold and every proxy: the gain over the supervised policy, in standard deviations of its samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.resampling import DRAWS, Floats, bootstrap_estimate

Interval = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Yardstick:
    """start (P,): the supervised policy's mean score of each prompt. spread: the standard deviation of its scores over
    all prompts and samples."""

    start: Floats
    spread: float

    def gain(self, scores: Floats) -> Floats:
        """(P, M) scores of M completions or sizes, to gains: prompt by prompt, so that its difficulty drops out."""
        return (scores - self.start[:, None]) / self.spread


def make_yardstick(scores: Floats) -> Yardstick:
    """From the supervised policy's own scores (P, N)."""
    spread = float(scores.std())
    return Yardstick(scores.mean(axis=1), spread if spread > 0 else 1.0)  # all alike: nothing to divide by


def mean_over_prompts(values: Floats, seed: int) -> dict[str, Any]:
    """The mean of (P,) values with its 95 % interval, prompts resampled."""

    def weighted_mean(weights: Floats) -> Floats:
        return np.asarray(weights @ values / weights.sum(axis=1))

    prompts = np.arange(len(values))
    estimate = bootstrap_estimate(weighted_mean, prompts, method="mean over prompts", seed=seed, draws=DRAWS)
    return {"estimate": estimate.estimate, "low": estimate.low, "high": estimate.high}
