"""What is known of a rollout before it is learned from: log-probabilities under π_θ and π_0, and the exact measures
over the whole vocabulary. Shapes: (B, T), entries count where is_response."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from rl.advantages import mean_over_response
from rl.kl import exact_kl_nats
from rl.learner import Learner
from rl.nlpo import entropy_nats, restrict
from rl.policy import response_logits, response_values
from rl.rollout import Rollout

_CELLS = 2**24  # logits held at a time: 64 MiB of float32, of which a handful are alive at once


@dataclass(frozen=True, slots=True)
class Measures:
    """Each (B, T). `policy` and `reference` are of the sampled token, unmasked; `masked_...` belong to π_θ renormalised
    over the support; `support_mass` is what π_θ puts on it."""

    policy: Tensor
    reference: Tensor
    values: Tensor
    kl: Tensor
    masked_kl: Tensor
    entropy: Tensor
    masked_entropy: Tensor
    support_mass: Tensor

    def means(self, is_response: Tensor) -> dict[str, float]:
        """What is logged, in nats per response token."""
        rows = {
            "kl_sampled": self.policy - self.reference,
            "kl_exact": self.kl,
            "kl_exact_masked": self.masked_kl,
            "entropy": self.entropy,
            "entropy_masked": self.masked_entropy,
            "support_mass": self.support_mass,
        }
        means = {name: float(mean_over_response(row, is_response)) for name, row in rows.items()}
        sequence_kl = float(self.kl.masked_fill(~is_response, 0.0).sum(dim=1).mean())
        return means | {"kl_exact_per_sequence": sequence_kl}


@torch.no_grad()
def measure(learner: Learner, rollout: Rollout, temperature: float) -> Measures:
    """Two teacher-forced passes, policy and reference, and one of the value model; a few rows at a time."""
    vocabulary = learner.policy.get_output_embeddings().weight.shape[0]
    size = max(1, _CELLS // (rollout.response_ids.shape[1] * vocabulary))
    parts = [
        _measure_rows(learner, rollout, rows, temperature)
        for rows in torch.arange(len(rollout), device=rollout.response_ids.device).split(size)
    ]
    return Measures(**{field.name: _stack([getattr(part, field.name) for part in parts]) for field in fields(Measures)})


def _measure_rows(learner: Learner, whole: Rollout, indices: Tensor, temperature: float) -> Measures:
    rollout = whole.rows(indices)
    length = whole.response_ids.shape[1]
    scored = (rollout.prompt_ids, rollout.is_prompt, rollout.response_ids)
    logits = response_logits(learner.policy, *scored).float() / temperature
    policy = logits.log_softmax(dim=-1)
    reference = (response_logits(learner.reference, *scored).float() / temperature).log_softmax(dim=-1)
    tokens = rollout.response_ids[..., None]
    kl, entropy = exact_kl_nats(policy, reference), entropy_nats(policy)
    masked_kl, masked_entropy, mass = kl, entropy, torch.ones_like(kl)
    is_kept = rollout.is_kept()
    if is_kept is not None:
        masked = restrict(logits, is_kept).log_softmax(dim=-1)
        masked_kl, masked_entropy = exact_kl_nats(masked, reference), entropy_nats(masked)
        mass = policy.exp().masked_fill(~is_kept, 0.0).sum(dim=-1)
    columns = {
        "policy": policy.gather(-1, tokens)[..., 0],
        "reference": reference.gather(-1, tokens)[..., 0],
        "values": response_values(learner.value_model, *scored),
        "kl": kl,
        "masked_kl": masked_kl,
        "entropy": entropy,
        "masked_entropy": masked_entropy,
        "support_mass": mass,
    }
    return Measures(**{name: torch.nn.functional.pad(row, (0, length - row.shape[1])) for name, row in columns.items()})


def _stack(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts)
