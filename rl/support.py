"""Supports: the set of tokens that a step may draw from, and a policy renormalised over it.

NLPO's mask and the sampler's filters (top-k, top-p, a minimum length) name such sets. They belong to the behaviour
policy: a rollout keeps them, as bits, and whatever scores its tokens afterwards renormalises over the same sets.

Shapes: B rows, T response positions, V vocabulary. is_kept is True for tokens in the set.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_LEADING = (64, 1024)  # sizes tried before a row is sorted whole: a trained policy's p lies in a few tokens


@dataclass(frozen=True, slots=True)
class Support:
    """The sets S_t of a rollout as packed bits: bits (B, T, ⌈V/8⌉) uint8, bit k of byte j is token 8j + k."""

    bits: Tensor
    vocabulary: int

    def unpack(self) -> Tensor:
        """is_kept (B, T, V)."""
        return unpack_bits(self.bits, self.vocabulary)


def smallest_support(probabilities: Tensor, top_mass: float, least: int = 1) -> Tensor:
    """is_kept (B, V): the smallest set whose mass exceeds `top_mass`; ties go to the lower token id; never empty.

    A token is kept if those before it in the order (probability falling, id rising) have not exceeded p yet. least:
    tokens that are kept in any case, in the same order.
    """
    if top_mass >= 1:
        return torch.ones_like(probabilities, dtype=torch.bool)
    least = min(least, probabilities.shape[-1])
    leading = _leading_probabilities(probabilities, top_mass, least)
    mass_before = torch.nn.functional.pad(leading.double().cumsum(dim=-1)[..., :-1], (1, 0))
    count = (mass_before <= top_mass).sum(dim=-1, keepdim=True).clamp(min=least)
    return _keep_down_to(probabilities, leading.gather(-1, count - 1), count)


def keep_most_likely(probabilities: Tensor, count: int) -> Tensor:
    """is_kept (B, V): the `count` most likely tokens; ties go to the lower token id."""
    if count >= probabilities.shape[-1]:
        return torch.ones_like(probabilities, dtype=torch.bool)
    boundary = probabilities.topk(count, dim=-1).values[..., -1:]
    return _keep_down_to(probabilities, boundary, torch.full_like(boundary, count, dtype=torch.long))


def _keep_down_to(probabilities: Tensor, boundary: Tensor, count: Tensor) -> Tensor:
    """`count` (B, 1) tokens: all above the boundary (B, 1), and of those that equal it the lowest ids."""
    is_above = probabilities > boundary
    is_tied = probabilities == boundary
    places = count - is_above.sum(dim=-1, keepdim=True)
    return is_above | (is_tied & (is_tied.cumsum(dim=-1) <= places))


def _leading_probabilities(probabilities: Tensor, top_mass: float, least: int) -> Tensor:
    """The largest probabilities of each row, falling: at least `least`, and enough to exceed `top_mass`."""
    for size in _LEADING:
        if least <= size < probabilities.shape[-1]:
            leading = probabilities.topk(size, dim=-1).values
            if bool((leading.double().sum(dim=-1) > top_mass).all()):
                return leading
    return probabilities.sort(dim=-1, descending=True).values


def pack_bits(is_kept: Tensor) -> Tensor:
    """(…, V) bool to (…, ⌈V/8⌉) uint8."""
    size = is_kept.shape[-1]
    padded = torch.nn.functional.pad(is_kept, (0, -size % 8)).view(*is_kept.shape[:-1], -1, 8)
    weights = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=is_kept.device)
    return (padded.to(torch.uint8) * weights).sum(dim=-1, dtype=torch.uint8)


def unpack_bits(bits: Tensor, size: int) -> Tensor:
    """(…, ⌈V/8⌉) uint8 to (…, V) bool."""
    weights = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=bits.device)
    return (bits[..., None] & weights).ne(0).flatten(start_dim=-2)[..., :size]


def restrict(logits: Tensor, is_kept: Tensor | None) -> Tensor:
    """Logits whose softmax is the policy renormalised over the support: −∞ outside it."""
    return logits if is_kept is None else logits.masked_fill(~is_kept, -torch.inf)


def token_log_probs(logits: Tensor, ids: Tensor, is_kept: Tensor | None = None) -> Tensor:
    """log π(a_t), (B, T), of the tokens `ids` (B, T) under (B, T, V) logits, renormalised over the support.

    In float32 whatever the model computes in.
    """
    restricted = restrict(logits.float(), is_kept)
    return restricted.gather(-1, ids[..., None])[..., 0] - restricted.logsumexp(dim=-1)


def entropy_nats(log_probs: Tensor) -> Tensor:
    """−Σ π log π over the last dimension; log-probabilities of −∞ (outside the support) add nothing."""
    return -(log_probs.exp() * log_probs.clamp(min=torch.finfo(log_probs.dtype).min)).sum(dim=-1)
