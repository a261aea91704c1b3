"""Small untrained models of every family, with a tokenizer for the toy preference."""

from pathlib import Path

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from rl.from_scratch import train_tokenizer
from tests.reward_models.pairs import TEXTS

FAMILIES = ("llama", "gpt2", "bert", "bart", "roberta")
TABLE = 64  # positions
SPREAD = 0.2  # of initial weights: ten times the usual, so that untrained scores differ


def save_family(family: str, folder: Path) -> Path:
    """family: llama (BOS and EOS, a pad token of its own), gpt2 (its pad token is its EOS), bert, bart (an
    encoder-decoder whose texts begin with BOS, inputs and targets alike) or roberta (its positions begin behind its pad
    token's)."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer(TEXTS)
    size = len(tokenizer) + 3
    if family == "llama":
        tokenizer.add_special_tokens({"bos_token": "<s>"})
        _begin_with(tokenizer, "<s> $A")
        config = LlamaConfig(vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=TABLE, initializer_range=SPREAD)  # fmt: skip
        LlamaForCausalLM(config).save_pretrained(folder)
    elif family == "gpt2":
        _begin_with(tokenizer, "$A")
        tokenizer.pad_token = None
        GPT2LMHeadModel(
            GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=2, n_positions=TABLE, initializer_range=SPREAD)
        ).save_pretrained(folder)
    elif family == "bart":
        tokenizer.add_special_tokens({"bos_token": "<s>"})
        _begin_with(tokenizer, "<s> $A </s>")
        config = BartConfig(vocab_size=size, d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=48,
            decoder_ffn_dim=48, encoder_attention_heads=2, decoder_attention_heads=2, max_position_embeddings=TABLE,
            pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, init_std=SPREAD,
            eos_token_id=tokenizer.eos_token_id, decoder_start_token_id=tokenizer.eos_token_id)  # fmt: skip
        BartForConditionalGeneration(config).save_pretrained(folder)
    elif family == "roberta":
        tokenizer.add_special_tokens({"cls_token": "<cls>", "sep_token": "<sep>"})
        _begin_with(tokenizer, "<cls> $A <sep>", "<cls> $A <sep> <sep> $B <sep>")
        config = RobertaConfig(vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=TABLE, initializer_range=SPREAD,
            pad_token_id=tokenizer.pad_token_id)  # fmt: skip
        RobertaForMaskedLM(config).save_pretrained(folder)
    else:
        tokenizer.add_special_tokens({"cls_token": "<cls>", "sep_token": "<sep>"})
        _begin_with(tokenizer, "<cls> $A <sep>", "<cls> $A <sep> $B:1 <sep>:1")
        tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
        config = BertConfig(vocab_size=size, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=TABLE, initializer_range=SPREAD)  # fmt: skip
        BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _begin_with(tokenizer: PreTrainedTokenizerFast, single: str, pair: str | None = None) -> None:
    """What the tokenizer puts around a text, and around two."""
    words = ("<s>", "</s>", "<cls>", "<sep>")
    special = [(word, tokenizer.convert_tokens_to_ids(word)) for word in words if word in single]
    processor = TemplateProcessing(single=single, pair=pair or f"{single} $B:1", special_tokens=special)
    tokenizer.backend_tokenizer.post_processor = processor
