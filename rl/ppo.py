"""PPO's losses, after Schulman et al. 2017 (arXiv 1707.06347). NLPO uses them on renormalised log-probabilities.

Shapes: (B, T), entries count where is_response. Losses are means over the response tokens of the minibatch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rl.advantages import mean_over_response

VALUE_LOSS_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Surrogate:
    """The clipped objective, and how far the policy had moved when it was taken."""

    loss: Tensor
    mean_ratio: float
    max_ratio_error: float  # max |ratio − 1|: 0 before the first step, up to rounding
    clip_fraction: float


def clipped_surrogate(
    log_probs: Tensor, behaviour_log_probs: Tensor, advantages: Tensor, is_response: Tensor, clip: float
) -> Surrogate:
    """−E[min(ratio · A, clip(ratio, 1 ± ε) · A)], equation 7."""
    # Zeroed before exp: an overflow in a slot that does not count would come back as a NaN gradient.
    ratio = (log_probs - behaviour_log_probs).masked_fill(~is_response, 0.0).exp()
    advantages = advantages.masked_fill(~is_response, 0.0)
    objective = torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)
    counted = ratio.detach()[is_response]
    return Surrogate(
        loss=-mean_over_response(objective, is_response),
        mean_ratio=float(counted.mean()),
        max_ratio_error=float((counted - 1).abs().max()),
        clip_fraction=float(((counted - 1).abs() > clip).float().mean()),
    )


def value_loss(values: Tensor, returns: Tensor, is_response: Tensor) -> Tensor:
    """½ E[(V − R)²], unclipped."""
    error = (values - returns).masked_fill(~is_response, 0.0)
    return VALUE_LOSS_WEIGHT * mean_over_response(error.square(), is_response)
