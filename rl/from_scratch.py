"""A small T5 and its tokenizer, made from a corpus: what lets everything run without a model hub."""

from collections import Counter
from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

PAD, EOS, UNKNOWN = "<pad>", "</s>", "<unk>"
# The reward model answers with these two words, so that every tokenizer has each as one token.
VERDICTS = ("good", "bad")


def train_tokenizer(texts: Sequence[str], vocabulary_size: int = 4000) -> PreTrainedTokenizerFast:
    """A tokenizer for `texts`: one token a word if all words fit into `vocabulary_size`, else byte-pair encoding.

    Every sequence ends with EOS. Decoding gives back the text with its spacing.
    """
    # Keeps punctuation apart and marks the beginning of a word, so that "car ." and "car." stay different.
    splitting = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always"), pre_tokenizers.Punctuation()]
    )
    words = Counter(word for text in texts for word, _ in splitting.pre_tokenize_str(text))
    words.update(f"▁{verdict}" for verdict in VERDICTS)
    special = [PAD, EOS, UNKNOWN]
    if len(words) + len(special) <= vocabulary_size:
        vocabulary = special + [word for word, _ in sorted(words.items(), key=lambda entry: (-entry[1], entry[0]))]
        model = models.WordLevel({word: index for index, word in enumerate(vocabulary)}, unk_token=UNKNOWN)
        tokenizer = Tokenizer(model)
        tokenizer.pre_tokenizer = splitting
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = splitting
        trainer = trainers.BpeTrainer(vocab_size=vocabulary_size, special_tokens=special, show_progress=False)
        # Seen often enough that both verdicts are merged into single tokens.
        tokenizer.train_from_iterator([*texts, *VERDICTS * max(100, len(texts) // 10)], trainer)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    return _wrap_tokenizer(tokenizer)


def _wrap_tokenizer(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    from tokenizers.processors import TemplateProcessing

    tokenizer.post_processor = TemplateProcessing(
        single=f"$A {EOS}", special_tokens=[(EOS, tokenizer.token_to_id(EOS))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=EOS,
        unk_token=UNKNOWN,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )


def build_small_t5(
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    *,
    width: int = 128,
    layers: int = 2,
    heads: int = 4,
    dropout: float = 0.0,
) -> T5ForConditionalGeneration:
    """A randomly initialised T5 with `layers` encoder and `layers` decoder blocks of `width` units."""
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=width // heads,
        d_ff=2 * width,
        num_layers=layers,
        num_decoder_layers=layers,
        num_heads=heads,
        dropout_rate=dropout,
        feed_forward_proj="relu",
        relative_attention_num_buckets=32,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config.decoder_start_token_id = tokenizer.pad_token_id
    return T5ForConditionalGeneration(config)
