"""Trainings that a launcher starts in several processes, one after the other: what test_processes compares.

python -m torch.distributed.run … -m tests.rl.several_processes MODELS RUNS
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from rl.config import EvaluationConfig, NlpoConfig, OptimiserConfig, RewardConfig, TrainingConfig, ValueConfig
from rl.sampling import Sampler
from rl.tasks.items import Item
from rl.train import train
from tests.rl.tiny import KINDS, build_task

# Seven rows in minibatches of three: no number is even, and of the last minibatch's one row a process has none.
UNEVEN = OptimiserConfig(learning_rate=1e-3, minibatch=3, microbatch=2, epochs=2)
VARIANTS: Mapping[str, Mapping[str, object]] = {
    "nlpo": {"prompts": 7, "sampler": Sampler(temperature=0.8, top_k=8, min_length=2), "dropout": False},
    "ppo-shared-trunk": {"algorithm": "ppo", "prompts": 7, "value": ValueConfig(model="shared")},
    "trpo": {"algorithm": "trpo", "prompts": 7},
    "grpo": {"algorithm": "grpo", "prompts": 5, "samples_per_prompt": 3},
    "scaled-rloo": {"algorithm": "rloo", "prompts": 5, "samples_per_prompt": 3, "reward": RewardConfig(is_scaled=True)},
}


def make_plans(models: Path) -> dict[str, TrainingConfig]:
    """Every variant for both model kinds; the models lie in the folder under their kind."""
    return {
        f"{variant}-{kind}": TrainingConfig(
            **{  # type: ignore[arg-type]
                "base_model": str(models / kind),
                "iterations": 3,
                "horizon": 6,
                "optimiser": UNEVEN,
                "evaluation": EvaluationConfig(every=2, items=4),
                "checkpoint_every": 1,
                "nlpo": NlpoConfig(refresh_every=1),
            }
            | changes
        )
        for kind in KINDS
        for variant, changes in VARIANTS.items()
    }


def score_letters(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
    """A reward that tells nearly all completions apart."""
    return [sum(map(ord, completion)) / 1000 for completion in completions]


def train_all(models: Path, runs: Path) -> None:
    for name, config in make_plans(models).items():
        train(config, build_task(), runs / name, reward=score_letters, show_progress=False)


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_all(Path(sys.argv[1]), Path(sys.argv[2]))
