"""Learning-rate schedules over the iterations of a run: pure functions of the iteration, so a resume needs no state."""

import math

import torch

from rl.config import OptimiserConfig


def rate_factor(iteration: int, iterations: int, config: OptimiserConfig) -> float:
    """What both learning rates are multiplied by in iteration 0, 1, ... of a run of so many iterations.

    Linear growth over the first `warmup` iterations; then constant, or falling to 0 after the last iteration.
    """
    if iteration < config.warmup:
        return (iteration + 1) / config.warmup
    if config.schedule == "constant":
        return 1.0
    progress = (iteration - config.warmup) / max(1, iterations - config.warmup)
    return 1.0 - progress if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * progress))


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
