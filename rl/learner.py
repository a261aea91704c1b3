"""The learner: the models, optimisers and counters of one run, which a checkpoint holds and a resumed run restores."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError
from annotation.run_folders import plain
from rl.advantages import RunningScale
from rl.config import TrainingConfig
from rl.fitting import CHECKPOINT
from rl.nlpo import MaskingPolicy
from rl.policy import freeze, load_policy, make_value_head, make_value_model


@dataclass(slots=True)
class Learner:
    """π_θ, π_0, V_φ and, under a mask, π_ψ; the one mutable thing in a run. finished: iterations so far.

    V_φ is a model of its own (value_model), a head on the policy's trunk (value_head), or, critic-free, neither.
    """

    policy: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    reference: PreTrainedModel
    value_model: PreTrainedModel | None
    value_head: nn.Linear | None
    mask: MaskingPolicy | None
    policy_optimiser: Optimizer
    value_optimiser: Optimizer | None
    kl_coefficient: float
    reward_scale: RunningScale = field(default_factory=RunningScale)
    best_score: float | None = None
    finished: int = 0

    @property
    def value_parameters(self) -> list[nn.Parameter]:
        """What is V_φ's alone; empty without a critic."""
        part = self.value_head if self.value_model is None else self.value_model
        return [] if part is None else list(part.parameters())


def build_learner(config: TrainingConfig, device: str) -> Learner:
    attention = "eager" if config.algorithm == "trpo" else None
    policy, tokenizer = load_policy(config.base_model, device, attention=attention)
    is_initial = config.reference == "initial"
    reference = freeze(policy if is_initial else load_policy(config.reference, device, attention=attention)[0])
    if reference.get_output_embeddings().weight.shape[0] != policy.get_output_embeddings().weight.shape[0]:
        raise InputError(f"reference {config.reference}: its vocabulary differs from that of {config.base_model}.")
    separate = config.has_critic and not config.shares_trunk
    learner = Learner(
        policy=policy,
        tokenizer=tokenizer,
        reference=reference,
        value_model=make_value_model(reference).requires_grad_(True) if separate else None,
        value_head=make_value_head(policy) if config.shares_trunk else None,
        mask=_make_mask(config, policy, tokenizer) if config.uses_mask else None,
        policy_optimiser=_make_optimiser(list(policy.parameters()), config),
        value_optimiser=None,
        kl_coefficient=config.kl.coefficient,
    )
    if config.has_critic:
        learner.value_optimiser = _make_optimiser(learner.value_parameters, config)
    return learner


def _make_mask(config: TrainingConfig, policy: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> MaskingPolicy:
    return MaskingPolicy(freeze(policy), config.nlpo, tuple(tokenizer.all_special_ids))


def _make_optimiser(parameters: list[nn.Parameter], config: TrainingConfig) -> Optimizer:
    """The rate is set anew in each iteration (rl.schedules)."""
    return AdamW(parameters, lr=0.0, weight_decay=config.optimiser.weight_decay, fused=True)


@contextlib.contextmanager
def dropout_as_configured(learner: Learner, config: TrainingConfig) -> Iterator[None]:
    """Inside, models are in training mode if the run wants dropout; its noise is keyed by (seed, iteration).

    Off is the default: with it, the policy that is trained is not the one that was sampled from.
    """
    models = [learner.policy] if learner.value_model is None else [learner.policy, learner.value_model]
    if config.dropout:
        torch.manual_seed(config.seed * 1_000_003 + learner.finished)
        for model in models:
            model.train()
    try:
        yield
    finally:
        for model in models:
            model.eval()


def save_checkpoint(learner: Learner, config: TrainingConfig, folder: Path) -> None:
    """Everything that an exact resume needs. No random state: all randomness is keyed by seed and iteration."""
    content = {
        "config": plain(config),
        "finished": learner.finished,
        "kl_coefficient": learner.kl_coefficient,
        "reward_scale": learner.reward_scale.state(),
        "best_score": learner.best_score,
        **{name: part.state_dict() for name, part in _parts(learner).items()},
    }
    scratch = folder / (CHECKPOINT + ".partial")
    torch.save(content, scratch)
    scratch.replace(folder / CHECKPOINT)  # a kill while writing leaves the older checkpoint whole


def restore_checkpoint(learner: Learner, config: TrainingConfig, folder: Path) -> None:
    """Bring the learner to where the checkpoint in `folder` was taken; nothing to do if the run had not got to one."""
    path = folder / CHECKPOINT
    if not path.exists():
        return
    try:
        content = torch.load(path, map_location=learner.policy.device, weights_only=True)
    except Exception as error:  # torch raises what its unpickler or zip reader happens to raise
        raise InputError(f"{path} cannot be read as a checkpoint; remove the folder to start the run again.") from error
    _refuse_changed_config(content["config"], plain(config), path)
    for name, part in _parts(learner).items():
        part.load_state_dict(content[name])
    learner.kl_coefficient = content["kl_coefficient"]
    learner.reward_scale = RunningScale(*content["reward_scale"])
    learner.best_score = content["best_score"]
    learner.finished = content["finished"]


def _parts(learner: Learner) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "policy": learner.policy,
        "value_model": learner.value_model,
        "value_head": learner.value_head,
        "policy_optimiser": learner.policy_optimiser,
        "value_optimiser": learner.value_optimiser,
        "masking_policy": None if learner.mask is None else learner.mask.model,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _refuse_changed_config(saved: dict[str, Any], present: dict[str, Any], path: Path) -> None:
    for key, value in present.items():
        if saved.get(key) != value:
            raise InputError(
                f"{path} was made with {key} = {saved.get(key)}, this run has {value}; "
                "resume with the same configuration."
            )
