"""What training and scoring cost beside plain ways to do the same: in turn, in one process, with the same weights.

Training beside the Hugging Face `Trainer` with the loss of the pair, on a data set that was tokenised before it
starts; scoring beside a loop that takes texts as they come, so many at a time, and pads them.
"""

import itertools
import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
    TrainingArguments,
)
from transformers import Trainer as HubTrainer

from annotation.records import Preference, count_preference
from reward_models.checkpoints import load_base_model
from reward_models.config import RewardModelConfig
from reward_models.dataset import PairSplits, vote_fraction
from reward_models.layouts import Layout
from reward_models.model import PreferenceModel
from reward_models.scoring import Scorer
from reward_models.train import draw_batches, fit_batch, prepare_training
from rl.from_scratch import train_tokenizer
from rl.management.bench import describe

VOCABULARY, PAIRS, BATCH, CANDIDATES, AT_ONCE = 2000, 256, 16, 16, 64
KINDS: Mapping[str, Layout] = {"t5": "decoder-mean", "llama": "scalar"}
Step = Callable[[], object]


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """repeats: counted turns, after one that is not."""

    repeats: int = 5
    seed: int = 0


def bench_reward_models(config: BenchConfig, *, show_progress: bool = True) -> dict[str, Any]:
    """Seconds by model kind and task, and the median ratio to the plain way of the same turn."""
    results = {}
    for kind, layout in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = save_base(kind, Path(folder), config.seed)
            results[kind] = _bench_kind(f"{kind}, {layout}", str(path), layout, config, show_progress)
    return results


