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
    """What an input can hold. most: tokens; around_prompt, around_completion: special tokens beside each; is_shared:
    whether prompt and completion stand in one input, or in one of `most` each."""

    most: int
    around_prompt: int
    around_completion: int
    is_shared: bool

    def for_prompt(self, completion: Sequence[int]) -> int:
        """Tokens of the prompt that fit beside a completion."""
        shared = len(completion) + self.around_completion if self.is_shared else 0
        return self.most - self.around_prompt - shared

    def holds(self, completion: Sequence[int]) -> bool:
        """Whether a completion fits; of its prompt it must leave something."""
        return len(completion) + self.around_completion <= self.most and self.for_prompt(completion) > 0


@dataclass(frozen=True, slots=True)
class Frame:
    """What a tokenizer puts around a text: token ids before it and after it."""

    before: tuple[int, ...]
    after: tuple[int, ...]

    def around(self, row: Sequence[int]) -> list[int]:
        return [*self.before, *row, *self.after]

    def __len__(self) -> int:
        return len(self.before) + len(self.after)


def frame_of(tokenizer: PreTrainedTokenizerBase, *, is_target: bool) -> Frame:
    """Of inputs, or of targets, which may begin otherwise. EOS ends a text after which the tokenizer puts nothing."""
    name = "text_target" if is_target else "text"
    framed, bare = (tokenizer(**{name: "a"}, add_special_tokens=adds)["input_ids"] for adds in (True, False))
    starts = (start for start in range(len(framed)) if framed[start : start + len(bare)] == bare)
    start = next(starts, 0)
    return Frame(tuple(framed[:start]), tuple(framed[start + len(bare) :]) or (tokenizer.eos_token_id,))


@dataclass(frozen=True, slots=True)
class TextReader:
    """Turns texts into ids, without special tokens. needs_prompt: whether an empty one cannot be read."""

    tokenizer: PreTrainedTokenizerBase
    room: Room
    needs_prompt: bool = False

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        rows: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return rows

    def encode_pairs(
        self, prompts: Sequence[str], completions: Sequence[str]
    ) -> tuple[list[list[int]], list[list[int]]]:
        """Ids of prompts and completions; a prompt that is too long loses its beginning, a completion nothing.

        InputError for a completion that does not fit, and for an empty prompt where none can be.
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
        if self.needs_prompt and not all(prompt_ids):
            text = completions[prompt_ids.index([])]
            raise InputError(f"the prompt of {text[:60]!r} is empty; this model's likelihood needs text before it.")
        return prompt_ids, completion_ids

    def count_cut(self, prompts: Sequence[str], completions: Sequence[str]) -> int:
        """How many prompts lose their beginning beside these completions."""
        return sum(self.find_cut(prompts, completions))

    def find_cut(self, prompts: Sequence[str], completions: Sequence[str]) -> list[bool]:
        """Which prompts lose their beginning beside these completions."""
        kept, _ = self.encode_pairs(prompts, completions)
        return [len(row) > len(left) for row, left in zip(self.encode(prompts), kept, strict=True)]


def pad_rows(rows: Sequence[Sequence[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Ids (B, L) padded on the right, and which of them count; from lengths, as EOS may be the pad token too."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(tensors, True, pad).to(device)
    return padded, torch.arange(padded.shape[1], device=device) < lengths[:, None]


def choose_max_tokens(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, wanted: int) -> int:
    """`wanted`, or what the model was made for where that is 0; InputError for more than it can take."""
    # A T5's positions are relative, so only its training ends them; learned positions end where their table does.
    table = min(_tables(network), default=None)
    if table and wanted > table:
        raise InputError(f"max_tokens is {wanted}; the model takes at most {table:,}.")
    known = [length for length in (table, tokenizer.model_max_length) if length and length < UNLIMITED]
    return wanted or min(known, default=USUAL_TOKENS)


def _tables(network: PreTrainedModel) -> list[int]:
    """How many positions each table of positions has for text."""
    names = ("max_position_embeddings", "max_encoder_position_embeddings", "max_decoder_position_embeddings")
    sizes = [size for name in names if (size := getattr(network.config, name, None))]
    # RoBERTa and its kin count positions from the one after the pad token's.
    offsets = [
        module.num_embeddings - module.padding_idx - 1
        for name, module in network.named_modules()
        if name.endswith("position_embeddings")
        and isinstance(module, torch.nn.Embedding)
        and module.padding_idx is not None
    ]
    return sizes + offsets
