"""Supervised fine-tuning: the policy that imitates a task's references, from which RL starts."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError
from annotation.run_folders import RunFolder
from rl.from_scratch import build_small_t5, train_tokenizer
from rl.policy import save_policy
from rl.tasks import Item, Task

FROM_SCRATCH = "small-t5"
IGNORED = -100  # the label that torch's cross-entropy leaves out


@dataclass(frozen=True, slots=True)
class SupervisedConfig:
    """base_model: a folder or hub name, or "small-t5" for a small T5 made from the task's own corpus.

    early_steps: a snapshot after so many steps, which plays the zero-shot model; 0 for none.
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
    seed: int = 0


def train_supervised(config: SupervisedConfig, task: Task, folder: RunFolder) -> dict[str, float]:
    """Fit the base model to all references of the training items; save it in `folder/policy`."""
    torch.manual_seed(config.seed)
    model, tokenizer = _load_base_model(config, task)
    pairs = _tokenize_pairs(config, task.train, tokenizer)
    held_out = _tokenize_pairs(config, task.validation, tokenizer)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate_factor(step, config))
    progress = tqdm(_draw_batches(pairs, config), total=config.steps, desc="supervised", unit="step")
    for step, batch in enumerate(progress, start=1):
        loss = _take_step(model, optimiser, schedule, _collate(batch, tokenizer.pad_token_id), config)
        if step == config.early_steps:
            save_policy(model, tokenizer, folder.path / "early")
        if step % 50 == 0 or step == config.steps:
            progress.set_postfix(loss=f"{loss:.3f}")
            folder.log({"step": step, "loss": loss, "learning_rate": schedule.get_last_lr()[0]})
    summary = {"validation_loss": _mean_loss(model, held_out, tokenizer.pad_token_id, config.batch)}
    save_policy(model, tokenizer, folder.path / "policy")
    folder.write_summary(summary)
    return summary


def learning_rate_factor(step: int, config: SupervisedConfig) -> float:
    """Linear warm-up, then half a cosine down to a tenth."""
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, progress)))


def _load_base_model(config: SupervisedConfig, task: Task) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    if config.base_model == FROM_SCRATCH:
        texts = [text for item in task.train for text in (item.prompt, *item.references)]
        tokenizer = train_tokenizer(texts, config.vocabulary_size)
        return build_small_t5(tokenizer, config.seed), tokenizer
    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(config.base_model)
        return model, AutoTokenizer.from_pretrained(config.base_model)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{config.base_model}: not an encoder-decoder checkpoint ({reason}).") from None


TokenPair = tuple[list[int], list[int]]  # prompt ids, response ids


def _tokenize_pairs(
    config: SupervisedConfig, items: Sequence[Item], tokenizer: PreTrainedTokenizerBase
) -> list[TokenPair]:
    rows = [(item.prompt, reference) for item in items for reference in item.references]
    prompts = tokenizer([prompt for prompt, _ in rows], truncation=True, max_length=config.max_prompt_tokens)
    responses = tokenizer([text for _, text in rows], truncation=True, max_length=config.max_response_tokens)
    return list(zip(prompts["input_ids"], responses["input_ids"], strict=True))


def _draw_batches(pairs: Sequence[TokenPair], config: SupervisedConfig) -> Iterator[list[TokenPair]]:
    """`config.steps` batches: each epoch in a new order, cut into batches of similar length."""
    generator = torch.Generator().manual_seed(config.seed)
    remaining = config.steps
    while remaining:
        order = torch.randperm(len(pairs), generator=generator).tolist()
        pool = 20 * config.batch  # sorted by length within the pool only, so that batches still differ
        batches = []
        for start in range(0, len(order), pool):
            chunk = sorted(order[start : start + pool], key=lambda index: len(pairs[index][1]))
            batches += [chunk[begin : begin + config.batch] for begin in range(0, len(chunk), config.batch)]
        for index in torch.randperm(len(batches), generator=generator).tolist()[:remaining]:
            remaining -= 1
            yield [pairs[row] for row in batches[index]]


def _collate(batch: Sequence[TokenPair], pad: int) -> dict[str, Tensor]:
    """Prompts (B, S) and labels (B, T), padded at the right; padded labels are left out of the loss."""
    prompts = torch.nn.utils.rnn.pad_sequence([torch.tensor(prompt) for prompt, _ in batch], True, pad)
    lengths = torch.tensor([len(prompt) for prompt, _ in batch])
    labels = torch.nn.utils.rnn.pad_sequence([torch.tensor(response) for _, response in batch], True, IGNORED)
    is_prompt = torch.arange(prompts.shape[1]) < lengths[:, None]
    return {"input_ids": prompts, "attention_mask": is_prompt.long(), "labels": labels}


def _take_step(
    model: PreTrainedModel,
    optimiser: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    batch: dict[str, Tensor],
    config: SupervisedConfig,
) -> float:
    model.train()
    labels = batch["labels"]
    logits = model(**batch).logits
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, label_smoothing=config.label_smoothing
    )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_norm)
    optimiser.step()
    schedule.step()
    return loss.item()


@torch.no_grad()
def _mean_loss(model: PreTrainedModel, pairs: Sequence[TokenPair], pad: int, batch_size: int) -> float:
    """Cross-entropy in nats per response token over all `pairs`."""
    model.eval()
    total = count = 0.0
    for start in range(0, len(pairs), batch_size):
        batch = _collate(pairs[start : start + batch_size], pad)
        tokens = int((batch["labels"] != IGNORED).sum())
        total += model(**batch).loss.item() * tokens
        count += tokens
    return total / count
