"""Completions of a policy for a task's items, as rows that campaigns, metrics and judges read."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError
from annotation.text_files import read_lines, write_whole
from rl.rollout import DEFAULT_SAMPLER, respond_greedily, sample_responses
from rl.sampling import Noise, Sampler, number_repeats
from rl.tasks import Item

BATCH = 256


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion; `system` says which policy wrote it."""

    item: str
    system: str
    prompt: str
    completion: str
    references: tuple[str, ...]
    concepts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decoder:
    """How completions are drawn: greedily (the sampler's minimum length kept), or sampled with noise that depends on
    the seed and the item alone."""

    is_greedy: bool = False
    samples_per_item: int = 1
    horizon: int = 32
    sampler: Sampler = DEFAULT_SAMPLER
    seed: int = 0


def generate_samples(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[Item],
    system: str,
    decoder: Decoder,
    *,
    show_progress: bool = True,
) -> list[Sample]:
    """`decoder.samples_per_item` completions for each item, an item's together."""
    repeated = [item for item in items for _ in range(decoder.samples_per_item)]
    keys = number_repeats([item.item for item in repeated])
    texts: list[str] = []
    with tqdm(total=len(repeated), desc=f"samples of {system}", disable=not show_progress) as progress:
        for start in range(0, len(repeated), BATCH):
            rows = slice(start, start + BATCH)
            texts += _respond(model, tokenizer, [item.prompt for item in repeated[rows]], keys[rows], decoder)
            progress.update(len(texts) - start)
    return [
        Sample(item.item, system, item.prompt, text, item.references, item.concepts)
        for item, text in zip(repeated, texts, strict=True)
    ]


def _respond(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    keys: Sequence[str],
    decoder: Decoder,
) -> list[str]:
    if decoder.is_greedy:
        rollout = respond_greedily(
            model, tokenizer, prompts, horizon=decoder.horizon, min_length=decoder.sampler.min_length
        )
    else:
        rollout = sample_responses(
            model,
            tokenizer,
            prompts,
            horizon=decoder.horizon,
            noise=Noise(decoder.seed),
            keys=keys,
            sampler=decoder.sampler,
        )
    return rollout.completions(tokenizer)


def write_samples(samples: Iterable[Sample], path: Path) -> None:
    """JSON lines at `path`, which appears whole; InputError if there is a file already."""
    with write_whole(path) as stream:
        stream.writelines(json.dumps(asdict(sample), ensure_ascii=False) + "\n" for sample in samples)


def read_samples(path: Path) -> list[Sample]:
    try:
        lines = read_lines(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected samples that generate_samples wrote.") from None
    samples = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            lists = {"references": tuple(row["references"]), "concepts": tuple(row["concepts"])}
            samples.append(Sample(**row | lists))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number}: not a sample of generate_samples ({error}).") from None
    if not samples:
        raise InputError(f"{path} is empty; expected samples that generate_samples wrote.")
    return samples
