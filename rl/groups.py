"""Critic-free advantages from several responses to each prompt: RLOO and GRPO.

Rows of a batch come prompt by prompt, `size` responses together. Shapes: (B, T), entries count where is_response.
"""

import torch
from torch import Tensor

EPSILON = 1e-4  # keeps a group of equal rewards at advantage 0


def leave_one_out_advantages(returns: Tensor, size: int) -> Tensor:
    """A_i = R_i − mean of the other responses to the same prompt, (B,).

    RLOO: Ahmadian et al. 2024 (arXiv 2402.14740), section 3; R is the whole response's reward less its KL penalty.
    """
    grouped = returns.view(-1, size)
    others = (grouped.sum(dim=1, keepdim=True) - grouped) / (size - 1)
    return (grouped - others).flatten()


def standardised_advantages(rewards: Tensor, size: int) -> Tensor:
    """A_i = (r_i − mean) / standard deviation within the group, (B,).

    GRPO: Shao et al. 2024 (arXiv 2402.03300), section 4.1.2; the KL penalty stands in the loss, not in r.
    """
    grouped = rewards.view(-1, size)
    centred = grouped - grouped.mean(dim=1, keepdim=True)
    return (centred / (grouped.std(dim=1, keepdim=True, unbiased=False) + EPSILON)).flatten()


def spread_over_tokens(advantages: Tensor, is_response: Tensor) -> Tensor:
    """Each response's advantage on all of its tokens, (B, T); 0 elsewhere."""
    return advantages[:, None].expand(is_response.shape).masked_fill(~is_response, 0.0)


def reference_kl_estimate(log_probs: Tensor, reference_log_probs: Tensor, is_response: Tensor) -> Tensor:
    """GRPO's penalty a token, (B, T): π_0/π − log(π_0/π) − 1, equation 4, known as k3; it is never negative.

    Both over the whole vocabulary, of the sampled token; 0 in slots that do not count.
    """
    log_ratio = (reference_log_probs - log_probs).masked_fill(~is_response, 0.0)
    return torch.expm1(log_ratio) - log_ratio


def mean_over_responses(entries: Tensor, is_response: Tensor) -> Tensor:
    """GRPO's mean, equation 3: over each response's tokens first, then over responses."""
    per_response = entries.masked_fill(~is_response, 0.0).sum(dim=1) / is_response.sum(dim=1)
    return per_response.mean()
