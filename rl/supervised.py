"""Supervised fine-tuning: the policy that imitates a task's references, from which RL starts.

Encoder-decoders and causal models alike. Only response tokens have a loss, EOS among them; prompts have none.
Shapes are those of `rl.sequences`.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError
from annotation.run_folders import RunFolder, expect_no_run, open_run, plain
from rl.fitting import (
    drop_checkpoint,
    expect_positive,
    load_checkpoint,
    random_state,
    save_checkpoint,
    set_random_state,
    take_step,
)
from rl.from_scratch import build_small_t5, train_tokenizer
from rl.logbook import rewind_logs
from rl.policy import available_device, evaluating, load_policy, save_policy
from rl.sequences import (
    Batch,
    Example,
    collate,
    encode_prompt_texts,
    encode_response_texts,
    expect_fit,
    is_causal,
    sha256_of_examples,
)
from rl.tasks import Item, Task

FROM_SCRATCH = "small-t5"
LOG_EVERY = 50


@dataclass(frozen=True, slots=True)
class SupervisedConfig:
    """base_model: a folder or hub name, or "small-t5" for a small T5 made from the task's own corpus.

    early_steps: a snapshot after so many steps, which plays the zero-shot model; 0 for none. max_prompt_tokens,
    max_response_tokens: longer ones are cut and counted. checkpoint_every: steps.
    """

    base_model: str = FROM_SCRATCH
    steps: int = 900
    batch: int = 48
    learning_rate: float = 2e-3
    warmup_steps: int = 50
    weight_decay: float = 1e-6
    label_smoothing: float = 0.0
    gradient_norm: float = 1.0
    early_steps: int = 0
    max_prompt_tokens: int = 64
    max_response_tokens: int = 64
    vocabulary_size: int = 4000
    checkpoint_every: int = 200
    seed: int = 0


@dataclass(slots=True)
class Trainee:
    """The model being fitted; the one mutable thing in a run. finished: steps so far."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    optimiser: AdamW
    finished: int = 0

    def collate(self, examples: Sequence[Example]) -> Batch:
        pad = self.tokenizer.pad_token_id
        return collate(examples, causal=is_causal(self.model), pad=pad, device=self.model.device)


@dataclass(frozen=True, slots=True)
class EncodedItems:
    """The examples of some items, one for each reference, and how many texts were cut to make them."""

    examples: tuple[Example, ...]
    prompts_cut: int
    responses_cut: int


def train_supervised(
    config: SupervisedConfig,
    task: Task,
    output: Path,
    *,
    data: Path | None = None,
    resume: bool = False,
    device: str | None = None,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Fit the base model to all references of the training items; writes the run folder `output`, with the model in
    `output/policy`, and returns its summary.

    data: the folder that the task was read from, for the record.
    """
    check_config(config)
    expect_no_run(output, resumable=True, resume=resume)
    expect_references(task)
    device = device or available_device()
    trainee = build_trainee(config, task, device)
    encoded, held_out = (encode_items(trainee, config, items) for items in (task.train, task.validation))
    with open_run(
        output,
        config={"task": task.name, "data": data, "supervised": config},
        inputs=[path for path in (data, Path(config.base_model)) if path is not None and path.exists()],
        seed=config.seed,
        device=device,
        resumable=True,
        resume=resume,
    ) as run:
        must_match = plain(config) | {"device": device, "data_sha256": sha256_of_examples(encoded.examples)}
        restore(trainee, must_match, run.path)
        rewind_logs(run.path, trainee.finished, counter="step")
        batches = islice(draw_batches(encoded.examples, config), trainee.finished, None)
        bar = tqdm(
            batches, "supervised", config.steps, initial=trainee.finished, unit="step", disable=not show_progress
        )
        for batch in bar:
            row = fit_batch(trainee, batch, config)
            record(trainee, row, config, run, bar)
            if trainee.finished % config.checkpoint_every == 0:
                position = {"finished": trainee.finished, "random": random_state(device)}
                save_checkpoint(run.path, must_match, _parts(trainee), position)
        return finish(trainee, config, encoded, held_out, run)


def check_config(config: SupervisedConfig) -> None:
    """InputError for a value that no run could use."""
    expect_positive(config, "steps", "batch", "learning_rate", "gradient_norm", "checkpoint_every")
    expect_positive(config, "max_prompt_tokens", "max_response_tokens", "vocabulary_size")


def expect_references(task: Task) -> None:
    """InputError for an item from which nothing could be learned, or measured."""
    for split in ("train", "validation"):
        for item in task.split(split):
            if not item.references:
                raise InputError(
                    f"item {item.item!r} of the {split} split has no references; supervised fine-tuning expects at "
                    "least one with every prompt."
                )


def build_trainee(config: SupervisedConfig, task: Task, device: str) -> Trainee:
    """The base model with its optimiser; the seed of all dropout is set here, after whatever loading draws."""
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    if config.base_model == FROM_SCRATCH:
        texts = [text for item in task.train for text in (item.prompt, *item.references)]
        words = train_tokenizer(texts, config.vocabulary_size)
        small_t5: Any = build_small_t5(words, config.seed)  # Any: transformers annotates `to` wrongly
        model, tokenizer = small_t5.to(device), words
    else:
        model, tokenizer = load_policy(config.base_model, device)
    torch.manual_seed(config.seed)
    optimiser = AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    return Trainee(model, tokenizer, optimiser)


def encode_items(trainee: Trainee, config: SupervisedConfig, items: Sequence[Item]) -> EncodedItems:
    """Every reference with its prompt; InputError if one does not fit the model even when cut.

    A prompt that is too long loses its end, but keeps what the tokenizer puts around a text. A response that is too
    long loses its end and its EOS: the reference goes on there, so that stopping is not what it teaches.
    """
    tokenizer, causal = trainee.tokenizer, is_causal(trainee.model)
    prompts, prompts_cut = encode_and_cut_prompts(tokenizer, [item.prompt for item in items], config.max_prompt_tokens)
    owners = [place for place, item in enumerate(items) for _ in item.references]
    texts = [reference for item in items for reference in item.references]
    responses = encode_response_texts(tokenizer, texts, causal=causal)
    limit = config.max_response_tokens
    examples = tuple(
        Example(prompts[place], response[:limit]) for place, response in zip(owners, responses, strict=True)
    )
    for place, example in zip(owners, examples, strict=True):
        expect_fit(trainee.model, example, f"item {items[place].item!r}")
    return EncodedItems(examples, prompts_cut, sum(len(response) > limit for response in responses))


def encode_and_cut_prompts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], limit: int
) -> tuple[list[tuple[int, ...]], int]:
    """Token ids of each prompt, at most `limit` of them, and how many prompts were longer."""
    prompts = encode_prompt_texts(tokenizer, texts)
    too_long = [place for place, prompt in enumerate(prompts) if len(prompt) > limit]
    for place in too_long:
        prompts[place] = tuple(tokenizer(texts[place], truncation=True, max_length=limit)["input_ids"])
    return prompts, len(too_long)


def restore(trainee: Trainee, must_match: dict[str, Any], folder: Path) -> None:
    """Go on from the run's checkpoint, if it has got to one."""
    position = load_checkpoint(folder, must_match, _parts(trainee))
    if position is not None:
        trainee.finished = position["finished"]
        set_random_state(position["random"], must_match["device"])


def _parts(trainee: Trainee) -> dict[str, Any]:
    return {"model": trainee.model, "optimiser": trainee.optimiser}


def draw_batches(examples: Sequence[Example], config: SupervisedConfig) -> Iterator[list[Example]]:
    """`config.steps` batches, a function of the seed: each epoch in a new order, cut into batches of like length."""
    generator = torch.Generator().manual_seed(config.seed)
    remaining = config.steps
    while remaining:
        order = torch.randperm(len(examples), generator=generator).tolist()
        pool = 20 * config.batch  # sorted by length within the pool only, so that batches still differ
        batches = []
        for start in range(0, len(order), pool):
            chunk = sorted(order[start : start + pool], key=lambda index: len(examples[index].response))
            batches += [chunk[begin : begin + config.batch] for begin in range(0, len(chunk), config.batch)]
        for index in torch.randperm(len(batches), generator=generator).tolist()[:remaining]:
            remaining -= 1
            yield [examples[row] for row in batches[index]]


def learning_rate_factor(step: int, config: SupervisedConfig) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, progress)))


