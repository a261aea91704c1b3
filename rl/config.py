"""The configuration of `train_policy`: YAML becomes these dataclasses. docs/decisions.md has the defaults' reasons."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from annotation.errors import InputError
from rl.sampling import Sampler


@dataclass(frozen=True, slots=True)
class RewardConfig:
    """name: what is rewarded. preference_model: the reward model's folder, for meteor_preference."""

    name: Literal["meteor", "meteor_coverage", "meteor_preference"] = "meteor"
    preference_model: Path | None = None


@dataclass(frozen=True, slots=True)
class NlpoConfig:
    """top_mass: p. refresh_every: µ, in iterations; a short run refreshes oftener (nlpo.refresh_interval)."""

    top_mass: float = 0.9
    refresh_every: int = 20


@dataclass(frozen=True, slots=True)
class KlConfig:
    """coefficient: the first β. target: K*, in nats per response token; null keeps β fixed."""

    coefficient: float = 0.1
    target: float | None = 0.1


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """AdamW for the policy and for the value model. minibatch: sequences a step; epochs: passes over a rollout.

    microbatch: sequences held in memory at a time; a minibatch's gradient is summed over them.
    """

    learning_rate: float = 1e-5
    value_learning_rate: float = 1e-4
    weight_decay: float = 1e-6
    gradient_norm: float = 0.5
    epochs: int = 5
    minibatch: int = 64
    microbatch: int = 64


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """every: iterations between evaluations (also before the first and after the last); items: from validation;
    samples: of them that are written out."""

    every: int = 10
    items: int = 200
    samples: int = 8


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One RL run. reference: `initial` for the policy that training starts from, or a checkpoint.

    prompts: sampled an iteration. horizon: most tokens of a response. value_warmup: first iterations that train the
    value model alone. snapshots: iterations after which the policy is kept.
    """

    base_model: str
    algorithm: Literal["nlpo", "ppo"] = "nlpo"
    task: str = "commongen-mini"
    data: Path | None = None
    reference: str = "initial"
    reward: RewardConfig = field(default_factory=RewardConfig)
    sampler: Sampler = field(default_factory=Sampler)
    nlpo: NlpoConfig = field(default_factory=NlpoConfig)
    kl: KlConfig = field(default_factory=KlConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    iterations: int = 100
    prompts: int = 64
    horizon: int = 32
    value_warmup: int = 0
    discount: float = 0.95
    gae_lambda: float = 0.95
    clip: float = 0.2
    checkpoint_every: int = 10
    snapshots: tuple[int, ...] = ()
    seed: int = 0


def input_paths(config: TrainingConfig) -> list[Path]:
    """What the run reads, as far as it lies on this machine (a model may also have a hub name)."""
    reference = None if config.reference == "initial" else Path(config.reference)
    paths = (Path(config.base_model), reference, config.data, config.reward.preference_model)
    return [path for path in paths if path is not None and path.exists()]


def check_config(config: TrainingConfig) -> None:
    """InputError for a value that no run could use."""
    positive = {
        "iterations": config.iterations,
        "prompts": config.prompts,
        "horizon": config.horizon,
        "checkpoint_every": config.checkpoint_every,
        "sampler.temperature": config.sampler.temperature,
        "nlpo.refresh_every": config.nlpo.refresh_every,
        "nlpo.top_mass": config.nlpo.top_mass,
        "optimiser.minibatch": config.optimiser.minibatch,
        "optimiser.microbatch": config.optimiser.microbatch,
        "optimiser.epochs": config.optimiser.epochs,
        "optimiser.gradient_norm": config.optimiser.gradient_norm,
        "evaluation.every": config.evaluation.every,
        "evaluation.items": config.evaluation.items,
        "clip": config.clip,
    }
    shares = {"discount": config.discount, "gae_lambda": config.gae_lambda, "nlpo.top_mass": config.nlpo.top_mass}
    for name, value in positive.items():
        _expect(value > 0, name, value, "a number above 0")
    for name, value in shares.items():
        _expect(0 <= value <= 1, name, value, "a number from 0 to 1")
    _expect(config.kl.coefficient >= 0, "kl.coefficient", config.kl.coefficient, "a number of at least 0")
    _expect(config.kl.target is None or config.kl.target > 0, "kl.target", config.kl.target, "a number above 0 or null")
    for iteration in config.snapshots:
        _expect(
            1 <= iteration <= config.iterations, "snapshots", iteration, f"iterations from 1 to {config.iterations}"
        )


def _expect(holds: bool, name: str, value: Any, expectation: str) -> None:
    if not holds:
        raise InputError(f"{name}: expected {expectation}, found {value}.")
