"""NLPO, after Ramamurthy et al. 2022 (arXiv 2210.01241), Algorithm 1: PPO whose tokens come from a learned mask.

At each step the masking policy π_ψ, an older copy of π_θ, names the smallest set of tokens whose mass exceeds p.
π_θ is renormalised over that set for sampling, ratio and entropy, and zero elsewhere. Nothing else is kept. Every µ
iterations π_ψ becomes a copy of π_θ. PPO is the same code with the whole vocabulary (no mask, or p = 1).

The mode `as-released` is what the authors' code (RL4LMs 0.2.2) did instead, so that the two can be compared: π_ψ is
never refreshed, at least 100 tokens and all special ones are kept, and the ratio is taken between log-probabilities
over the whole vocabulary, although tokens are drawn from the set.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rl.support import smallest_support

LEAST_REFRESHES = 5  # a run that never refreshes π_ψ is the released NLPO, not the published one
RELEASED_LEAST_KEPT = 100  # RL4LMs: min_tokens_to_keep of its top-p filter


@dataclass(frozen=True, slots=True)
class NlpoConfig:
    """top_mass: p. refresh_every: µ, in iterations; a short run refreshes oftener (refresh_interval).

    mode: `published`, Algorithm 1; `as-released`, the authors' code.
    """

    top_mass: float = 0.9
    refresh_every: int = 20
    mode: Literal["published", "as-released"] = "published"


@dataclass(frozen=True, slots=True)
class MaskingPolicy:
    """π_ψ and its rule. special_ids: kept in the mode as-released, whatever their mass."""

    model: PreTrainedModel
    config: NlpoConfig = NlpoConfig()
    special_ids: tuple[int, ...] = ()

    @property
    def renormalises(self) -> bool:
        """Whether log-probabilities are taken over the support that tokens are drawn from."""
        return self.config.mode == "published"

    def support(self, probabilities: Tensor) -> Tensor:
        """is_kept (B, V) from π_ψ's probabilities (B, V)."""
        if self.config.mode == "published":
            return smallest_support(probabilities, self.config.top_mass)
        is_kept = smallest_support(probabilities, self.config.top_mass, least=RELEASED_LEAST_KEPT)
        is_kept[:, list(self.special_ids)] = True
        return is_kept

    def is_refresh_due(self, finished_iterations: int, iterations: int) -> bool:
        """Whether π_ψ ← π_θ after so many finished iterations of a run; never as released."""
        interval = refresh_interval(self.config.refresh_every, iterations)
        return self.config.mode == "published" and finished_iterations % interval == 0

    @torch.no_grad()
    def refresh(self, policy: PreTrainedModel) -> None:
        """π_ψ ← π_θ, in place: whoever samples with this model samples with the new weights."""
        self.model.load_state_dict(policy.state_dict())


def refresh_interval(refresh_every: int, iterations: int) -> int:
    """µ, shortened so that a run refreshes at least five times between its iterations (where it has that many)."""
    return max(1, min(refresh_every, (iterations - 1) // LEAST_REFRESHES))
