"""Tiny random models of both kinds, with a word-level tokenizer; built in milliseconds, never downloaded."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from rl.tasks.items import Item, Task

KINDS = ("t5", "gpt2")
ARCHITECTURES = (*KINDS, "bart", "llama")  # for what depends on a model's code and not on its kind alone
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
    model = _BUILDERS[kind](len(WORDS) + 3, dropout)
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(spread)
    return model.eval()


def _build_t5(vocabulary: int, dropout: float) -> PreTrainedModel:
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary,
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


def _build_gpt2(vocabulary: int, dropout: float) -> PreTrainedModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary,
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


def _build_bart(vocabulary: int, dropout: float) -> PreTrainedModel:
    model = BartForConditionalGeneration(
        BartConfig(
            vocab_size=vocabulary,
            d_model=16,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_position_embeddings=64,
            dropout=dropout,
            init_std=0.3,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
            decoder_start_token_id=1,
            forced_eos_token_id=None,
        )
    )
    model.final_logits_bias.normal_(generator=torch.Generator().manual_seed(0))  # zeros would hide its misuse
    return model


def _build_llama(vocabulary: int, dropout: float) -> PreTrainedModel:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=64,
            attention_dropout=dropout,
            initializer_range=0.3,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=1,
        )
    )


_BUILDERS = {"t5": _build_t5, "gpt2": _build_gpt2, "bart": _build_bart, "llama": _build_llama}


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
