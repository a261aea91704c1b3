"""Ensembles of reward models: by hand, by their properties, and as the reward of a training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InputError
from reward_models.ensembles import Combination, Ensemble, combine_scores, load_ensemble
from rl.config import RewardConfig, TrainingConfig, check_config, input_paths
from rl.management.preference_scorers import load_preference_scorer
from rl.rewards import score_preference

COMBINATIONS = get_args(Combination)
SCORES = st.integers(1, 5).flatmap(
    lambda members: st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=members, max_size=members)
)


@dataclass(frozen=True)
class Table:
    """A member that has learned its scores by heart."""

    scores: tuple[float, ...]
    mean: float = 0.0
    temperature: float = 1.0

    def __call__(self, prompts: Sequence[str], completions: Sequence[str], records: Sequence[Any] = ()) -> np.ndarray:
        return np.array(self.scores[: len(completions)])


def score(members: Sequence[Table], combine: Combination, penalty: float = 0.5) -> list[float]:
    return Ensemble(tuple(members), combine, penalty)(["x"] * 3, ["a", "b", "c"]).tolist()


def test_the_combinations_by_hand() -> None:
    """(s − mean)/temperature: first (1, 3, −2), second (3, 3, 2); so mean (2, 3, 0), variance (1, 0, 4)."""
    members = [Table((4.0, 8.0, -2.0), mean=2.0, temperature=2.0), Table((2.5, 2.5, 2.0), mean=1.0, temperature=0.5)]
    assert score(members, "mean") == [2, 3, 0]
    assert score(members, "worst") == [1, 3, -2]
    assert score(members, "uncertainty", 0.5) == [1.5, 3, -2]
    assert score(members, "uncertainty", 2.0) == [0, 3, -8]


def test_the_reward_of_an_ensemble_by_hand() -> None:
    members = (Table((4.0,), 2.0, 2.0), Table((2.5,), 1.0, 0.5))
    reward = score_preference(Ensemble(members, "worst"))
    assert list(reward(["x"], ["a"], [])) == pytest.approx([1 / (1 + math.exp(-1))])


@given(SCORES, st.floats(0, 5))
def test_no_combination_exceeds_the_mean(rows: list[list[float]], penalty: float) -> None:
    scores = np.array(rows)
    mean = combine_scores(scores, "mean")
    assert np.all(combine_scores(scores, "worst") <= mean + 1e-12)  # the sum of a mean is rounded
    assert np.all(combine_scores(scores, "uncertainty", penalty) <= mean)
    assert np.array_equal(combine_scores(scores, "uncertainty", 0.0), mean)


@pytest.mark.parametrize("combine", COMBINATIONS)
@given(rows=SCORES, data=st.data())
def test_the_order_of_members_does_not_matter(
    combine: Combination, rows: list[list[float]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    # rounding of sums of up to five squares of at most 100
    expected = pytest.approx(combine_scores(np.array(rows), combine), abs=1e-9)
    assert combine_scores(np.array(shuffled), combine) == expected


@pytest.mark.parametrize("combine", COMBINATIONS)
@given(scores=st.tuples(*[st.floats(-50, 50)] * 3), count=st.integers(1, 5), mean=st.floats(-9, 9))
def test_equal_members_are_the_member(combine: Combination, scores: tuple[float, ...], count: int, mean: float) -> None:
    member = Table(scores, mean, 3.0)
    alone = list(score_preference(member)(["x"] * 3, ["a", "b", "c"], []))
    together = list(score_preference(Ensemble((member,) * count, combine, 1.0))(["x"] * 3, ["a", "b", "c"], []))
    assert together == pytest.approx(alone, abs=1e-12)


def test_an_ensemble_needs_members_and_a_penalty_from_zero() -> None:
    with pytest.raises(InputError, match="at least one reward model"):
        Ensemble(())
    for penalty in (-0.1, math.nan):
        with pytest.raises(InputError, match="at least 0"):
            Ensemble((Table((0.0,)),), "uncertainty", penalty)


def test_a_configuration_names_one_model_or_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the reading of folders is replaced; models on disk are combined in tests/overoptimisation."""
    tables = {Path("a"): Table((4.0,), 2.0, 2.0), Path("b"): Table((2.5,), 1.0, 0.5)}
    for module in ("reward_models.ensembles", "rl.management.preference_scorers"):
        monkeypatch.setattr(f"{module}.load_scorer", tables.__getitem__)
    config = RewardConfig("preference", preference_models=tuple(tables), ensemble="uncertainty", ensemble_penalty=0.25)
    scorer = load_preference_scorer(config)
    assert scorer is not None
    assert list(scorer(["x"], ["a"], [])) == [2 - 0.25 * 1]
    assert load_ensemble(list(tables), "worst")(["x"], ["a"]).tolist() == [1]
    assert load_preference_scorer(RewardConfig("preference", preference_model=Path("b"))) == tables[Path("b")]
    assert load_preference_scorer(RewardConfig("meteor")) is None


def test_a_run_records_all_members_that_it_reads(tmp_path: Path) -> None:
    members = (tmp_path / "a", tmp_path / "b")
    for folder in members:
        folder.mkdir()
    config = TrainingConfig("no/model/here", reward=RewardConfig("preference", preference_models=members))
    assert input_paths(config) == list(members)


@pytest.mark.parametrize(
    ("reward", "sentence"),
    [
        (
            RewardConfig("preference", preference_model=Path("a"), preference_models=(Path("b"),)),
            "reward.preference_models: expected an empty list where reward.preference_model names one model",
        ),
        (RewardConfig(ensemble_penalty=-1.0), "reward.ensemble_penalty: expected a number of at least 0"),
    ],
)
def test_what_no_training_could_use_is_refused(reward: RewardConfig, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_config(TrainingConfig("model", reward=reward))
