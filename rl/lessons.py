"""Lessons: what a rollout teaches. Rewards and penalties become advantages and returns, by the algorithm's rule."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from rl.advantages import estimate_advantages, whiten
from rl.config import TrainingConfig
from rl.experience import Experience
from rl.groups import leave_one_out_advantages, spread_over_tokens, standardised_advantages
from rl.kl import penalised_rewards
from rl.processes import own_share
from rl.rollout import Rollout


@dataclass(frozen=True, slots=True)
class Lessons:
    """A rollout with what it teaches, (B, T) each.

    reference     log π_0 of the sampled tokens, over the whole vocabulary
    returns       λ-returns, and `values`, V_φ when the rollout was measured; None for critic-free algorithms
    loss_kl       β of the penalty that stands in the loss (GRPO); 0 where the rewards carry it
    """

    rollout: Rollout
    advantages: Tensor
    reference: Tensor
    returns: Tensor | None = None
    values: Tensor | None = None
    loss_kl: float = 0.0

    def __len__(self) -> int:
        return len(self.rollout)

    def rows(self, indices: Tensor) -> "Lessons":
        rollout = self.rollout.rows(indices)
        length = rollout.response_ids.shape[1]

        def cut(entries: Tensor | None) -> Tensor | None:
            return None if entries is None else entries[indices, :length]

        return Lessons(
            rollout,
            self.advantages[indices, :length],
            self.reference[indices, :length],
            cut(self.returns),
            cut(self.values),
            self.loss_kl,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a minibatch, with their share of its response tokens and of its responses."""

    lessons: Lessons
    token_share: float
    response_share: float


def teach(seen: Experience, kl_coefficient: float, config: TrainingConfig) -> Lessons:
    """Rewards r_t (B, T) and the KL penalty become advantages (and returns, where there is a critic)."""
    rollout, rewards, measures = seen.rollout, seen.rewards, seen.measures
    is_response = rollout.is_response
    if config.algorithm == "grpo":
        advantages = standardised_advantages(_sum_over_tokens(rewards, is_response), config.samples_per_prompt)
        spread = spread_over_tokens(advantages, is_response)
        return Lessons(rollout, spread, measures.reference, loss_kl=kl_coefficient)
    penalised = penalised_rewards(rewards, measures.policy, measures.reference, is_response, kl_coefficient)
    if config.algorithm == "rloo":
        advantages = leave_one_out_advantages(_sum_over_tokens(penalised, is_response), config.samples_per_prompt)
        return Lessons(rollout, spread_over_tokens(advantages, is_response), measures.reference)
    assert measures.values is not None
    advantages, returns = estimate_advantages(
        penalised, measures.values, is_response, discount=config.discount, gae_lambda=config.gae_lambda
    )
    return Lessons(rollout, whiten(advantages, is_response), measures.reference, returns, measures.values)


def _sum_over_tokens(rewards: Tensor, is_response: Tensor) -> Tensor:
    return rewards.masked_fill(~is_response, 0.0).sum(dim=1)


def minibatches(size: int, config: TrainingConfig, iteration: int) -> list[Tensor]:
    """Row indices of each minibatch, over all epochs; the order is keyed by (seed, iteration).

    A2C makes one step on all rows.
    """
    if config.algorithm == "a2c":
        return [torch.arange(size)]
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + iteration)
    batches: list[Tensor] = []
    for _ in range(config.optimiser.epochs):
        batches += torch.randperm(size, generator=generator).split(config.optimiser.minibatch)
    return batches


def microbatches(minibatch: Lessons, config: TrainingConfig) -> Iterator[Part]:
    """Parts of a minibatch of like length, to save padding; of several processes each has its own parts.

    Means over tokens, weighted by the shares, add up to the minibatch's mean; a mean of the parts' means would not.
    """
    lengths = minibatch.rollout.is_response.sum(dim=1)
    sizes = lengths * minibatch.rollout.prompt_ids.shape[1] + minibatch.rollout.is_prompt.sum(dim=1)
    order = own_share(sizes.argsort(stable=True))
    for indices in order.split(config.optimiser.microbatch) if len(order) else ():
        yield Part(
            minibatch.rows(indices), float(lengths[indices].sum() / lengths.sum()), len(indices) / len(minibatch)
        )
