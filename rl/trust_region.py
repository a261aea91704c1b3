"""TRPO's policy step on a rollout: its surrogate, gradient and KL, added up part by part. rl.trpo has the step."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from annotation.errors import InputError
from rl.advantages import mean_over_response
from rl.config import TrainingConfig
from rl.kl import exact_kl_nats
from rl.lessons import Lessons, Part, microbatches
from rl.policy import freeze, response_logits
from rl.ppo import ratio_figures
from rl.processes import add_gradients, add_up, combine_figures
from rl.support import restrict, scale_logits, token_log_probs
from rl.trpo import fisher_product, flatten, largest_step, search_along


def improve_in_trust_region(policy: PreTrainedModel, lessons: Lessons, config: TrainingConfig) -> dict[str, float]:
    """One natural-gradient step on all rows; its figures, the ratio's from before the step."""
    parameters = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    parts = list(microbatches(lessons, config))
    figures, gradient = _surrogate_gradient(policy, parameters, parts, config)
    if not (math.isfinite(figures["policy_loss"]) and bool(gradient.isfinite().all())):
        raise InputError("the trust region's surrogate or its gradient is not a finite number; look at the rewards.")
    own_product = fisher_product(lambda: _kl_to_itself(policy, parts, config), parameters)
    old_policy = freeze(policy)
    step = search_along(
        largest_step(gradient, lambda vector: add_up(own_product(vector)), config.trpo),
        parameters,
        lambda: _measure_step(policy, old_policy, parts, config),
        config.trpo,
    )
    return figures | {
        "policy_gradient_norm": float(gradient.norm()),
        "trust_region_scale": step.scale,
        "trust_region_kl": step.kl_nats,
        "surrogate_gain": step.surrogate + figures["policy_loss"],
    }


def _surrogate_gradient(
    policy: PreTrainedModel, parameters: Sequence[nn.Parameter], parts: Sequence[Part], config: TrainingConfig
) -> tuple[dict[str, float], Tensor]:
    """−E[ratio · A] with the ratio's figures before the step, and the gradient of E[ratio · A] (N,)."""
    policy.zero_grad(set_to_none=True)
    figures = []
    for part in parts:
        rows = part.lessons.rollout
        log_probs = token_log_probs(_logits(policy, part, config), rows.response_ids, rows.is_scored())
        loss = -part.token_share * _surrogate(log_probs, part.lessons)
        loss.backward()
        ratio = ratio_figures(log_probs, rows.log_probs, rows.is_response, config.clip)
        figures.append(
            {
                "policy_loss": float(loss.detach()),
                "first_mean_ratio": ratio.mean_ratio * part.token_share,
                "max_ratio_error": ratio.max_ratio_error,
            }
        )
    add_gradients(parameters)
    gradient = -flatten([torch.zeros_like(p) if p.grad is None else p.grad for p in parameters])
    policy.zero_grad(set_to_none=True)
    combined = combine_figures(figures)
    combined["first_max_ratio_error"] = combined.pop("max_ratio_error")
    return combined, gradient


def _surrogate(log_probs: Tensor, lessons: Lessons) -> Tensor:
    """E[ratio · A] over response tokens, unclipped: the trust region does what clipping does elsewhere."""
    rows = lessons.rollout
    ratio = (log_probs - rows.log_probs).masked_fill(~rows.is_response, 0.0).exp()
    return mean_over_response(ratio * lessons.advantages, rows.is_response)


def _kl_to_itself(policy: PreTrainedModel, parts: list[Part], config: TrainingConfig) -> Iterator[Tensor]:
    """Each part's share of KL(π_old ‖ π) at π = π_old: its value is 0 and so is its slope, its Hessian is F."""
    for part in parts:
        rows = part.lessons.rollout
        log_probs = restrict(_logits(policy, part, config), rows.is_scored()).log_softmax(dim=-1)
        kl = _kl_inside_support(log_probs.detach(), log_probs)
        yield part.token_share * mean_over_response(kl, rows.is_response)


def _kl_inside_support(old: Tensor, new: Tensor) -> Tensor:
    """KL over the last dimension; outside the support, where both are −∞, gradients must be 0 and not NaN."""
    return exact_kl_nats(old, new.masked_fill(old == -torch.inf, 0.0))


def _measure_step(
    policy: PreTrainedModel, old_policy: PreTrainedModel, parts: list[Part], config: TrainingConfig
) -> tuple[float, float]:
    """E[ratio · A] and KL(π_old ‖ π), nats a response token, renormalised over the support like everything here."""
    sums = torch.zeros(2, dtype=torch.float64, device=policy.device)
    for part in parts:
        rows = part.lessons.rollout
        is_scored = rows.is_scored()
        new = restrict(_logits(policy, part, config), is_scored).log_softmax(dim=-1)
        old = restrict(_logits(old_policy, part, config), is_scored).log_softmax(dim=-1)
        log_probs = new.gather(-1, rows.response_ids[..., None])[..., 0]
        kl_nats = mean_over_response(_kl_inside_support(old, new), rows.is_response)
        sums += part.token_share * torch.stack([_surrogate(log_probs, part.lessons), kl_nats]).double()
    surrogate, kl = add_up(sums).tolist()
    return surrogate, kl


def _logits(policy: PreTrainedModel, part: Part, config: TrainingConfig) -> Tensor:
    return scale_logits(response_logits(policy, *part.lessons.rollout.scored_inputs()), config.sampler.temperature)
