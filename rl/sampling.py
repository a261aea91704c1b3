"""How a token is drawn: the sampler's settings, its filters and the keyed noise.

Noise is a function of (seed, iteration, row key, token position) and of nothing else, so a row's sample does not
depend on which other rows share its batch, on their order, or on what was drawn before.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from annotation.errors import InputError
from rl.support import keep_most_likely, restrict, smallest_support

Key = int | str


@dataclass(frozen=True, slots=True)
class Sampler:
    """The behaviour policy's settings; temperature divides the logits of policy, reference and masking policy alike.

    top_k: most tokens a step may draw from, 0 for all. top_p: they are the smallest set whose mass exceeds it.
    min_length: EOS is no action before so many tokens. Filters restrict the behaviour policy, so what scores a rollout
    renormalises over the sets that they left. Unset they leave the whole vocabulary.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_length: int = 0

    @property
    def filters(self) -> bool:
        """Whether any step may draw from less than the whole vocabulary."""
        return self.top_k > 0 or self.top_p < 1 or self.min_length > 0

    def allowed_actions(self, logits: Tensor, position: int, eos: int) -> Tensor | None:
        """is_kept (B, V): all but EOS while it would come too early; None for all. position: from 0."""
        if position >= self.min_length:
            return None
        return torch.ones_like(logits, dtype=torch.bool).index_fill(-1, torch.tensor(eos, device=logits.device), False)

    def filter(self, logits: Tensor, is_kept: Tensor | None) -> Tensor | None:
        """Top-k, then top-p, of the policy restricted to is_kept (B, V); None for the whole vocabulary."""
        if self.top_k:
            is_kept = _intersect(is_kept, keep_most_likely(restrict(logits, is_kept).softmax(dim=-1), self.top_k))
        if self.top_p < 1:
            is_kept = _intersect(is_kept, smallest_support(restrict(logits, is_kept).softmax(dim=-1), self.top_p))
        return is_kept


def check_sampler(sampler: Sampler, name_of: Callable[[str], str]) -> None:
    """InputError for a value that no sampler could use. name_of: what its user calls a setting."""
    for name, holds, expectation in (
        ("temperature", sampler.temperature > 0, "a number above 0"),
        ("top_k", sampler.top_k >= 0, "a number of at least 0"),
        ("top_p", 0 < sampler.top_p <= 1, "a number above 0, at most 1"),
        ("min_length", sampler.min_length >= 0, "a number of at least 0"),
    ):
        if not holds:
            raise InputError(f"{name_of(name)}: expected {expectation}, found {getattr(sampler, name)}.")


def _intersect(first: Tensor | None, second: Tensor) -> Tensor:
    return second if first is None else first & second


@dataclass(frozen=True, slots=True)
class Noise:
    """A family of uniforms. iteration: of training, or any number that tells one draw from another."""

    seed: int
    iteration: int = 0

    def uniforms(self, keys: Sequence[Key], horizon: int) -> Tensor:
        """(B, T) float64 in [0, 1): row b belongs to keys[b], column t to token position t."""
        rows = [self._row_key(key) for key in keys]
        positions = np.arange(1, horizon + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        states = np.array(rows, dtype=np.uint64)[:, None] + positions
        return torch.from_numpy((_mix(states) >> np.uint64(11)).astype(np.float64) * 2.0**-53)

    def _row_key(self, key: Key) -> int:
        text = f"{self.seed}|{self.iteration}|{key}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _mix(states: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): neighbouring states to independent-looking words."""
    states = (states ^ (states >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    states = (states ^ (states >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return states ^ (states >> np.uint64(31))


def draw_tokens(log_probs: Tensor, uniforms: Tensor) -> Tensor:
    """Tokens (B,) from log-probabilities (B, V), by inverting the distribution function at uniforms (B,).

    The token chosen is the first whose cumulative mass is greater than u, so one without mass is never chosen.
    Summed in float64: float32 would lose rare tokens of a large vocabulary.
    """
    cumulative = log_probs.double().exp().cumsum(dim=-1)
    threshold = uniforms[:, None] * cumulative[:, -1:]
    return (cumulative <= threshold).sum(dim=-1)


def number_repeats(names: Sequence[str]) -> list[str]:
    """Keys for rows that may repeat a prompt: `name#0`, `name#1`, ... so that repeats draw differently."""
    seen: dict[str, int] = {}
    keys = []
    for name in names:
        seen[name] = seen.get(name, -1) + 1
        keys.append(f"{name}#{seen[name]}")
    return keys
