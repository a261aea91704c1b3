"""The preference reward model: a T5 that says "good" or "bad" of a completion, given its prompt.

Score s(x, y) = logit("good") − logit("bad"), read in the decoder:

- layout `encoder`, the paper's: prompt and completion in the encoder, read at the first step;
- layout `decoder`: the prompt in the encoder, the completion in the decoder, read after its EOS. A small model that
  was trained to write completions can learn this one; it learns nothing from the other;
- layout `decoder-mean`: as `decoder`, with a verdict after every token of the completion, EOS included, and their mean
  as the score. A flaw is then heard where it stands, and no single state decides about a text unlike those judged.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError

Layout = Literal["encoder", "decoder", "decoder-mean"]
SETTINGS_FILE = "preference_model.json"
USUAL_TOKENS = 512  # what T5 was trained on
UNLIMITED = 10**9  # tokenizers that know no limit say more than this


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How the score is read, and its mean and spread on completions like those that people judged.

    mean, temperature: σ((s − mean) / temperature) is the preference as a reward in (0, 1).
    max_tokens: of the encoder's input and of the decoder's; 0: as many as the base model was made for.
    """

    layout: Layout
    good: str = "good"
    bad: str = "bad"
    mean: float = 0.0
    temperature: float = 1.0
    max_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pass gives. scores (B,); of the decoder's response, logits (B, T, V), ids (B, T) and is_response (B, T);
    T is 0 in the layout `encoder`."""

    scores: Tensor
    response_logits: Tensor
    response_ids: Tensor
    is_response: Tensor

    def response_losses(self) -> Tensor:
        """Mean cross-entropy a token (B,) of the response as text, in nats."""
        losses = F.cross_entropy(self.response_logits.transpose(1, 2), self.response_ids, reduction="none")
        return (losses * self.is_response).sum(dim=1) / self.is_response.sum(dim=1).clamp(min=1)


class PreferenceModel(torch.nn.Module):
    """A T5-type model with the score s(x, y)."""

    def __init__(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: ScoreSettings) -> None:
        super().__init__()
        if not network.config.is_encoder_decoder:
            raise InputError(f"a {network.config.model_type} model has no encoder; expected an encoder-decoder.")
        largest = _largest_input(network, tokenizer)
        if settings.max_tokens > largest.hard:
            raise InputError(f"max_tokens is {settings.max_tokens}; the model takes at most {largest.hard:,}.")
        self.network, self.tokenizer = network, tokenizer
        self.settings = replace(settings, max_tokens=settings.max_tokens or largest.usual)
        self.verdict_ids = [_single_token(tokenizer, word) for word in (settings.good, settings.bad)]

    def forward(self, prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
        """Scores (B,) in nats: the log-odds of "good" against "bad"."""
        return self.read(prompts, completions).scores

    def read(self, prompts: Sequence[str], completions: Sequence[str]) -> "Reading":
        eos = self.tokenizer.eos_token_id
        prompt_ids, completion_ids = self._token_ids(prompts), self._token_ids(completions)
        rooms = self._rooms_for_prompts(completion_ids)
        # A completion is judged whole; a prompt that is too long loses its beginning.
        prompt_ids = [row[-room:] for row, room in zip(prompt_ids, rooms, strict=True)]
        if self.settings.layout == "encoder":
            # One EOS between prompt and completion, one after: where the prompt ends must be beyond doubt.
            inputs = [[*x, eos, *y, eos] for x, y in zip(prompt_ids, completion_ids, strict=True)]
            return self._read_after(inputs, [[] for _ in inputs])
        return self._read_after([[*row, eos] for row in prompt_ids], [[*row, eos] for row in completion_ids])

    def _read_after(self, inputs: Sequence[list[int]], responses: Sequence[list[int]]) -> "Reading":
        """Run the network on encoder `inputs`, and read the verdicts as the decoder reads `responses`."""
        input_ids, is_input = self._pad(inputs)
        response_ids, is_response = self._pad(responses)
        start = response_ids.new_full((len(response_ids), 1), self.network.config.decoder_start_token_id)
        decoder_ids = torch.cat([start, response_ids], dim=1)
        # The decoder is causal and padded on the right, so padding cannot reach the position that is read.
        logits = self.network(
            input_ids=input_ids,
            attention_mask=is_input.long(),
            decoder_input_ids=decoder_ids,
            decoder_attention_mask=torch.ones_like(decoder_ids),
            use_cache=False,
        ).logits.float()
        good, bad = self.verdict_ids
        verdicts = logits[..., good] - logits[..., bad]
        return Reading(self._summarise(verdicts, is_response), logits[:, :-1], response_ids, is_response)

    def _summarise(self, verdicts: Tensor, is_response: Tensor) -> Tensor:
        """Scores (B,) from the log-odds (B, 1 + T) at the start and after each token of the decoder's response."""
        lengths = is_response.sum(dim=1)
        if self.settings.layout == "decoder-mean":
            return (verdicts[:, 1:] * is_response).sum(dim=1) / lengths
        return verdicts.gather(1, lengths[:, None])[:, 0]

    def count_cut(self, prompts: Sequence[str], completions: Sequence[str]) -> int:
        """How many prompts lose their beginning beside these completions."""
        rooms = self._rooms_for_prompts(self._token_ids(completions))
        return sum(len(row) > room for row, room in zip(self._token_ids(prompts), rooms, strict=True))

    def _rooms_for_prompts(self, completion_ids: Sequence[list[int]]) -> list[int]:
        """Tokens of the prompt that fit beside each completion; InputError if a completion does not fit itself."""
        most = self.settings.max_tokens
        is_beside = self.settings.layout == "encoder"
        for row in completion_ids:
            # One EOS each; and of its prompt, a completion must leave something.
            if len(row) + (3 if is_beside else 1) > most:
                beginning = self.tokenizer.decode(row[:12])
                raise InputError(
                    f"the completion {beginning!r}… has {len(row):,} tokens, which {most:,} do not hold; "
                    "expected shorter completions, or a larger --max-tokens."
                )
        return [most - len(row) - 2 if is_beside else most - 1 for row in completion_ids]

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids without special tokens."""
        rows: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return rows

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Ids (B, L) padded on the right, and which of them count."""
        device = self.network.device
        lengths = torch.tensor([len(row) for row in rows], device=device)
        tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
        padded = torch.nn.utils.rnn.pad_sequence(tensors, True, self.tokenizer.pad_token_id).to(device)
        return padded, torch.arange(padded.shape[1], device=device) < lengths[:, None]


