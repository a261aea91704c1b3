"""The configuration of `train_policy`: YAML becomes these dataclasses. docs/decisions.md has the defaults' reasons."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from annotation.errors import InputError
from rl.nlpo import NlpoConfig
from rl.sampling import Sampler, check_sampler
from rl.trackers import TrackingConfig
from rl.trpo import TrpoConfig

Algorithm = Literal["nlpo", "ppo", "a2c", "trpo", "rloo", "grpo"]
CRITIC_FREE = ("rloo", "grpo")


@dataclass(frozen=True, slots=True)
class RewardTerm:
    """One reward of a sum. name: as in RewardConfig."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class RewardConfig:
    """name: meteor, coverage, meteor_coverage, preference, meteor_preference, or your own as `module:function`.

    preference_model: the reward model's folder, for the two that need one; preference_models: several instead, which
    `ensemble` makes one. ensemble_penalty: λ of mean − λ · variance over them, for `uncertainty`.
    terms: a weighted sum instead of `name`. missing_eos_penalty: taken off a response that the horizon cut.
    is_scaled: divide by the running standard deviation of the responses' rewards; the mean stays, so no reward changes
    its sign.
    """

    name: str = "meteor"
    preference_model: Path | None = None
    preference_models: tuple[Path, ...] = ()
    ensemble: Literal["mean", "worst", "uncertainty"] = "mean"
    ensemble_penalty: float = 0.5
    terms: tuple[RewardTerm, ...] = ()
    missing_eos_penalty: float = 0.0
    is_scaled: bool = False


@dataclass(frozen=True, slots=True)
class KlConfig:
    """coefficient: the first β. target: K*, in nats per response token; null keeps β fixed."""

    coefficient: float = 0.1
    target: float | None = 0.1


@dataclass(frozen=True, slots=True)
class ValueConfig:
    """model: V_φ as a copy of π_0 of its own, or as a head on the policy's trunk. clip: most that a value may move
    from what it was at the rollout (PPO's value clipping); null for none, the default."""

    model: Literal["separate", "shared"] = "separate"
    clip: float | None = None


