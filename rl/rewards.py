"""Rewards: plain batch callables over prompts, completions and their items. None has to be a module.

The preference scorer comes from outside: a callable of the same signature that returns logits and names the mean and
the temperature with which they are calibrated.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from annotation.errors import InputError
from rl.config import RewardConfig
from rl.metrics.coverage import count_missing
from rl.metrics.meteor import meteor
from rl.tasks.items import Item

Reward = Callable[[Sequence[str], Sequence[str], Sequence[Item]], Iterable[float]]


class PreferenceScorer(Protocol):
    """A reward model: logits, higher for the completion that people would choose."""

    @property
    def mean(self) -> float: ...

    @property
    def temperature(self) -> float: ...

    def __call__(
        self, prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item], /
    ) -> Iterable[float]: ...


def build_reward(config: RewardConfig, scorer: PreferenceScorer | None) -> Reward:
    """The reward that the configuration names; InputError if it needs a scorer and there is none."""
    if config.name == "meteor":
        return score_meteor
    if config.name == "meteor_coverage":
        return score_meteor_coverage
    if scorer is None:
        raise InputError("reward.name is meteor_preference; expected a reward model in reward.preference_model.")
    return score_meteor_preference(scorer)


def score_meteor(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
    """METEOR against the item's references."""
    return [meteor(text, item.references) for text, item in zip(completions, items, strict=True)]


def score_meteor_coverage(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
    """METEOR + ½ / (1 + missing concepts): the composite below with a preference that says nothing."""
    scores = score_meteor(prompts, completions, items)
    rows = zip(scores, completions, items, strict=True)
    return [score + 0.5 * _coverage_factor(text, item) for score, text, item in rows]


def score_meteor_preference(scorer: PreferenceScorer) -> Reward:
    """METEOR + σ((s − mean)/temperature) / (1 + missing concepts), after the paper's section on preferences.

    σ keeps the preference in (0, 1): divided by (1 + missing) a z-score, where negative, would rise.
    """

    def score_composite(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
        logits = compute_rewards(scorer, prompts, completions, items)
        preferences = [_sigmoid((logit - scorer.mean) / scorer.temperature) for logit in logits]
        scores = score_meteor(prompts, completions, items)
        rows = zip(scores, preferences, completions, items, strict=True)
        return [score + preference * _coverage_factor(text, item) for score, preference, text, item in rows]

    return score_composite


def compute_rewards(
    reward: Reward, prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]
) -> list[float]:
    """The reward's scores, checked: one finite number for each completion, or an InputError that names the reward."""
    scores = [float(score) for score in reward(prompts, completions, items)]
    if len(scores) != len(completions):
        raise InputError(
            f"the reward {name_of(reward)} returned {len(scores)} scores for {len(completions)} completions; "
            "expected one each."
        )
    for score, completion in zip(scores, completions, strict=True):
        if not math.isfinite(score):
            raise InputError(f"the reward {name_of(reward)} gave {score} to {completion[:80]!r}; expected a number.")
    return scores


def name_of(reward: Reward) -> str:
    return getattr(reward, "__name__", type(reward).__name__)


def _coverage_factor(text: str, item: Item) -> float:
    return 1 / (1 + count_missing(text, item.concepts))


def _sigmoid(logit: float) -> float:
    return 0.5 * (1 + math.tanh(logit / 2))
