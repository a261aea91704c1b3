"""The learner's checkpoint: nothing that training changes is left out."""

from pathlib import Path
from typing import Any

import pytest
import torch

from rl.config import KlConfig, NlpoConfig, OptimiserConfig, RewardConfig, TrainingConfig, ValueConfig
from rl.learner import Learner, build_learner, restore_checkpoint, save_checkpoint
from rl.train import run_iteration
from tests.rl.test_train import CLOCK
from tests.rl.test_update import ITEMS, are_equal, configure, score_letters, weights
from tests.rl.tiny import KINDS


def iterate(learner: Learner, config: TrainingConfig) -> dict[str, Any]:
    row = run_iteration(learner, config, ITEMS, score_letters)
    return {name: entry for name, entry in row.items() if name not in CLOCK}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["separate", "shared"])
def test_a_restored_learner_goes_on_as_the_saved_one_would(kind: str, value: str, tmp_path: Path) -> None:
    """Bit for bit: weights of policy, critic and mask, both optimisers' moments, β, reward scale, score and counter."""
    config = configure(
        tmp_path,
        kind,
        prompts=8,
        value=ValueConfig(model=value),  # type: ignore[arg-type]
        nlpo=NlpoConfig(top_mass=0.6, refresh_every=2),
        kl=KlConfig(coefficient=0.5, target=0.01),
        reward=RewardConfig(is_scaled=True),
        optimiser=OptimiserConfig(learning_rate=1e-2, value_learning_rate=1e-2, minibatch=8, epochs=1),
    )
    learner = build_learner(config, "cpu")
    for _ in range(3):  # the mask was refreshed after the second, so it is neither the first policy nor the present one
        iterate(learner, config)
    learner.best_score = 0.25
    save_checkpoint(learner, config, tmp_path)
    restored = build_learner(config, "cpu")
    restore_checkpoint(restored, config, tmp_path)
    assert (restored.finished, restored.best_score) == (3, 0.25)
    assert iterate(restored, config) == iterate(learner, config)
    assert are_equal(weights(restored.policy), weights(learner.policy))
    assert restored.mask is not None
    assert learner.mask is not None
    assert are_equal(weights(restored.mask.model), weights(learner.mask.model))
    assert all(map(torch.equal, restored.value_parameters, learner.value_parameters))