@dataclass(frozen=True, slots=True)
class _Largest:
    """Tokens of an input: what the model was made for, and what it cannot go beyond."""

    usual: int
    hard: int


def _largest_input(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> _Largest:
    # A T5's positions are relative, so only its training ends them; learned positions end where their table does.
    table = getattr(network.config, "max_position_embeddings", None)
    known = [length for length in (table, tokenizer.model_max_length) if length and length < UNLIMITED]
    return _Largest(usual=min(known, default=USUAL_TOKENS), hard=table or UNLIMITED)


def _single_token(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise InputError(f"the verdict {word!r} is {len(ids)} tokens of this tokenizer; expected exactly one.")
    return int(ids[0])


def load_base_model(base_model: str, settings: ScoreSettings) -> PreferenceModel:
    """An untrained preference model on the encoder-decoder at `base_model`, a folder or a hub name."""
    try:
        config = AutoConfig.from_pretrained(base_model)
        if not config.is_encoder_decoder:
            raise InputError(f"{base_model} is a {config.model_type} model; expected an encoder-decoder such as T5.")
        # Not the checkpoint's own precision: AdamW loses small steps in half precision, and T5 overflows.
        network = AutoModelForSeq2SeqLM.from_pretrained(base_model, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(base_model)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{base_model} is not a model checkpoint that can be loaded: {reason}") from None
    return PreferenceModel(network, tokenizer, settings)


def save_model(model: PreferenceModel, folder: Path) -> None:
    model.network.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    (folder / SETTINGS_FILE).write_text(json.dumps(asdict(model.settings), indent=2) + "\n", encoding="utf-8")


def load_model(folder: Path) -> PreferenceModel:
    """The preference model that `save_model` wrote."""
    path = folder / SETTINGS_FILE
    try:
        settings = ScoreSettings(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise InputError(f"{folder} holds no {SETTINGS_FILE}; expected a model of train_reward_model.") from None
    except (json.JSONDecodeError, TypeError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    return load_base_model(str(folder), settings)
