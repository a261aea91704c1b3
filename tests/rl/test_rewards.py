"""Rewards: the composites by hand, and the check of what a callable returns."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InputError
from rl.config import RewardConfig, RewardTerm
from rl.metrics.coverage import count_missing
from rl.metrics.meteor import meteor
from rl.rewards import (
    Record,
    Reward,
    build_reward,
    compute_rewards,
    make_records,
    penalise_missing_eos,
    score_meteor,
    score_meteor_coverage,
    score_meteor_preference,
    sum_rewards,
    token_rewards,
)
from rl.rollout import Rollout
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


# Removing a concept must never pay. METEOR is not the composite's to vouch for, so it is held fixed: two completions
# are compared by what the reward adds to it.

CONCEPTS = ("dog", "chase", "ball", "park")
LOGITS = st.one_of(st.floats(-30, 30), st.floats(-1e6, 1e6), st.sampled_from([-1e12, -1e-12, 0.0, 1e-12, 1e12]))


class ConstantScorer:
    """A reward model that gives every text one logit."""

    def __init__(self, logit: float, mean: float, temperature: float) -> None:
        self.logit, self.mean, self.temperature = logit, mean, temperature

    def __call__(self, prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> np.ndarray:
        return np.full(len(completions), self.logit)


def beside_meteor(reward: Reward, words: Sequence[str]) -> float:
    """What the reward gives a completion of these words beside METEOR, which is 0: no reference has any of them."""
    item = Item("one", "", ("zzz",), CONCEPTS)
    (score,) = compute_rewards(reward, [""], [" ".join(words)], [item])
    return score


@given(
    words=st.permutations(CONCEPTS).flatmap(lambda order: st.integers(1, 4).map(lambda count: order[:count])),
    logit=LOGITS,
    mean=st.floats(-1e3, 1e3),
    temperature=st.floats(1e-6, 1e6),
)
def test_a_removed_concept_never_raises_a_composite_reward(
    words: list[str], logit: float, mean: float, temperature: float
) -> None:
    scorer = ConstantScorer(logit, mean, temperature)
    for reward in (
        score_meteor_preference(scorer),
        score_meteor_coverage,
        build_reward(RewardConfig("coverage"), None),
    ):
        whole = beside_meteor(reward, words)
        for removed in range(len(words)):
            assert beside_meteor(reward, [*words[:removed], *words[removed + 1 :]]) <= whole


@given(logit=st.floats(-30, 30))
def test_a_removed_concept_lowers_them_where_the_preference_is_not_nothing(logit: float) -> None:
    """Strictly: σ of −30 is 1e-13, which a float still holds."""
    for reward in (score_meteor_preference(ConstantScorer(logit, 0.0, 1.0)), score_meteor_coverage):
        rewards = [beside_meteor(reward, CONCEPTS[:used]) for used in range(len(CONCEPTS) + 1)]
        assert all(less < more for less, more in pairwise(rewards))


def test_a_z_score_in_the_place_of_the_sigmoid_would_pay_for_removing_a_concept() -> None:
    """Why σ stands there: a completion that people dislike has z = −2, and −2/2 is more than −2."""

    def score_z(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
        z = (0.0 - 4.0) / 2.0
        return [z / (1 + count_missing(text, item.concepts)) for text, item in zip(completions, items, strict=True)]

    assert beside_meteor(score_z, CONCEPTS[:3]) == -1 > beside_meteor(score_z, CONCEPTS) == -2
    sigmoid = score_meteor_preference(ConstantScorer(0.0, 4.0, 2.0))
    assert beside_meteor(sigmoid, CONCEPTS[:3]) < beside_meteor(sigmoid, CONCEPTS)


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


RECORDS = [
    Record(ITEM.item, ITEM.prompt, ITEM.references, ITEM.concepts, (3, 4, 5, 1), True),
    Record(ITEM.item, ITEM.prompt, ITEM.references, ITEM.concepts, (3, 4), False),
    Record(ITEM.item, ITEM.prompt, ITEM.references, ITEM.concepts, (6, 1), True),
]
ROLLOUT = Rollout(
    prompt_ids=torch.ones(3, 1, dtype=torch.long),
    is_prompt=torch.ones(3, 1, dtype=torch.bool),
    response_ids=torch.tensor([[3, 4, 5, 1], [3, 4, 0, 0], [6, 1, 0, 0]]),
    is_response=torch.tensor([[True] * 4, [True, True, False, False], [True, True, False, False]]),
    log_probs=torch.zeros(3, 4),
    support=None,
)


def score_ids(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Record]) -> list[list[float]]:
    """A reward for every token: its id."""
    return [[float(token) for token in record.token_ids] for record in records]


def score_words(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Record]) -> torch.Tensor:
    """A reward for every response, as a tensor: its words."""
    return torch.tensor([len(text.split()) for text in completions])


def test_a_reward_for_each_token_stands_on_it() -> None:
    assert token_rewards(score_ids, TEXTS, RECORDS, ROLLOUT).tolist() == [[3, 4, 5, 1], [3, 4, 0, 0], [6, 1, 0, 0]]


def test_a_reward_for_each_response_stands_on_its_last_token() -> None:
    assert token_rewards(score_words, TEXTS, RECORDS, ROLLOUT).tolist() == [[0, 0, 0, 5], [0, 3, 0, 0], [0, 1, 0, 0]]


def test_rewards_of_both_kinds_add_up() -> None:
    total = sum_rewards([(2.0, score_words), (0.5, score_ids)])
    assert token_rewards(total, TEXTS, RECORDS, ROLLOUT).tolist() == [
        [1.5, 2.0, 2.5, 10.5],
        [1.5, 8.0, 0, 0],
        [3.0, 2.5, 0, 0],
    ]
    assert compute_rewards(total, PROMPTS, TEXTS, RECORDS) == [16.5, 9.5, 5.5]


@pytest.mark.parametrize("reward", [score_words, score_ids])
def test_a_response_that_the_horizon_cut_pays_on_its_last_token(reward: Reward) -> None:
    plain = token_rewards(reward, TEXTS, RECORDS, ROLLOUT)
    penalised = token_rewards(penalise_missing_eos(reward, 2.0), TEXTS, RECORDS, ROLLOUT)
    difference = penalised - plain
    assert difference[1, 1] == -2
    assert difference.abs().sum() == 2


def test_records_hold_the_tokens_and_whether_eos_ended_them() -> None:
    assert make_records(ITEMS, ROLLOUT, eos=1) == RECORDS


def test_a_sum_is_configured_by_terms() -> None:
    terms = (RewardTerm("coverage", 2.0), RewardTerm("tests.rl.test_rewards:score_ids", 1.0))
    reward = build_reward(RewardConfig(terms=terms, missing_eos_penalty=1.0), None)
    rewards = token_rewards(reward, TEXTS, RECORDS, ROLLOUT)
    assert rewards[0].tolist() == [3, 4, 5, 1 + 2.0]
    assert rewards[1].tolist() == [3, 4 + 2.0 / 2 - 1, 0, 0]


def test_the_preference_alone_is_the_calibrated_probability() -> None:
    reward = build_reward(RewardConfig("preference"), LengthScorer())
    assert list(reward(PROMPTS, TEXTS, ITEMS)) == pytest.approx([1 / (1 + math.exp(-z)) for z in (3, 1, -1)])


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("meter", r"reward 'meter': expected one of meteor, .* or your own as module:function"),
        ("tests.rl.test_rewards:nothing", "reward 'tests.rl.test_rewards:nothing' cannot be imported"),
        ("no.such.module:reward", "cannot be imported"),
        ("tests.rl.test_rewards:TEXTS", "is not callable"),
    ],
)
def test_a_reward_that_is_not_there_is_named(name: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        build_reward(RewardConfig(name), None)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ([[1.0, 2.0], [1.0], [1.0, 1.0]], "gave 2 numbers to the 4 tokens of 'a dog chases a ball'"),
        ([[1.0, 2.0, math.nan, 1.0], [1.0, 1.0], [1.0, 1.0]], "gave nan to 'a dog chases a ball'"),
        (["high", 1.0, 2.0], "returned 'high'; expected a number, or a number for each token"),
        ([None, 1.0, 2.0], "returned None; expected a number"),
    ],
)
def test_entries_that_cannot_be_rewards_are_named(entries: list[object], sentence: str) -> None:
    def broken(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Record]) -> list[object]:
        return entries

    with pytest.raises(InputError, match=sentence):
        token_rewards(broken, TEXTS, RECORDS, ROLLOUT)  # type: ignore[arg-type]
