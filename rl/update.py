"""The update: some epochs of minibatches over one rollout, for policy and value model alike."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from annotation.errors import InputError
from rl.a2c import policy_gradient_loss
from rl.advantages import mean_over_response
from rl.config import TrainingConfig
from rl.groups import mean_over_responses, reference_kl_estimate
from rl.learner import Learner, dropout_as_configured
from rl.lessons import Lessons, Part, microbatches, minibatches
from rl.policy import response_logits, response_logits_and_states, response_values
from rl.ppo import clipped_objective, clipped_surrogate_loss, ratio_figures, value_loss
from rl.processes import add_gradients, combine_figures
from rl.schedules import rate_factor, set_rate
from rl.support import entropy_nats, restrict, scale_logits, token_log_probs
from rl.trust_region import improve_in_trust_region

Figures = dict[str, float]


def update(learner: Learner, lessons: Lessons, config: TrainingConfig) -> Figures:
    """Train on the lessons; the iteration's losses, averaged over its steps, and the first step's ratio."""
    trains_policy = learner.finished >= config.value_warmup
    set_rates(learner, config)
    figures: Figures = {}
    if config.algorithm == "trpo" and trains_policy:
        figures = improve_in_trust_region(learner.policy, lessons, config)
    steps = []
    with dropout_as_configured(learner, config):
        for indices in minibatches(len(lessons), config, learner.finished):
            minibatch = lessons.rows(indices.to(lessons.advantages.device))
            steps.append(train_on(learner, minibatch, config, trains_policy and config.algorithm != "trpo"))
    return figures | _summarise(steps)


def set_rates(learner: Learner, config: TrainingConfig) -> None:
    """The schedule's rates for this iteration."""
    factor = rate_factor(learner.finished, config.iterations, config.optimiser)
    set_rate(learner.policy_optimiser, factor * config.optimiser.learning_rate)
    if learner.value_optimiser is not None:
        set_rate(learner.value_optimiser, factor * config.optimiser.value_learning_rate)


def train_on(learner: Learner, minibatch: Lessons, config: TrainingConfig, trains_policy: bool) -> Figures:
    """One step of whatever is to be trained."""
    where = f"of iteration {learner.finished + 1}"
    figures: Figures = {}
    if learner.value_head is not None:
        figures = accumulate_joint_gradient(learner.policy, learner.value_head, minibatch, config, trains_policy)
    elif trains_policy:
        figures = accumulate_policy_gradient(learner.policy, minibatch, config)
    if trains_policy:
        figures["policy_gradient_norm"] = take_step(
            learner.policy.parameters(),
            learner.policy_optimiser,
            figures["policy_loss"],
            f"policy loss {where}",
            config,
        )
    if learner.value_model is not None:
        figures |= accumulate_value_gradient(learner.value_model, minibatch, config)
    if learner.value_optimiser is not None:
        figures["value_gradient_norm"] = take_step(
            learner.value_parameters, learner.value_optimiser, figures["value_loss"], f"value loss {where}", config
        )
    return figures


def accumulate_policy_gradient(policy: PreTrainedModel, minibatch: Lessons, config: TrainingConfig) -> Figures:
    """Leave the loss's gradient in the policy; the loss and the ratio's figures."""
    policy.zero_grad(set_to_none=True)
    parts = []
    for part in microbatches(minibatch, config):
        loss, figures = policy_loss(response_logits(policy, *part.lessons.rollout.scored_inputs()), part, config)
        loss.backward()
        parts.append(figures)
    return combine_figures(parts)


def accumulate_joint_gradient(
    policy: PreTrainedModel, value_head: nn.Linear, minibatch: Lessons, config: TrainingConfig, trains_policy: bool
) -> Figures:
    """As above for a policy that carries V_φ's head: one pass, both losses. The trunk rests while the policy does."""
    policy.zero_grad(set_to_none=True)
    value_head.zero_grad(set_to_none=True)
    parts = []
    for part in microbatches(minibatch, config):
        logits, states = response_logits_and_states(policy, *part.lessons.rollout.scored_inputs())
        values = value_head(states if trains_policy else states.detach())[..., 0].float()
        loss = critic_loss(values, part, config)
        figures = {"value_loss": float(loss.detach())}
        if trains_policy:
            actor_loss, actor_figures = policy_loss(logits, part, config)
            loss, figures = loss + actor_loss, figures | actor_figures
        loss.backward()
        parts.append(figures)
    return combine_figures(parts)