@dataclass(frozen=True, slots=True)
class OptimiserConfig:
    """AdamW for the policy and for the value model. minibatch: sequences a step; epochs: passes over a rollout.

    microbatch: sequences held in memory at a time; a minibatch's gradient is summed over them. schedule: of both rates
    over the run, after `warmup` iterations of linear growth.
    """

    learning_rate: float = 1e-5
    value_learning_rate: float = 1e-4
    weight_decay: float = 1e-6
    gradient_norm: float = 0.5
    epochs: int = 5
    minibatch: int = 64
    microbatch: int = 64
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    warmup: int = 0


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """every: iterations between evaluations (also before the first and after the last); items: from validation;
    samples: of them that are written out; best_by: the metric, of sampled completions, by which `best/` is kept."""

    every: int = 10
    items: int = 200
    samples: int = 8
    best_by: str = "reward"


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One RL run. reference: `initial` for the policy that training starts from, or a checkpoint.

    prompts: sampled an iteration; samples_per_prompt: responses to each (a group, for RLOO and GRPO). horizon: most
    tokens of a response. is_masked: tokens come from π_ψ's support; null: under NLPO alone. value_warmup: first
    iterations that train the value model alone. dropout: on while updating, as the model's configuration has it.
    snapshots: iterations after which the policy is kept.
    """

    base_model: str
    algorithm: Algorithm = "nlpo"
    task: str = "commongen-mini"
    data: Path | None = None
    reference: str = "initial"
    reward: RewardConfig = field(default_factory=RewardConfig)
    sampler: Sampler = field(default_factory=Sampler)
    nlpo: NlpoConfig = field(default_factory=NlpoConfig)
    trpo: TrpoConfig = field(default_factory=TrpoConfig)
    kl: KlConfig = field(default_factory=KlConfig)
    value: ValueConfig = field(default_factory=ValueConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    iterations: int = 100
    prompts: int = 64
    samples_per_prompt: int = 1
    horizon: int = 32
    is_masked: bool | None = None
    value_warmup: int = 0
    discount: float = 0.95
    gae_lambda: float = 0.95
    clip: float = 0.2
    entropy_coefficient: float = 0.0
    dropout: bool = False
    checkpoint_every: int = 10
    snapshots: tuple[int, ...] = ()
    seed: int = 0

    @property
    def uses_mask(self) -> bool:
        return self.algorithm == "nlpo" if self.is_masked is None else self.is_masked

    @property
    def has_critic(self) -> bool:
        return self.algorithm not in CRITIC_FREE

    @property
    def shares_trunk(self) -> bool:
        return self.has_critic and self.value.model == "shared"


def input_paths(config: TrainingConfig) -> list[Path]:
    """What the run reads, as far as it lies on this machine (a model may also have a hub name)."""
    reference = None if config.reference == "initial" else Path(config.reference)
    paths = (
        *(Path(config.base_model), reference, config.data, config.reward.preference_model),
        *config.reward.preference_models,
    )
    return [path for path in paths if path is not None and path.exists()]


def check_config(config: TrainingConfig) -> None:
    """InputError for a value that no run could use."""
    for name, value in _positive_settings(config).items():
        _expect(value > 0, name, value, "a number above 0")
    shares = {"discount": config.discount, "gae_lambda": config.gae_lambda, "nlpo.top_mass": config.nlpo.top_mass}
    for name, value in shares.items():
        _expect(0 <= value <= 1, name, value, "a number from 0 to 1")
    check_sampler(config.sampler, lambda name: f"sampler.{name}")
    for name, value in _settings_from_zero(config).items():
        _expect(value >= 0, name, value, "a number of at least 0")
    _expect(config.kl.target is None or config.kl.target > 0, "kl.target", config.kl.target, "a number above 0 or null")
    for iteration in config.snapshots:
        _expect(
            1 <= iteration <= config.iterations, "snapshots", iteration, f"iterations from 1 to {config.iterations}"
        )
    _check_combinations(config)


def _positive_settings(config: TrainingConfig) -> dict[str, float]:
    optimiser, trpo = config.optimiser, config.trpo
    return {
        "iterations": config.iterations,
        "prompts": config.prompts,
        "samples_per_prompt": config.samples_per_prompt,
        "horizon": config.horizon,
        "checkpoint_every": config.checkpoint_every,
        "nlpo.refresh_every": config.nlpo.refresh_every,
        "nlpo.top_mass": config.nlpo.top_mass,
        "optimiser.minibatch": optimiser.minibatch,
        "optimiser.microbatch": optimiser.microbatch,
        "optimiser.epochs": optimiser.epochs,
        "optimiser.gradient_norm": optimiser.gradient_norm,
        "trpo.kl_limit": trpo.kl_limit,
        "trpo.conjugate_steps": trpo.conjugate_steps,
        "trpo.backtracks": trpo.backtracks,
        "trpo.backtrack_factor": trpo.backtrack_factor,
        "evaluation.every": config.evaluation.every,
        "evaluation.items": config.evaluation.items,
        "clip": config.clip,
        **({} if config.value.clip is None else {"value.clip": config.value.clip}),
    }


def _settings_from_zero(config: TrainingConfig) -> dict[str, float]:
    return {
        "kl.coefficient": config.kl.coefficient,
        "optimiser.learning_rate": config.optimiser.learning_rate,
        "optimiser.value_learning_rate": config.optimiser.value_learning_rate,
        "optimiser.weight_decay": config.optimiser.weight_decay,
        "optimiser.warmup": config.optimiser.warmup,
        "trpo.damping": config.trpo.damping,
        "evaluation.samples": config.evaluation.samples,
        "entropy_coefficient": config.entropy_coefficient,
        "value_warmup": config.value_warmup,
        "reward.missing_eos_penalty": config.reward.missing_eos_penalty,
        "reward.ensemble_penalty": config.reward.ensemble_penalty,
    }


def _check_combinations(config: TrainingConfig) -> None:
    """InputError for values that are sound alone and not together."""
    _expect(
        config.reward.preference_model is None or not config.reward.preference_models,
        "reward.preference_models",
        [str(path) for path in config.reward.preference_models],
        "an empty list where reward.preference_model names one model",
    )
    if not config.has_critic:
        _expect(
            config.samples_per_prompt >= 2,
            "samples_per_prompt",
            config.samples_per_prompt,
            f"at least 2 for {config.algorithm}, which compares the responses to one prompt",
        )
        _expect(config.value_warmup == 0, "value_warmup", config.value_warmup, f"0: {config.algorithm} has no critic")
    if config.algorithm == "trpo":
        _expect(config.value.model == "separate", "value.model", config.value.model, "separate for trpo")
        _expect(
            config.trpo.backtrack_factor < 1, "trpo.backtrack_factor", config.trpo.backtrack_factor, "a number below 1"
        )
        _expect(
            config.entropy_coefficient == 0,
            "entropy_coefficient",
            config.entropy_coefficient,
            "0 for trpo, whose surrogate has no entropy bonus",
        )
        _expect(not config.dropout, "dropout", config.dropout, "false for trpo, whose trust region needs exact passes")
    if config.algorithm == "nlpo":
        _expect(config.uses_mask, "is_masked", config.is_masked, "true or null for nlpo; ppo is nlpo without a mask")


def _expect(holds: bool, name: str, value: Any, expectation: str) -> None:
    if not holds:
        raise InputError(f"{name}: expected {expectation}, found {value}.")
