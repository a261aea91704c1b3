"""Supports: the set of tokens that a step may draw from, and a policy renormalised over it.

NLPO's mask and the sampler's filters (top-k, top-p, a minimum length) name such sets. They belong to the behaviour
policy: a rollout keeps them, as bits, and whatever scores its tokens afterwards renormalises over the same sets.

Shapes: B rows, T response positions, V vocabulary. is_kept is True for tokens in the set.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_LEADING = 64  # tokens that are looked at before a large row is sorted whole: a trained policy's p lies in a few
_LARGE = 8192  # a row from which that pays


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
    if least <= _LEADING and probabilities.shape[-1] >= _LARGE:
        leading = probabilities.topk(_LEADING, dim=-1).values
        if bool((leading.double().sum(dim=-1) > top_mass).all()):
            return leading
    if probabilities.device.type == "cpu":  # numpy sorts values alone, some twenty times as fast as torch sorts pairs
        return torch.from_numpy(np.sort(probabilities.numpy(), axis=-1)).flip(-1)
    return probabilities.sort(dim=-1, descending=True).values


def pack_bits(is_kept: Tensor) -> Tensor:
    """(…, V) bool to (…, ⌈V/8⌉) uint8."""
    padded = torch.nn.functional.pad(is_kept, (0, -is_kept.shape[-1] % 8)).contiguous()
    # Eight bools are a word of eight bytes; this product moves byte j's bit to bit 56 + j, where the shift finds it.
    return ((padded.view(torch.int64) * 0x0102040810204080) >> 56).to(torch.uint8)


def unpack_bits(bits: Tensor, size: int) -> Tensor:
    """(…, ⌈V/8⌉) uint8 to (…, V) bool."""
    words = _words(bits.device)[bits.int()]
    return words.view(torch.bool)[..., :size]


def _words(device: torch.device) -> Tensor:
    """For each byte its eight bits as eight bools, in one int64."""
    bits = (torch.arange(256, device=device)[:, None] >> torch.arange(8, device=device)) & 1
    return bits.to(torch.uint8).view(torch.int64)[:, 0]


def scale_logits(logits: Tensor, temperature: float) -> Tensor:
    """The logits of the policy at this temperature, in float32 whatever the model computes in."""
    logits = logits.float()
    return logits if temperature == 1 else logits / temperature


def restrict(logits: Tensor, is_kept: Tensor | None) -> Tensor:
    """Logits whose softmax is the policy renormalised over the support: −∞ outside it."""
    return logits if is_kept is None else torch.where(is_kept, logits, -torch.inf)


def token_log_probs(logits: Tensor, ids: Tensor, is_kept: Tensor | None = None) -> Tensor:
    """log π(a_t), (B, T), of the tokens `ids` (B, T) under (B, T, V) logits, renormalised over the support.

    In float32 whatever the model computes in. Differentiable once.
    """
    log_probs: Tensor = _TokenLogProbs.apply(logits.float(), ids, is_kept)
    return log_probs


class _TokenLogProbs(torch.autograd.Function):
    """As log_softmax and gather, with one vocabulary of numbers kept for the way back instead of three.

    ∂ log π(a) / ∂ logits = onehot(a) − π, and π is 0 outside the support.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, ids: Tensor, is_kept: Tensor | None) -> Tensor:
        log_probs = restrict(logits, is_kept).log_softmax(dim=-1)
        ctx.save_for_backward(log_probs, ids)
        return log_probs.gather(-1, ids[..., None])[..., 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        log_probs, ids = ctx.saved_tensors
        slope = slope[..., None]
        return log_probs.exp().mul_(-slope).scatter_add_(-1, ids[..., None], slope), None, None


def entropy_nats(log_probs: Tensor) -> Tensor:
    """−Σ π log π over the last dimension; log-probabilities of −∞ (outside the support) add nothing."""
    return -(log_probs.exp() * log_probs.clamp(min=torch.finfo(log_probs.dtype).min)).sum(dim=-1)
