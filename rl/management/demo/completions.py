"""The demo's completions: drawn once for each policy and purpose, kept as files, and scored by the gold judge."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from rl.generate import Decoder, Sample, generate_samples, read_samples, write_samples
from rl.management.demo.experiment import Study
from rl.management.demo.training import SYSTEMS, TASK
from rl.management.demo.workshop import Workplace, Workshop
from rl.metrics.coverage import count_missing
from rl.policy import load_policy
from rl.rollout import sample_responses
from rl.sampling import Noise, number_repeats
from rl.tasks import Item, load_task
from rl.tasks.commongen_mini.judge import GoldScore, load_judge

# Tells the draws of the experiment apart: each has its own noise. On test prompts all systems share theirs, so that
# their differences owe as little as possible to chance; a pair that people are to judge is drawn independently.
PURPOSES = {"test": 2, "greedy": 3, "best-of": 4, "trajectory": 5}
TRAIN_PURPOSES = {"supervised": 6, "supervised+nlpo": 7}


def task_items(shop: Workplace[Study], split: str, limit: int | None = None) -> tuple[Item, ...]:
    return load_task(TASK, shop.folder / "task").split(split)[:limit]


def completions_of(shop: Workshop, system: str, split: str, *, is_greedy: bool = False) -> list[Sample]:
    """One completion of `system` for each item of `split`; drawn at the first call, then read from the file."""
    kind = "greedy" if is_greedy else split
    path = shop.folder / "samples" / f"{system.replace('+', '-')}-{kind}.jsonl"
    if not path.exists():
        purpose = TRAIN_PURPOSES[system] if kind == "train" else PURPOSES[kind]
        decoder = shop.experiment.decoder(purpose, is_greedy=is_greedy)
        draw_completions(shop.folder / SYSTEMS[system], task_items(shop, split), system, decoder, path)
    return read_samples(path)


def draw_completions(policy: Path, items: Sequence[Item], system: str, decoder: Decoder, path: Path) -> None:
    model, tokenizer = load_policy(policy)
    write_samples(generate_samples(model, tokenizer, items, system, decoder), path)


def judge_samples(shop: Workshop, samples: Sequence[Sample]) -> list[GoldScore]:
    judge = load_judge(shop.folder / "task")
    return [judge(sample.prompt, sample.completion) for sample in samples]


def mean_gold(scores: Sequence[GoldScore]) -> dict[str, float]:
    """Means of the gold scores, and the share of completions with nothing to object to."""
    return {
        "utility": float(np.mean([score.utility for score in scores])),
        "plausible": float(np.mean([score.plausibility for score in scores])),
        "coverage": float(np.mean([score.coverage for score in scores])),
        "grammar": float(np.mean([score.grammar for score in scores])),
    }


@torch.no_grad()
def draw_candidates(shop: Workshop) -> tuple[list[Sample], np.ndarray]:
    """The supervised policy's n completions for each of the first test items, and their log-likelihoods.

    The likelihood is the mean log-probability a token, in nats, under the policy itself.
    """
    best_of = shop.experiment.best_of
    items = [item for item in task_items(shop, "test", best_of.prompts) for _ in range(best_of.samples)]
    model, tokenizer = load_policy(shop.folder / SYSTEMS["supervised"])
    decoder = shop.experiment.decoder(PURPOSES["best-of"])
    rollout = sample_responses(
        model,
        tokenizer,
        [item.prompt for item in items],
        horizon=decoder.horizon,
        noise=Noise(decoder.seed),
        keys=number_repeats([item.item for item in items]),
        sampler=decoder.sampler,
    )
    log_likelihood = (rollout.log_probs * rollout.is_response).sum(dim=1) / rollout.is_response.sum(dim=1)
    samples = [
        Sample(item.item, "supervised", item.prompt, text, item.references, item.concepts)
        for item, text in zip(items, rollout.completions(tokenizer), strict=True)
    ]
    return samples, log_likelihood.numpy()


def coverage_scores(samples: Sequence[Sample]) -> np.ndarray:
    """Minus the number of missing concepts."""
    return -np.array([count_missing(sample.completion, sample.concepts) for sample in samples], dtype=float)