def imitation_loss(
    model: PreTrainedModel, batch: Batch, *, label_smoothing: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Cross-entropy in nats over the response tokens of the batch; prompts and padding have no part in it."""
    logits, tokens = batch.logits(model)[batch.is_response], batch.response_ids[batch.is_response]
    return F.cross_entropy(logits.float(), tokens, label_smoothing=label_smoothing, reduction=reduction)


def fit_batch(trainee: Trainee, examples: Sequence[Example], config: SupervisedConfig) -> dict[str, float]:
    """One step, with dropout as the model's configuration says; its row of figures."""
    trainee.model.train()
    trainee.optimiser.zero_grad(set_to_none=True)
    loss = imitation_loss(trainee.model, trainee.collate(examples), label_smoothing=config.label_smoothing)
    loss.backward()
    learning_rate = config.learning_rate * learning_rate_factor(trainee.finished, config)
    norm = take_step(
        trainee.model,
        trainee.optimiser,
        loss=loss.item(),
        learning_rate=learning_rate,
        gradient_norm=config.gradient_norm,
        where=f"step {trainee.finished + 1}",
    )
    trainee.finished += 1
    return {"step": trainee.finished, "loss": loss.item(), "learning_rate": learning_rate, "gradient_norm": norm}


def record(trainee: Trainee, row: dict[str, float], config: SupervisedConfig, run: RunFolder, bar: Any) -> None:
    """Log now and then, and keep the early snapshot."""
    if trainee.finished == config.early_steps:
        save_policy(trainee.model, trainee.tokenizer, run.path / "early")
    if trainee.finished % LOG_EVERY == 0 or trainee.finished == config.steps:
        bar.set_postfix(loss=f"{row['loss']:.3f}")
        run.log(row)


def mean_loss(trainee: Trainee, examples: Sequence[Example], size: int) -> float:
    """Cross-entropy in nats per response token over all examples, dropout off; `size` at a time."""
    total = 0.0
    with torch.no_grad(), evaluating(trainee.model):
        for start in range(0, len(examples), size):
            batch = trainee.collate(examples[start : start + size])
            total += imitation_loss(trainee.model, batch, reduction="sum").item()
    return total / sum(len(example.response) for example in examples)


def finish(
    trainee: Trainee, config: SupervisedConfig, encoded: EncodedItems, held_out: EncodedItems, run: RunFolder
) -> dict[str, Any]:
    """Save the policy, write the summary, drop the checkpoint that nobody will resume."""
    summary = {
        "validation_loss": mean_loss(trainee, held_out.examples, config.batch),
        "prompts_cut": encoded.prompts_cut + held_out.prompts_cut,
        "responses_cut": encoded.responses_cut + held_out.responses_cut,
    }
    save_policy(trainee.model, trainee.tokenizer, run.path / "policy")
    run.write_summary(summary)
    drop_checkpoint(run.path)
    return summary
