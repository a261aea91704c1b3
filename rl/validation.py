"""Evaluation while training: metrics on validation items. No learned reward is asked, so none is fooled here."""

from collections.abc import Sequence
from pathlib import Path

from rl.config import TrainingConfig
from rl.evaluation import evaluate_completions
from rl.learner import Learner
from rl.logbook import EVALUATIONS, SAMPLES, append_row
from rl.rollout import Rollout, respond_greedily, sample_responses
from rl.sampling import Noise, number_repeats
from rl.tasks.items import Item


def validate(learner: Learner, config: TrainingConfig, items: Sequence[Item], folder: Path) -> None:
    """Append an evaluation of each way to decode, and a few completions side by side."""
    items = items[: config.evaluation.items]
    completions = {
        name: rollout.completions(learner.tokenizer) for name, rollout in decode_all(learner, config, items).items()
    }
    scores = {name: evaluate_completions(texts, items) for name, texts in completions.items()}
    append_row(folder / EVALUATIONS, {"iteration": learner.finished} | scores)
    for index, item in enumerate(items[: config.evaluation.samples]):
        texts = {name: column[index] for name, column in completions.items()}
        head = {"iteration": learner.finished, "item": item.item, "prompt": item.prompt}
        append_row(folder / SAMPLES, head | texts)


def decode_all(learner: Learner, config: TrainingConfig, items: Sequence[Item]) -> dict[str, Rollout]:
    """The training sampler without the mask and with it (if there is one), and the most likely tokens."""
    prompts = [item.prompt for item in items]
    decoded = {"sampled": _sample(learner, config, items, masked=False)}
    if learner.masking_policy is not None:
        decoded["sampled_masked"] = _sample(learner, config, items, masked=True)
    decoded["greedy"] = respond_greedily(learner.policy, learner.tokenizer, prompts, horizon=config.horizon)
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
        support_model=learner.masking_policy if masked else None,
        top_mass=config.nlpo.top_mass,
    )
