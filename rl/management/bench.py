"""What an iteration costs beside a plain floor: the same models, prompts and tokens, in turn, in one process.

The floor is the least that any implementation does, from bare transformers and torch calls: a cached `generate`, a pass
of the policy and one of the reference, and a teacher-forced forward, backward and optimiser step an epoch. It has no
critic, no mask, no exact measures, no records and no reward, and all its responses are as long as the horizon.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Config,
    T5ForConditionalGeneration,
)

from rl.config import OptimiserConfig, TrainingConfig, ValueConfig
from rl.from_scratch import train_tokenizer
from rl.learner import build_learner
from rl.policy import encode_prompts, freeze, load_policy, response_logits, save_policy
from rl.tasks.items import Item
from rl.train import run_iteration

VOCABULARY, PROMPT_TOKENS, PROMPTS, EPOCHS = 2000, 16, 64, 5
KINDS = ("t5", "gpt2")
VARIANTS: Mapping[str, dict[str, Any]] = {
    "ppo, shared trunk": {"algorithm": "ppo", "value": ValueConfig("shared")},
    "ppo, separate value model": {"algorithm": "ppo"},
    "nlpo, shared trunk": {"algorithm": "nlpo", "value": ValueConfig("shared")},
    "nlpo, separate value model": {"algorithm": "nlpo"},
}


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """tokens: T of each response. repeats: counted iterations of each variant, after one that is not."""

    tokens: int = 20
    repeats: int = 7
    seed: int = 0


def bench_training(folder: Path, config: BenchConfig, *, show_progress: bool = True) -> dict[str, Any]:
    """Seconds of an iteration by model kind and variant, and the median ratio to the floor of the same turn."""
    return {kind: bench_kind(kind, folder / kind, config, show_progress) for kind in KINDS}


def bench_kind(kind: str, folder: Path, config: BenchConfig, show_progress: bool) -> dict[str, Any]:
    """Every variant in turn with the floor, so that a machine whose speed drifts slows them all."""
    items = make_items()
    save_policy(*build_model(kind, items, config.seed), folder)
    steps = {"floor": make_floor(folder, items, config)}
    for name, changes in VARIANTS.items():
        steps[name] = make_variant(folder, items, config, changes)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in tqdm(range(config.repeats + 1), desc=f"bench {kind}", disable=not show_progress):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if turn:  # the first turn warms allocators and caches
                seconds[name].append(time.perf_counter() - started)
    return {name: describe(times, seconds["floor"]) for name, times in seconds.items()}


def describe(times: Sequence[float], floor: Sequence[float]) -> dict[str, float]:
    """Medians: of the seconds, and of the ratios turn by turn."""
    ratios = [mine / its for mine, its in zip(times, floor, strict=True)]
    return {
        "seconds": statistics.median(times),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def make_items() -> list[Item]:
    """Prompts of 15 words and EOS, drawn from a vocabulary of made-up words."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randint(VOCABULARY - 10, (PROMPTS, PROMPT_TOKENS - 1), generator=generator).tolist()
    return [
        Item(f"item-{place}", " ".join(f"w{number}" for number in row), (), ()) for place, row in enumerate(numbers)
    ]


def build_model(kind: str, items: Sequence[Item], seed: int) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    words = " ".join(f"w{number}" for number in range(VOCABULARY))
    tokenizer = train_tokenizer([words, *(item.prompt for item in items)], VOCABULARY + 10)
    torch.manual_seed(seed)
    model: PreTrainedModel
    if kind == "t5":
        t5_config = T5Config(vocab_size=len(tokenizer), d_model=128, d_kv=32, d_ff=512, num_layers=2, num_heads=4)
        t5_config.decoder_start_token_id = tokenizer.pad_token_id
        model = T5ForConditionalGeneration(t5_config)
    else:
        model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=128, n_layer=4, n_head=4, n_positions=256))
    model.config.pad_token_id, model.config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    return model, tokenizer


def make_variant(
    folder: Path, items: Sequence[Item], config: BenchConfig, changes: Mapping[str, Any]
) -> Callable[[], object]:
    """One iteration of ours: rollout, reward, measures, lessons, updates."""
    settings = TrainingConfig(
        base_model=str(folder),
        iterations=1000,
        prompts=len(items),
        horizon=config.tokens,
        seed=config.seed,
        optimiser=OptimiserConfig(learning_rate=1e-6, value_learning_rate=1e-6, epochs=EPOCHS, minibatch=PROMPTS),
    )
    settings = replace(settings, **changes)
    learner = build_learner(settings, "cpu")
    return lambda: run_iteration(learner, settings, items, count_rising_words)


def count_rising_words(prompts: Sequence[str], completions: Sequence[str], items: Sequence[Item]) -> list[float]:
    """RL4LMs' toy reward: the share of words that are larger than the one before."""
    scores = []
    for text in completions:
        words = text.split()
        rising = sum(first < second for first, second in itertools.pairwise(words))
        scores.append(rising / max(1, len(words)))
    return scores


def make_floor(folder: Path, items: Sequence[Item], config: BenchConfig) -> Callable[[], object]:
    policy, tokenizer = load_policy(folder)
    reference = freeze(policy)
    prompt_ids, is_prompt = encode_prompts(policy, tokenizer, [item.prompt for item in items], config.tokens)
    optimiser = torch.optim.AdamW(policy.parameters(), lr=1e-6, fused=True)

    def iterate() -> None:
        with torch.no_grad():
            response_ids = generate(policy, prompt_ids, is_prompt, config.tokens)
            old = log_probs(policy, prompt_ids, is_prompt, response_ids)
            advantages = old - log_probs(reference, prompt_ids, is_prompt, response_ids) + 1.0
        for _ in range(EPOCHS):
            optimiser.zero_grad(set_to_none=True)
            ratio = (log_probs(policy, prompt_ids, is_prompt, response_ids) - old).exp()
            loss = -torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
            optimiser.step()

    return iterate


def generate(policy: PreTrainedModel, prompt_ids: Tensor, is_prompt: Tensor, tokens: int) -> Tensor:
    """Exactly so many sampled tokens (B, T) by transformers' own loop."""
    written = policy.generate(  # type: ignore[operator]
        input_ids=prompt_ids,
        attention_mask=is_prompt.long(),
        do_sample=True,
        top_k=0,
        max_new_tokens=tokens,
        min_new_tokens=tokens,
    )
    ids: Tensor = written[:, -tokens:]
    return ids


def log_probs(model: PreTrainedModel, prompt_ids: Tensor, is_prompt: Tensor, response_ids: Tensor) -> Tensor:
    logits = response_logits(model, prompt_ids, is_prompt, response_ids)
    return logits.log_softmax(dim=-1).gather(-1, response_ids[..., None])[..., 0]
