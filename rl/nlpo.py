"""NLPO's support, after Ramamurthy et al. 2022 (arXiv 2210.01241), Algorithm 1.

At each step the masking policy π_ψ, an older copy of π_θ, names the smallest set of tokens whose mass exceeds p.
π_θ is renormalised over that set for sampling, ratio and entropy, and zero elsewhere. Nothing else is kept: neither
a fixed number of tokens nor the special ones, which the authors' released code adds. PPO is the same code with the
whole vocabulary (`Support` None, or p = 1).

Shapes: B rows, T response positions, V vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

LEAST_REFRESHES = 5  # a run that never refreshes π_ψ is the released NLPO, not the published one
_LEADING = (64, 1024)  # sizes tried before a row is sorted whole: a trained policy's p lies in a few tokens


@dataclass(frozen=True, slots=True)
class Support:
    """The sets S_t of a rollout as packed bits: bits (B, T, ⌈V/8⌉) uint8, bit k of byte j is token 8j + k."""

    bits: Tensor
    vocabulary: int

    def unpack(self) -> Tensor:
        """is_kept (B, T, V)."""
        return unpack_bits(self.bits, self.vocabulary)


def smallest_support(probabilities: Tensor, top_mass: float) -> Tensor:
    """is_kept (B, V): the smallest set whose mass exceeds `top_mass`; ties go to the lower token id; never empty.

    A token is kept if those before it in the order (probability falling, id rising) have not exceeded p yet.
    """
    if top_mass >= 1:
        return torch.ones_like(probabilities, dtype=torch.bool)
    leading = _leading_probabilities(probabilities, top_mass)
    mass_before = torch.nn.functional.pad(leading.double().cumsum(dim=-1)[..., :-1], (1, 0))
    count = (mass_before <= top_mass).sum(dim=-1, keepdim=True).clamp(min=1)
    boundary = leading.gather(-1, count - 1)
    is_above = probabilities > boundary
    is_tied = probabilities == boundary
    places = count - is_above.sum(dim=-1, keepdim=True)
    return is_above | (is_tied & (is_tied.cumsum(dim=-1) <= places))


def _leading_probabilities(probabilities: Tensor, top_mass: float) -> Tensor:
    """The largest probabilities of each row, falling: enough of them to exceed `top_mass`."""
    for size in _LEADING:
        if size < probabilities.shape[-1]:
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
    """Logits whose softmax is π_θ renormalised over the support: −∞ outside it."""
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


def refresh_interval(refresh_every: int, iterations: int) -> int:
    """µ, shortened so that a run refreshes at least five times between its iterations (where it has that many)."""
    return max(1, min(refresh_every, (iterations - 1) // LEAST_REFRESHES))


def is_refresh_due(finished_iterations: int, interval: int) -> bool:
    return finished_iterations % interval == 0


@torch.no_grad()
def refresh_masking_policy(masking_policy: PreTrainedModel, policy: PreTrainedModel) -> None:
    """π_ψ ← π_θ, in place: whoever samples with this model samples with the new weights."""
    masking_policy.load_state_dict(policy.state_dict())
