"""What is known of a rollout before it is learned from: log-probabilities under π_θ and π_0, and the exact measures
over the whole vocabulary. Shapes: (B, T), entries count where is_response."""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor
from torch.linalg import vecdot

from rl.advantages import mean_over_response
from rl.learner import Learner
from rl.policy import response_logits, response_logits_and_states, response_values
from rl.rollout import Rollout
from rl.support import scale_logits

_CELLS = 2**24  # logits held at a time: 64 MiB of float32, of which a handful are alive at once


@dataclass(frozen=True, slots=True)
class Measures:
    """Each (B, T). `policy` and `reference` are of the sampled token, unmasked; `masked_...` belong to π_θ renormalised
    over the support; `support_mass` is what π_θ puts on it; `values` is None without a critic."""

    policy: Tensor
    reference: Tensor
    values: Tensor | None
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
    """Teacher-forced passes of policy and reference, and of the value model if it is one of its own; some rows at a
    time, so that no more than a few vocabularies of logits are held."""
    vocabulary = learner.policy.get_output_embeddings().weight.shape[0]
    size = max(1, _CELLS // (rollout.response_ids.shape[1] * vocabulary))
    parts = [
        _measure_rows(learner, rollout, rows, temperature)
        for rows in torch.arange(len(rollout), device=rollout.response_ids.device).split(size)
    ]
    return _join(parts)


def _measure_rows(learner: Learner, whole: Rollout, indices: Tensor, temperature: float) -> Measures:
    rollout = whole.rows(indices)
    length = whole.response_ids.shape[1]
    logits, values = _score(learner, rollout)
    policy = scale_logits(logits, temperature).log_softmax(dim=-1)
    reference = response_logits(learner.reference, *rollout.scored_inputs())
    reference = scale_logits(reference, temperature).log_softmax(dim=-1)
    tokens = rollout.response_ids[..., None]
    columns = {
        "policy": policy.gather(-1, tokens)[..., 0],
        "reference": reference.gather(-1, tokens)[..., 0],
        **whole_vocabulary_sums(policy, reference, rollout.is_kept()),
    }
    widened = {name: torch.nn.functional.pad(row, (0, length - row.shape[1])) for name, row in columns.items()}
    widened_values = None if values is None else torch.nn.functional.pad(values, (0, length - values.shape[1]))
    return Measures(values=widened_values, **widened)


def whole_vocabulary_sums(policy: Tensor, reference: Tensor, is_kept: Tensor | None) -> dict[str, Tensor]:
    """KL, entropy and mass, (B, T) each, from log-probabilities (B, T, V); the reference's are overwritten.

    With m = Σ_S π, renormalising adds −log m to each log π on the support S and divides its weight by m, so the masked
    measures are sums over S of what the unmasked ones sum over the vocabulary.
    """
    log_ratio = torch.sub(policy, reference, out=reference)
    weights = policy.exp()
    kl, entropy = vecdot(weights, log_ratio), -vecdot(weights, policy)
    if is_kept is None:
        sums = {"masked_kl": kl, "masked_entropy": entropy, "support_mass": torch.ones_like(kl)}
    else:
        weights *= is_kept
        mass = weights.sum(dim=-1)
        sums = {
            "masked_kl": vecdot(weights, log_ratio) / mass - mass.log(),
            "masked_entropy": mass.log() - vecdot(weights, policy) / mass,
            "support_mass": mass,
        }
    return {"kl": kl, "entropy": entropy, **sums}


def _score(learner: Learner, rollout: Rollout) -> tuple[Tensor, Tensor | None]:
    """The policy's logits (B, T, V) and V_φ (B, T), from wherever the run's values come."""
    inputs = rollout.scored_inputs()
    if learner.value_head is not None:
        logits, states = response_logits_and_states(learner.policy, *inputs)
        return logits, learner.value_head(states)[..., 0].float()
    values = None if learner.value_model is None else response_values(learner.value_model, *inputs)
    return response_logits(learner.policy, *inputs), values


def _join(parts: list[Measures]) -> Measures:
    columns: dict[str, Any] = {}
    for field in fields(Measures):
        rows = [getattr(part, field.name) for part in parts]
        columns[field.name] = None if rows[0] is None else torch.cat(rows)
    return Measures(**columns)
