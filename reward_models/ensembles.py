"""Several preference models as one: their scores brought to one scale, then combined.

Coste et al. 2023 (arXiv 2310.02743): a policy that is tuned against one reward model finds its errors. Models of other
seeds err elsewhere, so that what all of them like, or what they do not disagree on, is safer to follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from annotation.errors import InputError
from reward_models.scoring import load_scorer

Floats = NDArray[np.float64]
Combination = Literal["mean", "worst", "uncertainty"]
PENALTY = 0.5


class CalibratedScorer(Protocol):
    """What a member must be: logits, and the mean and temperature that make σ((s − mean)/temperature) the reward."""

    @property
    def mean(self) -> float: ...

    @property
    def temperature(self) -> float: ...

    def __call__(
        self, prompts: Sequence[str], completions: Sequence[str], records: Sequence[Any] = (), /
    ) -> np.ndarray: ...


@dataclass(frozen=True, slots=True)
class Ensemble:
    """(prompts, completions, records) → logits of all members combined, itself a preference scorer.

    Members are combined on the scale on which σ makes each of them a reward, so that the ensemble's own mean is 0 and
    its temperature 1. penalty: λ of the combination `uncertainty`.
    """

    members: tuple[CalibratedScorer, ...]
    combine: Combination = "mean"
    penalty: float = PENALTY

    def __post_init__(self) -> None:
        if not self.members:
            raise InputError("an ensemble has no members; expected at least one reward model.")
        if not (np.isfinite(self.penalty) and self.penalty >= 0):
            raise InputError(f"the penalty of an ensemble: expected a number of at least 0, found {self.penalty}.")

    @property
    def mean(self) -> float:
        return 0.0

    @property
    def temperature(self) -> float:
        return 1.0

    def __call__(self, prompts: Sequence[str], completions: Sequence[str], records: Sequence[Any] = ()) -> Floats:
        return self.combine_members(self.score_members(prompts, completions, records))

    def combine_members(self, scores: Floats) -> Floats:
        """(K, B) as `score_members` gives them → (B,)."""
        return combine_scores(scores, self.combine, self.penalty)

    def score_members(self, prompts: Sequence[str], completions: Sequence[str], records: Sequence[Any] = ()) -> Floats:
        """(s − mean)/temperature of each member: (K, B) for K members and B completions."""
        return np.stack([standardise(member, member(prompts, completions, records)) for member in self.members])


def standardise(scorer: CalibratedScorer, scores: np.ndarray) -> Floats:
    """(s − mean)/temperature: what the logistic function makes the reward of."""
    return (np.asarray(scores, dtype=np.float64) - scorer.mean) / scorer.temperature


def combine_scores(scores: Floats, combine: Combination, penalty: float = PENALTY) -> Floats:
    """(K, B) scores of K members on one scale → (B,).

    mean, worst: over the members. uncertainty: mean − penalty · variance (Coste et al. 2023, uncertainty-weighted
    optimisation), the variance with 1/K, so that members who agree are not penalised and one member never is.
    """
    if combine == "worst":
        return scores.min(axis=0)
    average = scores.mean(axis=0)
    return average - penalty * scores.var(axis=0) if combine == "uncertainty" else average


def load_ensemble(folders: Sequence[Path], combine: Combination = "mean", penalty: float = PENALTY) -> Ensemble:
    """The ensemble of the models in `folders`, each as `load_scorer` takes it."""
    return Ensemble(tuple(load_scorer(folder) for folder in folders), combine, penalty)
