"""The preference reward model: a network of any family with one score s(x, y), read in one of the layouts.

Shapes: B rows, T tokens of the response, V vocabulary. Masks are True where a position counts.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput

from annotation.errors import InputError
from reward_models.layouts import VERDICTS, ScoreSettings, choose_layout, family_of
from reward_models.text_rows import Room, TextReader, choose_max_tokens, pad_rows

SEPARATOR = "\n"  # between prompt and completion for a scalar head, which need not go on as the text does


@dataclass(frozen=True, slots=True)
class Reading:
    """What one pass gives. scores (B,); response_losses (B,): mean cross-entropy a token of the completion as text, in
    nats, zero where the layout reads no language or nobody asked."""

    scores: Tensor
    response_losses: Tensor


class PreferenceModel(torch.nn.Module):
    """A network, its tokenizer, and how the score is read from it."""

    def __init__(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: ScoreSettings) -> None:
        super().__init__()
        name = f"the {network.config.model_type}"
        self.family = family_of(network.config, name)
        choose_layout(settings.layout, self.family, name)
        self.network, self.tokenizer = network, tokenizer
        self.settings = replace(settings, max_tokens=choose_max_tokens(network, tokenizer, settings.max_tokens))
        self.reads_bfloat16 = False
        if settings.layout in VERDICTS:
            self.verdict_ids = [_single_token(tokenizer, word) for word in (settings.good, settings.bad)]
        self.first_ids = _first_ids(tokenizer) if self.family == "decoder-only" else []
        separates = self.family == "decoder-only" and settings.layout == "scalar"
        self.separator_ids = _separator_ids(tokenizer) if separates else []

    @property
    def texts(self) -> TextReader:
        most, is_encoder_alone = self.settings.max_tokens, self.settings.layout == "encoder"
        if self.family == "encoder-decoder":
            # In one input an EOS after each text, in two one each.
            room = Room(most, specials=2 if is_encoder_alone else 1, is_shared=is_encoder_alone)
        elif self.family == "encoder-only":
            room = Room(most, specials=self.tokenizer.num_special_tokens_to_add(pair=True), is_shared=True)
        else:
            room = Room(most, specials=len(self.first_ids) + len(self.separator_ids) + 1, is_shared=True)
        return TextReader(self.tokenizer, room)

    def forward(self, prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
        """Scores (B,) in nats."""
        return self.read(prompts, completions).scores

    def read(self, prompts: Sequence[str], completions: Sequence[str], *, with_language: bool = False) -> Reading:
        """One pass; with_language: also the losses of the completions as text."""
        prompt_ids, completion_ids = self.texts.encode_pairs(prompts, completions)
        with self._precision():
            if self.settings.layout == "scalar":
                return self._without_language(self._read_scalar(prompt_ids, completion_ids, prompts, completions))
            if self.settings.layout == "likelihood":
                return self._read_likelihood(prompt_ids, completion_ids)
            return self._read_verdicts(prompt_ids, completion_ids, with_language)

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        """bfloat16 for matrix products, float32 for weights and sums."""
        return torch.autocast(self.network.device.type, torch.bfloat16, enabled=self.reads_bfloat16)

    @staticmethod
    def _without_language(scores: Tensor) -> Reading:
        return Reading(scores, torch.zeros_like(scores))

    # Verdicts: "good" against "bad", in a decoder

    def _read_verdicts(self, prompts: list[list[int]], completions: list[list[int]], with_language: bool) -> Reading:
        eos = self.tokenizer.eos_token_id
        if self.settings.layout == "encoder":
            # One EOS between prompt and completion, one after: where the prompt ends must be beyond doubt.
            inputs = [[*x, eos, *y, eos] for x, y in zip(prompts, completions, strict=True)]
            responses: list[list[int]] = [[] for _ in inputs]
        else:
            inputs, responses = [[*row, eos] for row in prompts], [[*row, eos] for row in completions]
        response_ids, is_response = self._pad(responses)
        if not (with_language and is_response.any()):
            # Two columns of the output layer are all that the verdict needs; a vocabulary's would fill the memory.
            with verdict_columns_alone(self.network, self.verdict_ids):
                logits = self._decode(inputs, response_ids).float()
            return self._without_language(self._summarise(logits[..., 0] - logits[..., 1], is_response))
        logits = self._decode(inputs, response_ids).float()
        good, bad = self.verdict_ids
        scores = self._summarise(logits[..., good] - logits[..., bad], is_response)
        return Reading(scores, mean_losses(logits[:, :-1], response_ids, is_response))

    def _summarise(self, verdicts: Tensor, is_response: Tensor) -> Tensor:
        """Scores (B,) from the log-odds (B, 1 + T) at the start and after each token of the response."""
        lengths = is_response.sum(dim=1)
        if self.settings.layout == "decoder-mean":
            return (verdicts[:, 1:] * is_response).sum(dim=1) / lengths
        return verdicts.gather(1, lengths[:, None])[:, 0]

    def _decode(self, inputs: list[list[int]], response_ids: Tensor) -> Tensor:
        """Logits (B, 1 + T, ·) of the decoder at its start and after each token of the response."""
        start = response_ids.new_full((len(response_ids), 1), self.network.config.decoder_start_token_id)
        decoder_ids = torch.cat([start, response_ids], dim=1)
        # Both completions of a pair, or all candidates of a prompt, share their prompt: it is encoded once.
        distinct = {tuple(row): None for row in inputs}
        place = {row: number for number, row in enumerate(distinct)}
        rows = torch.tensor([place[tuple(row)] for row in inputs], device=response_ids.device)
        input_ids, is_input = self._pad(list(distinct))
        encoder = self.network.get_encoder()
        states = encoder(input_ids=input_ids, attention_mask=is_input.long()).last_hidden_state
        # The decoder is causal and padded on the right, so padding cannot reach a position that is read.
        output = self.network(
            encoder_outputs=BaseModelOutput(last_hidden_state=states[rows]),
            attention_mask=is_input[rows].long(),
            decoder_input_ids=decoder_ids,
            decoder_attention_mask=torch.ones_like(decoder_ids),
            use_cache=False,
        )
        logits: Tensor = output.logits
        return logits

    # Log-likelihood

    def _read_likelihood(self, prompts: list[list[int]], completions: list[list[int]]) -> Reading:
        responses = [[*row, self.tokenizer.eos_token_id] for row in completions]
        response_ids, is_response = self._pad(responses)
        if self.family == "encoder-decoder":
            inputs = [[*row, self.tokenizer.eos_token_id] for row in prompts]
            logits = self._decode(inputs, response_ids)[:, :-1]
        else:
            logits = self._continue(prompts, responses)
        losses = mean_losses(logits.float(), response_ids, is_response)
        log_likelihoods = -losses * is_response.sum(dim=1)
        scale, offset = self.settings.likelihood_scale, self.settings.likelihood_offset
        return Reading(scale * log_likelihoods + offset, losses)

    def _continue(self, prompts: list[list[int]], responses: list[list[int]]) -> Tensor:
        """Logits (B, T, V) of a decoder-only model for each token of the responses, which follow their prompts."""
        before = [[*self.first_ids, *row] for row in prompts]
        if not all(before):
            raise InputError("a prompt is empty; expected text before a completion whose likelihood is read.")
        ids, is_text = self._pad([[*x, *y[:-1]] for x, y in zip(before, responses, strict=True)])
        logits: Tensor = self.network(input_ids=ids, attention_mask=is_text.long(), use_cache=False).logits
        first = torch.tensor([len(row) - 1 for row in before], device=ids.device)
        places = first[:, None] + torch.arange(max(map(len, responses)), device=ids.device)
        places = places.clamp(max=ids.shape[1] - 1)  # what lies behind a short row is no response
        return logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1]))

    # A scalar head

    def _read_scalar(
        self,
        prompt_ids: list[list[int]],
        completion_ids: list[list[int]],
        prompts: Sequence[str],
        completions: Sequence[str],
    ) -> Tensor:
        if self.family == "encoder-only":
            return self._read_pooled(prompts, completions)
        eos = self.tokenizer.eos_token_id
        texts = zip(prompt_ids, completion_ids, strict=True)
        ids, is_text = self._pad([[*self.first_ids, *x, *self.separator_ids, *y, eos] for x, y in texts])
        trunk: torch.nn.Module = self.network.base_model
        states = trunk(input_ids=ids, attention_mask=is_text.long(), use_cache=False)
        last = is_text.sum(dim=1) - 1
        # By length and not, as the model's own forward does it, by the last id that is not the pad token: EOS may be.
        state = states.last_hidden_state[torch.arange(len(ids), device=ids.device), last]
        head: torch.nn.Module = self.network.get_submodule("score")
        scores: Tensor = head(state)[:, 0].float()
        return scores

    def _read_pooled(self, prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
        """The model's own pooling, of both texts as its tokenizer puts them together; prompts lose their beginning."""
        self.tokenizer.truncation_side = "left"
        encoded = self.tokenizer(
            list(prompts),
            list(completions),
            truncation="only_first",
            max_length=self.settings.max_tokens,
            padding=True,
            padding_side="right",
            return_tensors="pt",
        ).to(self.network.device)
        scores: Tensor = self.network(**encoded).logits[:, 0].float()
        return scores

    def count_cut(self, prompts: Sequence[str], completions: Sequence[str]) -> int:
        """How many prompts lose their beginning beside these completions."""
        return self.texts.count_cut(prompts, completions)

    def _pad(self, rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        return pad_rows(rows, self.tokenizer.pad_token_id, self.network.device)


def mean_losses(logits: Tensor, ids: Tensor, is_response: Tensor) -> Tensor:
    """Mean cross-entropy (B,) in nats over the tokens that count, of logits (B, T, V) for ids (B, T)."""
    losses = F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")
    return (losses * is_response).sum(dim=1) / is_response.sum(dim=1).clamp(min=1)


@contextlib.contextmanager
def verdict_columns_alone(network: PreTrainedModel, verdict_ids: list[int]) -> Iterator[None]:
    """Inside, the network's logits are those of these tokens; its weights, and their gradients, are the same."""
    head = network.get_output_embeddings()
    bias = getattr(network, "final_logits_bias", None)  # BART's, an entry a token
    network.set_output_embeddings(_Columns(head, verdict_ids))
    if bias is not None:
        network.final_logits_bias = bias[:, verdict_ids]
    try:
        yield
    finally:
        network.set_output_embeddings(head)
        if bias is not None:
            network.final_logits_bias = bias


class _Columns(torch.nn.Module):
    """Some outputs of a linear layer."""

    def __init__(self, layer: torch.nn.Linear, columns: list[int]) -> None:
        super().__init__()
        self.weight = layer.weight
        self.layer_bias, self.columns = layer.bias, columns

    def forward(self, states: Tensor) -> Tensor:
        bias = None if self.layer_bias is None else self.layer_bias[self.columns]
        return F.linear(states, self.weight[self.columns], bias)


def _single_token(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise InputError(f"the verdict {word!r} is {len(ids)} tokens of this tokenizer; expected exactly one.")
    return int(ids[0])


def _first_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """BOS, where the tokenizer begins texts with it."""
    ids = tokenizer("a")["input_ids"]
    return [tokenizer.bos_token_id] if ids and ids[0] == tokenizer.bos_token_id else []


def _separator_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """A line break, or EOS where the tokenizer knows none."""
    ids: list[int] = tokenizer(SEPARATOR, add_special_tokens=False)["input_ids"]
    return ids if ids and tokenizer.unk_token_id not in ids else [tokenizer.eos_token_id]
