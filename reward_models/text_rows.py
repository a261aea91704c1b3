"""Texts as rows of token ids: the completion whole, of the prompt what fits beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError

USUAL_TOKENS = 512  # what T5 was trained on
UNLIMITED = 10**9  # tokenizers that know no limit say more than this


@dataclass(frozen=True, slots=True)
class Room:
    """What an input can hold. most: tokens; specials: of them that belong to neither text; is_shared: whether prompt
    and completion stand in one input, or in one of `most` each."""

    most: int
    specials: int
    is_shared: bool

    def for_prompt(self, completion: Sequence[int]) -> int:
        """Tokens of the prompt that fit beside a completion."""
        return self.most - self.specials - (len(completion) if self.is_shared else 0)

    def holds(self, completion: Sequence[int]) -> bool:
        """Whether a completion fits; of its prompt it must leave something."""
        return len(completion) + self.specials + self.is_shared <= self.most


@dataclass(frozen=True, slots=True)
class TextReader:
    """Turns texts into ids, without special tokens."""

    tokenizer: PreTrainedTokenizerBase
    room: Room

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        rows: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return rows

    def encode_pairs(
        self, prompts: Sequence[str], completions: Sequence[str]
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Ids of prompts and completions; a prompt that is too long loses its beginning, a completion nothing.

        InputError for a completion that does not fit.
        """
        completion_ids = self.encode(completions)
        for row in completion_ids:
            if not self.room.holds(row):
                beginning = self.tokenizer.decode(row[:12])
                raise InputError(
                    f"the completion {beginning!r}… has {len(row):,} tokens, which {self.room.most:,} do not hold; "
                    "expected shorter completions, or a model that was trained with more max_tokens."
                )
        rooms = [self.room.for_prompt(row) for row in completion_ids]
        prompt_ids = [row[-room:] for row, room in zip(self.encode(prompts), rooms, strict=True)]
        return prompt_ids, completion_ids

    def count_cut(self, prompts: Sequence[str], completions: Sequence[str]) -> int:
        """How many prompts lose their beginning beside these completions."""
        kept, _ = self.encode_pairs(prompts, completions)
        return sum(len(row) > len(left) for row, left in zip(self.encode(prompts), kept, strict=True))


def pad_rows(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids (B, L) padded on the right, and which of them count; from lengths, as EOS may be the pad token too."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(tensors, True, pad).to(device)
    return padded, torch.arange(padded.shape[1], device=device) < lengths[:, None]


def choose_max_tokens(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, wanted: int) -> int:
    """`wanted`, or what the model was made for where that is 0; InputError for more than it can take."""
    # A T5's positions are relative, so only its training ends them; learned positions end where their table does.
    table = getattr(network.config, "max_position_embeddings", None)
    if table and wanted > table:
        raise InputError(f"max_tokens is {wanted}; the model takes at most {table:,}.")
    known = [length for length in (table, tokenizer.model_max_length) if length and length < UNLIMITED]
    return wanted or min(known, default=USUAL_TOKENS)
