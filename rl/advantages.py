"""Advantages: generalised advantage estimation, whitening, the scale of rewards.

Shapes: (B, T), entries count where is_response.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def estimate_advantages(
    rewards: Tensor, values: Tensor, is_response: Tensor, *, discount: float, gae_lambda: float
) -> tuple[Tensor, Tensor]:
    """Advantages and returns (B, T), by Schulman et al. 2016 (arXiv 1506.02438), equations 11 and 16.

    δ_t = r_t + γ V_{t+1} − V_t and A_t = δ_t + γλ A_{t+1}; the λ-return is A_t + V_t. An episode ends with its last
    response token, whether EOS or the horizon ended it, so V and A are 0 after that: nothing is bootstrapped.
    """
    rewards = rewards.masked_fill(~is_response, 0.0)
    values = values.masked_fill(~is_response, 0.0)
    advantages = torch.zeros_like(values)
    next_value = next_advantage = torch.zeros_like(values[:, 0])
    for position in reversed(range(values.shape[1])):
        delta = rewards[:, position] + discount * next_value - values[:, position]
        next_advantage = delta + discount * gae_lambda * next_advantage
        # Slots after the response hold only zeros, so nothing leaks back from them.
        advantages[:, position] = next_advantage
        next_value = values[:, position]
    return advantages, advantages + values


def whiten(entries: Tensor, is_response: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 over the entries that count; 0 elsewhere."""
    counted = entries[is_response]
    scale = counted.std(unbiased=False) + 1e-8
    return ((entries - counted.mean()) / scale).masked_fill(~is_response, 0.0)


def mean_over_response(entries: Tensor, is_response: Tensor) -> Tensor:
    """The mean over all response tokens of the batch: a scalar. Slots that do not count may hold anything, even NaN."""
    return entries.masked_fill(~is_response, 0.0).sum() / is_response.sum()


def explained_variance(values: Tensor, returns: Tensor, is_response: Tensor) -> float:
    """1 − Var(returns − values)/Var(returns): 1 is perfect, 0 no better than a constant."""
    spread = returns[is_response].var(unbiased=False)
    residual = (returns - values)[is_response].var(unbiased=False)
    return float(1 - residual / spread) if spread > 0 else 0.0


@dataclass(slots=True)
class RunningScale:
    """The standard deviation of all numbers seen so far, by Welford's sums; it scales rewards and shifts nothing."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def include(self, numbers: Sequence[float]) -> None:
        for number in numbers:
            self.count += 1
            step = number - self.mean
            self.mean += step / self.count
            self.squares += step * (number - self.mean)

    @property
    def deviation(self) -> float:
        """1 while nothing is known to vary."""
        return math.sqrt(self.squares / self.count) if self.squares > 0 else 1.0

    def state(self) -> tuple[int, float, float]:
        return self.count, self.mean, self.squares
