"""The update: some epochs of minibatches over one rollout, for policy and value model alike."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from annotation.errors import InputError
from rl.config import TrainingConfig
from rl.learner import Learner
from rl.nlpo import token_log_probs
from rl.policy import response_logits, response_values
from rl.ppo import Surrogate, clipped_surrogate, value_loss
from rl.rollout import Rollout


@dataclass(frozen=True, slots=True)
class Lessons:
    """A rollout with what it teaches: whitened advantages and λ-returns, (B, T)."""

    rollout: Rollout
    advantages: Tensor
    returns: Tensor

    def __len__(self) -> int:
        return len(self.rollout)

    def rows(self, indices: Tensor) -> "Lessons":
        rollout = self.rollout.rows(indices)
        length = rollout.response_ids.shape[1]
        return Lessons(rollout, self.advantages[indices, :length], self.returns[indices, :length])


def update(learner: Learner, lessons: Lessons, config: TrainingConfig) -> dict[str, float]:
    """Train on the lessons; the iteration's losses, averaged over its steps, and the first step's ratio."""
    trains_policy = learner.finished >= config.value_warmup
    where = f"of iteration {learner.finished + 1}"
    policy_steps: list[dict[str, float]] = []
    value_steps: list[dict[str, float]] = []
    for indices in minibatches(len(lessons), config, learner.finished):
        minibatch = lessons.rows(indices.to(lessons.returns.device))
        if trains_policy:
            step = accumulate_policy_gradient(learner.policy, minibatch, config)
            norm = take_step(
                learner.policy, learner.policy_optimiser, step["policy_loss"], f"policy loss {where}", config
            )
            policy_steps.append(step | {"policy_gradient_norm": norm})
        step = accumulate_value_gradient(learner.value_model, minibatch, config)
        norm = take_step(
            learner.value_model, learner.value_optimiser, step["value_loss"], f"value loss {where}", config
        )
        value_steps.append(step | {"value_gradient_norm": norm})
    return _summarise(policy_steps) | _mean_of_steps(value_steps)


def minibatches(size: int, config: TrainingConfig, iteration: int) -> list[Tensor]:
    """Row indices of each minibatch, over all epochs; the order is keyed by (seed, iteration)."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + iteration)
    batches: list[Tensor] = []
    for _ in range(config.optimiser.epochs):
        batches += torch.randperm(size, generator=generator).split(config.optimiser.minibatch)
    return batches


def microbatches(minibatch: Lessons, config: TrainingConfig) -> Iterator[tuple[Lessons, float]]:
    """Parts of a minibatch of like length, to save padding, each with its share of the response tokens.

    Means over tokens, weighted by the shares, add up to the minibatch's mean; a mean of the parts' means would not.
    """
    lengths = minibatch.rollout.is_response.sum(dim=1)
    order = (lengths * minibatch.rollout.prompt_ids.shape[1] + minibatch.rollout.is_prompt.sum(dim=1)).argsort(
        stable=True
    )
    for indices in order.split(config.optimiser.microbatch):
        yield minibatch.rows(indices), float(lengths[indices].sum() / lengths.sum())


def accumulate_policy_gradient(policy: PreTrainedModel, minibatch: Lessons, config: TrainingConfig) -> dict[str, float]:
    """Leave the clipped surrogate's gradient in the policy; the loss and the ratio's figures."""
    policy.zero_grad(set_to_none=True)
    parts = []
    for lessons, share in microbatches(minibatch, config):
        surrogate = policy_surrogate(policy, lessons, config)
        (surrogate.loss * share).backward()
        parts.append((surrogate, share))
    return {
        "policy_loss": sum(float(surrogate.loss.detach()) * share for surrogate, share in parts),
        "mean_ratio": sum(surrogate.mean_ratio * share for surrogate, share in parts),
        "max_ratio_error": max(surrogate.max_ratio_error for surrogate, _ in parts),
        "clip_fraction": sum(surrogate.clip_fraction * share for surrogate, share in parts),
    }


def policy_surrogate(policy: PreTrainedModel, lessons: Lessons, config: TrainingConfig) -> Surrogate:
    """PPO's objective on log-probabilities renormalised over the support, which for PPO is the whole vocabulary."""
    rows = lessons.rollout
    logits = response_logits(policy, rows.prompt_ids, rows.is_prompt, rows.response_ids)
    log_probs = token_log_probs(logits.float() / config.sampler.temperature, rows.response_ids, rows.is_kept())
    return clipped_surrogate(log_probs, rows.log_probs, lessons.advantages, rows.is_response, config.clip)


def accumulate_value_gradient(
    value_model: PreTrainedModel, minibatch: Lessons, config: TrainingConfig
) -> dict[str, float]:
    value_model.zero_grad(set_to_none=True)
    total = 0.0
    for lessons, share in microbatches(minibatch, config):
        rows = lessons.rollout
        values = response_values(value_model, rows.prompt_ids, rows.is_prompt, rows.response_ids)
        loss = value_loss(values, lessons.returns, rows.is_response) * share
        loss.backward()
        total += float(loss.detach())
    return {"value_loss": total}


def take_step(
    model: PreTrainedModel, optimiser: torch.optim.Optimizer, loss: float, name: str, config: TrainingConfig
) -> float:
    """One optimiser step; the gradient's norm before clipping. InputError if the loss or its gradient is not finite."""
    norm = float(torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimiser.gradient_norm))
    if not (math.isfinite(norm) and math.isfinite(loss)):
        raise InputError(f"the {name} or its gradient is not a finite number; lower the learning rate.")
    optimiser.step()
    return norm


def _summarise(steps: list[dict[str, float]]) -> dict[str, float]:
    """Means over the steps, and the ratio at the first; nothing while only the value model is trained."""
    if not steps:
        return {}
    means = _mean_of_steps(steps)
    del means["max_ratio_error"]
    return means | {"first_mean_ratio": steps[0]["mean_ratio"], "first_max_ratio_error": steps[0]["max_ratio_error"]}


def _mean_of_steps(steps: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]}
