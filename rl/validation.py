"""Evaluation while training: metrics on validation items, and the run's own reward beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from rl.config import TrainingConfig
from rl.evaluation import evaluate_completions
from rl.learner import Learner
from rl.logbook import EVALUATIONS, SAMPLES, append_row
from rl.rewards import Reward, compute_rewards, make_records
from rl.rollout import Rollout, respond_greedily, sample_responses
from rl.sampling import Noise, number_repeats
from rl.tasks.items import Item

Row = dict[str, Any]


def validate(
    learner: Learner, config: TrainingConfig, items: Sequence[Item], reward: Reward, folder: Path
) -> tuple[Row, list[Row]]:
    """Append an evaluation of each way to decode, and a few completions side by side; both are returned."""
    items = items[: config.evaluation.items]
    rollouts = decode_all(learner, config, items)
    completions = {name: rollout.completions(learner.tokenizer) for name, rollout in rollouts.items()}
    scores = {
        name: score(texts, items, reward, rollouts[name], learner.tokenizer.eos_token_id)
        for name, texts in completions.items()
    }
    evaluation: Row = {"iteration": learner.finished} | scores
    append_row(folder / EVALUATIONS, evaluation)
    samples = []
    for index, item in enumerate(items[: config.evaluation.samples]):
        texts = {name: column[index] for name, column in completions.items()}
        samples.append({"iteration": learner.finished, "item": item.item, "prompt": item.prompt} | texts)
        append_row(folder / SAMPLES, samples[-1])
    return evaluation, samples


def score(texts: Sequence[str], items: Sequence[Item], reward: Reward, rollout: Rollout, eos: int) -> dict[str, float]:
    """The run's reward, which training may have learned to fool, and the metrics, which it has not seen."""
    rewards = compute_rewards(reward, [item.prompt for item in items], texts, make_records(items, rollout, eos))
    return {"reward": sum(rewards) / len(rewards)} | evaluate_completions(texts, items)


def check_best_by(config: TrainingConfig, items: Sequence[Item]) -> None:
    """InputError if the evaluations of these items will not have the metric by which `best/` is to be kept."""
    items = items[: config.evaluation.items]
    names = ("reward", *evaluate_completions([item.prompt for item in items], items))
    if config.evaluation.best_by not in names:
        raise InputError(f"evaluation.best_by: expected one of {', '.join(names)}, found {config.evaluation.best_by}.")


def decode_all(learner: Learner, config: TrainingConfig, items: Sequence[Item]) -> dict[str, Rollout]:
    """The training sampler without the mask and with it (if there is one), and the most likely tokens."""
    prompts = [item.prompt for item in items]
    decoded = {"sampled": _sample(learner, config, items, masked=False)}
    if learner.mask is not None:
        decoded["sampled_masked"] = _sample(learner, config, items, masked=True)
    decoded["greedy"] = respond_greedily(
        learner.policy, learner.tokenizer, prompts, horizon=config.horizon, min_length=config.sampler.min_length
    )
    return decoded


def _sample(learner: Learner, config: TrainingConfig, items: Sequence[Item], *, masked: bool) -> Rollout:
    """The same noise at every evaluation, so that differences are the policy's; no training iteration draws it."""
    return sample_responses(
        learner.policy,
        learner.tokenizer,
        [item.prompt for item in items],
        horizon=config.horizon,
        noise=Noise(config.seed, iteration=-1),
        keys=number_repeats([item.item for item in items]),
        sampler=config.sampler,
        mask=learner.mask if masked else None,
    )