def _bench_kind(name: str, path: str, layout: Layout, config: BenchConfig, show_progress: bool) -> dict[str, Any]:
    pairs = make_pairs(config.seed)
    one_each = make_texts(config.seed, prompts=PAIRS * 2, candidates=1)
    best_of = make_texts(config.seed, prompts=PAIRS * 2 // CANDIDATES, candidates=CANDIDATES)
    scorer = Scorer(load_base_model(path, layout).eval(), batch=AT_ONCE)
    plain = PlainReader(load_base_model(path, layout).eval())
    tasks: dict[str, tuple[Step, Step]] = {
        "training, an epoch": (make_training(path, layout, pairs, config), make_hub_training(path, layout, pairs)),
        "scoring, a text a prompt": (lambda: scorer(*one_each), lambda: plain.score(*one_each)),
        f"scoring, {CANDIDATES} texts a prompt": (lambda: scorer(*best_of), lambda: plain.score(*best_of)),
    }
    results = {}
    for task, (ours, theirs) in tasks.items():
        seconds: dict[str, list[float]] = {"ours": [], "plain": []}
        for turn in tqdm(range(config.repeats + 1), desc=f"{name}: {task}", disable=not show_progress):
            for who, step in (("ours", ours), ("plain", theirs)):
                started = time.perf_counter()
                step()
                if turn:  # the first turn warms allocators and caches
                    seconds[who].append(time.perf_counter() - started)
        results[task] = {who: describe(times, seconds["plain"]) for who, times in seconds.items()}
    return results


# Models and data


def save_base(kind: str, folder: Path, seed: int) -> Path:
    words = " ".join(f"w{number}" for number in range(VOCABULARY))
    tokenizer = train_tokenizer([words], VOCABULARY + 10)
    torch.manual_seed(seed)
    network: PreTrainedModel
    if kind == "t5":
        t5_config = T5Config(
            vocab_size=len(tokenizer), d_model=128, d_kv=32, d_ff=512, num_layers=2, num_heads=4, dropout_rate=0.0
        )
        t5_config.decoder_start_token_id = tokenizer.pad_token_id
        network = T5ForConditionalGeneration(t5_config)
    else:
        llama_config = LlamaConfig(vocab_size=len(tokenizer), hidden_size=128, intermediate_size=512,
            num_hidden_layers=4, num_attention_heads=4, max_position_embeddings=512)  # fmt: skip
        network = LlamaForCausalLM(llama_config)
    network.config.pad_token_id, network.config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_texts(seed: int, *, prompts: int, candidates: int) -> tuple[list[str], list[str]]:
    """Prompts of 10 to 60 words, each with so many completions of 5 to 60."""
    chance = random.Random(seed)

    def draw(least: int) -> str:
        return " ".join(f"w{chance.randrange(VOCABULARY)}" for _ in range(chance.randint(least, 60)))

    rows = [(prompt, draw(5)) for prompt in [draw(10) for _ in range(prompts)] for _ in range(candidates)]
    return [row[0] for row in rows], [row[1] for row in rows]


def make_pairs(seed: int) -> list[Preference]:
    prompts, completions = make_texts(seed, prompts=PAIRS, candidates=2)
    return [
        count_preference(
            {"a": 2, "b": 1},
            pair=f"pair-{number}",
            item=f"item-{number}",
            prompt=prompts[2 * number],
            completion_a=completions[2 * number],
            completion_b=completions[2 * number + 1],
            system_a="x",
            system_b="y",
            split="train",
        )
        for number in range(PAIRS)
    ]


# Ours


def make_training(path: str, layout: Layout, pairs: Sequence[Preference], config: BenchConfig) -> Step:
    """An epoch of ours: batches, both completions, loss, gradient, step."""
    settings = RewardModelConfig(
        path, layout=layout, batch=BATCH, epochs=1000, language_weight=0.0, centring=0.0, dropout=0.0, seed=config.seed
    )
    splits = PairSplits(tuple(pairs), tuple(pairs[:2]), tuple(pairs[:2]))
    training = prepare_training(settings, splits)
    batches = draw_batches(len(pairs), training.config)
    steps = -(-len(pairs) // BATCH)

    def run_epoch() -> None:
        for rows in itertools.islice(batches, steps):
            fit_batch(training.learner, training.config, splits, rows, total=steps * 1000)

    return run_epoch


# The plain way


class PlainReader:
    """Scores by the plain forward pass over padded texts, a prompt for each completion, whole logits."""

    def __init__(self, model: PreferenceModel) -> None:
        self.model, self.tokenizer = model, model.tokenizer

    @torch.no_grad()
    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
        parts = []
        for start in range(0, len(prompts), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            parts.append(self.read(self.collate(self.encode(prompts[some], completions[some]))))
        return torch.cat(parts)

    def encode(self, prompts: Sequence[str], completions: Sequence[str]) -> list[dict[str, list[int]]]:
        """Ids of the prompts and of the completions; each row ends with EOS."""
        columns = self.tokenizer(list(prompts))["input_ids"], self.tokenizer(list(completions))["input_ids"]
        return [{"input_ids": x, "response_ids": y} for x, y in zip(*columns, strict=True)]

    def collate(self, rows: Sequence[Mapping[str, list[int]]]) -> dict[str, Tensor]:
        if self.model.family == "encoder-decoder":
            batch = self.tokenizer.pad({"input_ids": [row["input_ids"] for row in rows]}, return_tensors="pt")
            response = self.tokenizer.pad({"input_ids": [row["response_ids"] for row in rows]}, return_tensors="pt")
            start = torch.zeros(len(rows), 1, dtype=torch.long)
            decoder_ids = torch.cat([start, response["input_ids"]], dim=1)
            return {**batch, "decoder_input_ids": decoder_ids, "is_response": response["attention_mask"]}
        texts = [[*row["input_ids"], *row["response_ids"]] for row in rows]
        return dict(self.tokenizer.pad({"input_ids": texts}, return_tensors="pt"))

    def read(self, batch: dict[str, Tensor]) -> Tensor:
        batch = dict(batch)
        network = self.model.network
        if self.model.family != "encoder-decoder":
            logits: Tensor = network(**batch).logits
            return logits[:, 0]
        is_response = batch.pop("is_response")
        logits = network(**batch).logits[:, 1:]
        good, bad = self.model.verdict_ids
        return ((logits[..., good] - logits[..., bad]) * is_response).sum(dim=1) / is_response.sum(dim=1)


class PairTrainer(HubTrainer):
    """The Trainer with the Bradley-Terry loss; its model is the reader's network."""

    reader: PlainReader

    def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
        scores_a, scores_b = self.reader.read(inputs["batch"]).chunk(2)
        return F.binary_cross_entropy_with_logits(scores_a - scores_b, inputs["targets"])


def make_hub_training(path: str, layout: Layout, pairs: Sequence[Preference]) -> Step:
    """An epoch of the Trainer's, on rows that were tokenised before; it saves, logs and evaluates nothing."""
    reader = PlainReader(load_base_model(path, layout))
    prompts = [pair.prompt for pair in pairs]
    columns = (
        reader.encode(prompts, [pair.completion_a for pair in pairs]),
        reader.encode(prompts, [pair.completion_b for pair in pairs]),
        map(vote_fraction, pairs),
    )
    rows = [{"a": a, "b": b, "target": target} for a, b, target in zip(*columns, strict=True)]

    def collate(chosen: list[dict[str, Any]]) -> dict[str, Any]:
        texts = [row["a"] for row in chosen] + [row["b"] for row in chosen]
        return {"batch": reader.collate(texts), "targets": torch.tensor([row["target"] for row in chosen])}

    settings = TrainingArguments(
        output_dir=str(Path(path) / "trainer"), per_device_train_batch_size=BATCH, num_train_epochs=1,
        learning_rate=1e-4, save_strategy="no", logging_strategy="no", report_to=[], disable_tqdm=True,
        remove_unused_columns=False, use_cpu=not torch.cuda.is_available(), optim="adamw_torch_fused",
    )  # fmt: skip

    def run_epoch() -> None:
        trainer = PairTrainer(model=reader.model.network, args=settings, train_dataset=rows, data_collator=collate)
        trainer.reader = reader
        trainer.train()

    return run_epoch
