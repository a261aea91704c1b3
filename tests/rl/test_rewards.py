"""Rewards: the composites by hand, and the check of what a callable returns."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from annotation.errors import InputError
from rl.config import RewardConfig
from rl.metrics.meteor import meteor
from rl.rewards import build_reward, compute_rewards, score_meteor, score_meteor_coverage, score_meteor_preference
from rl.tasks.items import Item

ITEM = Item("one", "make a sentence with: dog, ball.", ("a dog chases a ball",), ("dog", "ball"))
TEXTS = ["a dog chases a ball", "the dogs run", "nothing"]
ITEMS, PROMPTS = [ITEM] * 3, [ITEM.prompt] * 3
MISSING = (0, 1, 2)


class LengthScorer:
    """Stands for a reward model: two nats a word, calibrated to mean 4 and temperature 2."""

    mean, temperature = 4.0, 2.0

    def __call__(self, prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> np.ndarray:
        return np.array([2.0 * len(text.split()) for text in completions])


def test_the_coverage_composite_by_hand() -> None:
    expected = [meteor(text, ITEM.references) + 0.5 / (1 + miss) for text, miss in zip(TEXTS, MISSING, strict=True)]
    assert score_meteor_coverage(PROMPTS, TEXTS, ITEMS) == pytest.approx(expected)


def test_the_preference_composite_by_hand() -> None:
    """Words 5, 3, 1: logits 10, 6, 2; (s − 4)/2 = 3, 1, −1."""
    preferences = [1 / (1 + math.exp(-z)) for z in (3, 1, -1)]
    expected = [
        meteor(text, ITEM.references) + preference / (1 + miss)
        for text, preference, miss in zip(TEXTS, preferences, MISSING, strict=True)
    ]
    assert score_meteor_preference(LengthScorer())(PROMPTS, TEXTS, ITEMS) == pytest.approx(expected)


def test_a_missing_concept_always_lowers_the_preference_part() -> None:
    reward = score_meteor_preference(LengthScorer())
    wanting = Item("two", "", ITEM.references, (*ITEM.concepts, "zebra"))
    for text in ("a", "dog ball", "a dog and a ball and much more than that"):
        (whole,), (less,) = (list(reward([""], [text], [item])) for item in (ITEM, wanting))
        assert less < whole


def test_a_configured_reward_is_built_and_asks_for_its_scorer() -> None:
    assert build_reward(RewardConfig("meteor"), None) is score_meteor
    with pytest.raises(InputError, match=r"reward.preference_model"):
        build_reward(RewardConfig("meteor_preference"), None)


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ([1.0, 2.0], "reward broken returned 2 scores for 3 completions"),
        ([1.0, math.nan, 2.0], "reward broken gave nan to 'the dogs run'"),
        ([1.0, 2.0, math.inf], "reward broken gave inf to 'nothing'"),
    ],
)
def test_it_rejects_what_is_not_one_number_each(scores: list[float], sentence: str) -> None:
    def broken(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
        return scores

    with pytest.raises(InputError, match=sentence):
        compute_rewards(broken, PROMPTS, TEXTS, ITEMS)


def test_a_scorer_that_returns_nan_is_named() -> None:
    class NanScorer(LengthScorer):
        def __call__(self, prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> np.ndarray:
            return np.full(len(completions), np.nan)

    with pytest.raises(InputError, match="reward NanScorer gave nan"):
        compute_rewards(score_meteor_preference(NanScorer()), PROMPTS, TEXTS, ITEMS)
