"""The distance to the reference policy: penalty rewards, the controller of β, the exact divergence.

Sampled and exact differ on purpose. The penalty uses log π_θ(a) − log π_0(a) of the sampled token, both over the whole
vocabulary. Where tokens are drawn from a masked policy that is no estimate of KL(π_θ ‖ π_0) and may be negative, so the
exact KL is logged beside it.
"""

import torch
from torch import Tensor


def penalised_rewards(
    rewards: Tensor, policy_log_probs: Tensor, reference_log_probs: Tensor, is_response: Tensor, coefficient: float
) -> Tensor:
    """r̂_t = r_t − β (log π_θ(a_t) − log π_0(a_t)), (B, T); 0 where is_response is False.

    The paper prints the penalty's sign the other way round; its code, like this, subtracts it.
    """
    penalty = coefficient * (policy_log_probs - reference_log_probs)
    return (rewards - penalty).masked_fill(~is_response, 0.0)


def adapt_coefficient(coefficient: float, kl_nats: float, target_nats: float | None) -> float:
    """β ← β (1 + .1 · clip((K − K*)/K*, ±.2)), once an iteration; K in nats per response token. No target: β stays.

    Ziegler et al. 2019 (arXiv 1909.08593), section 2.2: gain .1, error clipped at .2; so β moves at most 2% at a time.
    """
    if target_nats is None:
        return coefficient
    error = (kl_nats - target_nats) / target_nats
    return coefficient * (1 + 0.1 * min(max(error, -0.2), 0.2))


def exact_kl_nats(log_probs: Tensor, reference_log_probs: Tensor) -> Tensor:
    """KL(π ‖ π_0) over the last dimension. Tokens that π excludes (log-probability −∞) add nothing."""
    difference = (log_probs - reference_log_probs).masked_fill(log_probs == -torch.inf, 0.0)
    return (log_probs.exp() * difference).sum(dim=-1)