def accumulate_value_gradient(value_model: PreTrainedModel, minibatch: Lessons, config: TrainingConfig) -> Figures:
    value_model.zero_grad(set_to_none=True)
    parts = []
    for part in microbatches(minibatch, config):
        loss = critic_loss(response_values(value_model, *part.lessons.rollout.scored_inputs()), part, config)
        loss.backward()
        parts.append({"value_loss": float(loss.detach())})
    return combine_figures(parts)


def policy_loss(logits: Tensor, part: Part, config: TrainingConfig) -> tuple[Tensor, Figures]:
    """The part's share of the minibatch's loss, and its share of the figures.

    logits (B, T, V): the policy's. Log-probabilities are renormalised over the support, which for an unmasked and
    unfiltered run is the whole vocabulary.
    """
    lessons = part.lessons
    rows = lessons.rollout
    logits, is_scored = scale_logits(logits, config.sampler.temperature), rows.is_scored()
    log_probs = token_log_probs(logits, rows.response_ids, is_scored)
    if config.algorithm == "a2c":
        loss = policy_gradient_loss(log_probs, lessons.advantages, rows.is_response) * part.token_share
    elif config.algorithm == "grpo":
        loss = grpo_loss(log_probs, logits, lessons, config.clip) * part.response_share
    else:
        loss = part.token_share * clipped_surrogate_loss(
            log_probs, rows.log_probs, lessons.advantages, rows.is_response, config.clip
        )
    if config.entropy_coefficient:
        entropy = entropy_nats(restrict(logits, is_scored).log_softmax(dim=-1))
        loss = loss - config.entropy_coefficient * part.token_share * mean_over_response(entropy, rows.is_response)
    ratio = ratio_figures(log_probs, rows.log_probs, rows.is_response, config.clip)
    return loss, {
        "policy_loss": float(loss.detach()),
        "mean_ratio": ratio.mean_ratio * part.token_share,
        "clip_fraction": ratio.clip_fraction * part.token_share,
        "max_ratio_error": ratio.max_ratio_error,
    }


def grpo_loss(log_probs: Tensor, logits: Tensor, lessons: Lessons, clip: float) -> Tensor:
    """Shao et al. 2024, equation 3: the clipped objective less β times the KL estimate, a mean of responses' means."""
    rows = lessons.rollout
    objective = clipped_objective(log_probs, rows.log_probs, lessons.advantages, rows.is_response, clip)
    unmasked = token_log_probs(logits, rows.response_ids)
    penalty = lessons.loss_kl * reference_kl_estimate(unmasked, lessons.reference, rows.is_response)
    return -mean_over_responses(objective - penalty, rows.is_response)


def critic_loss(values: Tensor, part: Part, config: TrainingConfig) -> Tensor:
    """The part's share of the minibatch's value loss; values (B, T)."""
    lessons = part.lessons
    assert lessons.returns is not None
    return part.token_share * value_loss(
        values, lessons.returns, lessons.rollout.is_response, old_values=lessons.values, clip=config.value.clip
    )


def take_step(
    parameters: Iterable[nn.Parameter],
    optimiser: torch.optim.Optimizer,
    loss: float,
    name: str,
    config: TrainingConfig,
) -> float:
    """One optimiser step; the gradient's norm before clipping. InputError if the loss or its gradient is not finite."""
    parameters = list(parameters)
    add_gradients(parameters)
    norm = float(nn.utils.clip_grad_norm_(parameters, config.optimiser.gradient_norm))
    if not (math.isfinite(norm) and math.isfinite(loss)):
        raise InputError(f"the {name} or its gradient is not a finite number; lower the learning rate.")
    optimiser.step()
    return norm


def _summarise(steps: list[Figures]) -> Figures:
    """Means over the steps, and the ratio at the first; nothing of the ratio while only the value model is trained."""
    means = {name: sum(step[name] for step in steps) / len(steps) for name in steps[0]} if steps[0] else {}
    if "max_ratio_error" not in means:
        return means
    del means["max_ratio_error"]
    return means | {"first_mean_ratio": steps[0]["mean_ratio"], "first_max_ratio_error": steps[0]["max_ratio_error"]}
