"""Tiny random models of both kinds, with a word-level tokenizer; built in milliseconds, never downloaded."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from rl.tasks.items import Item, Task

KINDS = ("t5", "gpt2")
WORDS = ("dog", "cat", "ball", "chase", "throw", "the", "a", "park", "runs", "sees", ".")
PROMPTS = ("dog ball", "the cat sees a dog", "park", "a dog runs the park .", "throw the ball", "cat cat cat")


def build_tokenizer(*, pad: bool = True) -> PreTrainedTokenizerBase:
    """Pad 0, EOS 1 as in T5. Without `pad` none is named, as in GPT-2, and EOS alone leaves no trace in text."""
    vocabulary = {word: place for place, word in enumerate(("<pad>", "</s>", "<unk>", *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A")
    names = {"eos_token": "</s>"} | ({"pad_token": "<pad>", "unk_token": "<unk>"} if pad else {})
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def build_model(kind: str, *, seed: int = 2, dropout: float = 0.1, spread: float = 1.0) -> PreTrainedModel:
    """The default seed ends some responses early. Weights are wider than usual (times `spread` in the output layer), so
    that a wrong mask or position moves the logits visibly."""
    torch.manual_seed(seed)
    size = len(WORDS) + 3
    model: PreTrainedModel
    if kind == "t5":
        model = T5ForConditionalGeneration(
            T5Config(
                vocab_size=size,
                d_model=16,
                d_kv=8,
                d_ff=32,
                num_layers=2,
                num_heads=2,
                dropout_rate=dropout,
                decoder_start_token_id=0,
                pad_token_id=0,
                eos_token_id=1,
            )
        )
    else:
        model = GPT2LMHeadModel(
            GPT2Config(
                vocab_size=size,
                n_embd=16,
                n_layer=2,
                n_head=2,
                n_positions=64,
                resid_pdrop=dropout,
                embd_pdrop=dropout,
                attn_pdrop=dropout,
                initializer_range=0.3,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=1,
            )
        )
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(spread)
    return model.eval()


def save_tiny(kind: str, folder: Path, *, seed: int = 2, pad: bool = True) -> Path:
    build_model(kind, seed=seed).save_pretrained(folder)
    build_tokenizer(pad=pad).save_pretrained(folder)
    return folder


def build_task(count: int = 12) -> Task:
    """Items whose reference repeats the prompt's words."""
    items = tuple(
        Item(f"item-{place}", PROMPTS[place % len(PROMPTS)], (PROMPTS[place % len(PROMPTS)],), ("dog", "ball"))
        for place in range(count)
    )
    return Task("tiny", items, items[:4], items[:4])
