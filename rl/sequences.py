"""Given responses as token ids: encoded, collated and scored. What supervised fine-tuning and DPO learn from.

Shapes: B rows, P prompt positions, T response positions, V vocabulary. Masks are True where a position counts. They
come from lengths and never from ids, so EOS counts even where it is the pad token too.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError
from rl.policy import response_logits
from rl.support import token_log_probs


@dataclass(frozen=True, slots=True)
class Example:
    """A prompt and a response to it, as token ids."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Examples as tensors.

    prompt_ids, is_prompt      (B, P): padded on the left for causal models, on the right for encoder-decoders
    response_ids, is_response  (B, T): padded on the right
    """

    prompt_ids: Tensor
    is_prompt: Tensor
    response_ids: Tensor
    is_response: Tensor

    def logits(self, model: PreTrainedModel) -> Tensor:
        """(B, T, V), entry t for the token at response position t."""
        return response_logits(model, self.prompt_ids, self.is_prompt, self.response_ids)


def is_causal(model: PreTrainedModel) -> bool:
    return not model.config.is_encoder_decoder


def encode_prompt_texts(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[tuple[int, ...]]:
    """Token ids of each prompt, with whatever the tokenizer puts around a text, as `rl.policy.encode_prompts` does."""
    return [tuple(row) for row in tokenizer(list(texts), verbose=False)["input_ids"]]


def encode_response_texts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, causal: bool
) -> list[tuple[int, ...]]:
    """Token ids of each response, ending with exactly one EOS whether or not the tokenizer appends one.

    A causal response goes on from its prompt, so it gets no BOS; a decoder gets what its tokenizer puts around targets.
    """
    if causal:
        rows = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    else:
        rows = tokenizer(text_target=list(texts), verbose=False)["input_ids"]
    return [_end_once(row, text, tokenizer) for row, text in zip(rows, texts, strict=True)]


def _end_once(ids: Sequence[int], text: str, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    eos, end = tokenizer.eos_token_id, len(ids)
    while end and ids[end - 1] == eos:
        end -= 1
    if eos in ids[:end]:
        raise InputError(
            f"response {text[:60]!r} has the EOS token {tokenizer.eos_token!r} before its end; expected none there."
        )
    return (*ids[:end], eos)


def expect_fit(model: PreTrainedModel, example: Example, where: str) -> None:
    """InputError, naming `where`, for a prompt without tokens or an example longer than the model's window."""
    if not example.prompt:
        raise InputError(f"{where}: the prompt has no tokens; expected text.")
    lengths = len(example.prompt), len(example.response)
    needed = sum(lengths) if is_causal(model) else max(lengths)
    window = getattr(model.config, "max_position_embeddings", None)
    if window is not None and needed > window:
        raise InputError(
            f"{where}: {lengths[0]} prompt tokens and {lengths[1]} response tokens need {needed} positions; "
            f"the model's window is {window}."
        )


def collate(examples: Sequence[Example], *, causal: bool, pad: int, device: torch.device | str = "cpu") -> Batch:
    """The examples side by side, padded to the longest prompt and the longest response."""
    prompt_ids, is_prompt = _pad_rows([example.prompt for example in examples], pad, "left" if causal else "right")
    response_ids, is_response = _pad_rows([example.response for example in examples], pad, "right")
    return Batch(prompt_ids.to(device), is_prompt.to(device), response_ids.to(device), is_response.to(device))


def _pad_rows(rows: Sequence[Sequence[int]], pad: int, side: str) -> tuple[Tensor, Tensor]:
    ids = pad_sequence([torch.tensor(row) for row in rows], True, pad, padding_side=side)
    counts = [torch.ones(len(row), dtype=torch.bool) for row in rows]
    return ids, pad_sequence(counts, True, False, padding_side=side)


def response_log_probs(model: PreTrainedModel, batch: Batch) -> Tensor:
    """log π(y | x), (B,): summed over the response's tokens, EOS included."""
    log_probs = token_log_probs(batch.logits(model), batch.response_ids)
    return log_probs.masked_fill(~batch.is_response, 0.0).sum(dim=1)


def sha256_of_examples(examples: Iterable[Example]) -> str:
    """Names the data of a run, so that a resumed run cannot go on with other data."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(json.dumps([example.prompt, example.response]).encode())
    return digest.hexdigest()
