"""PPO's losses, after Schulman et al. 2017 (arXiv 1707.06347). NLPO uses them on renormalised log-probabilities.

Shapes: (B, T), entries count where is_response. Losses are means over the response tokens of the minibatch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rl.advantages import mean_over_response

VALUE_LOSS_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class RatioFigures:
    """How far the policy has moved from the behaviour policy, over response tokens."""

    mean_ratio: float
    max_ratio_error: float  # max |ratio − 1|: 0 before the first step, up to rounding
    clip_fraction: float


def clipped_objective(
    log_probs: Tensor, behaviour_log_probs: Tensor, advantages: Tensor, is_response: Tensor, clip: float
) -> Tensor:
    """min(ratio · A, clip(ratio, 1 ± ε) · A), (B, T), equation 7 before its mean; 0 where is_response is False."""
    # Zeroed before exp: an overflow in a slot that does not count would come back as a NaN gradient.
    ratio = (log_probs - behaviour_log_probs).masked_fill(~is_response, 0.0).exp()
    advantages = advantages.masked_fill(~is_response, 0.0)
    return torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def clipped_surrogate_loss(
    log_probs: Tensor, behaviour_log_probs: Tensor, advantages: Tensor, is_response: Tensor, clip: float
) -> Tensor:
    """−E[min(ratio · A, clip(ratio, 1 ± ε) · A)], equation 7."""
    return -mean_over_response(
        clipped_objective(log_probs, behaviour_log_probs, advantages, is_response, clip), is_response
    )


def ratio_figures(log_probs: Tensor, behaviour_log_probs: Tensor, is_response: Tensor, clip: float) -> RatioFigures:
    ratio = (log_probs.detach() - behaviour_log_probs)[is_response].exp()
    error = (ratio - 1).abs()
    return RatioFigures(float(ratio.mean()), float(error.max()), float((error > clip).float().mean()))


def value_loss(
    values: Tensor, returns: Tensor, is_response: Tensor, *, old_values: Tensor | None = None, clip: float | None = None
) -> Tensor:
    """½ E[(V − R)²]; with `clip`, ½ E[max((V − R)², (V_old + clip(V − V_old, ±clip) − R)²)].

    Clipping is in the units of the returns, so a clip far below their scale keeps V from ever reaching them: off unless
    asked for. old_values: V when the rollout was measured.
    """
    error = (values - returns).masked_fill(~is_response, 0.0).square()
    if clip is not None and old_values is not None:
        bounded = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (bounded - returns).masked_fill(~is_response, 0.0).square())
    return VALUE_LOSS_WEIGHT * mean_over_response(error, is_response)
