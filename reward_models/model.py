"""The preference reward model: a network of any family with one score s(x, y), read in one of the layouts.

Shapes: B rows, T tokens of the response, V vocabulary. Masks are True where a position counts.
"""

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput

from annotation.errors import InputError
from reward_models.layouts import SHARED, VERDICTS, ScoreSettings, choose_layout, family_of
from reward_models.text_rows import Frame, Room, TextReader, choose_max_tokens, frame_of, pad_rows

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
        # Whether a decoder-only model can be asked for the logits of the last places alone.
        self.can_leave_out = "logits_to_keep" in inspect.signature(network.forward).parameters
        self.first_ids = _first_ids(tokenizer) if self.family == "decoder-only" else []
        separates = self.family == "decoder-only" and settings.layout == "scalar"
        self.separator_ids = _separator_ids(tokenizer) if separates else []
        if self.family == "encoder-decoder":
            self.start_id = _decoder_start(network)
            self.source, self.target = (frame_of(tokenizer, is_target=is_target) for is_target in (False, True))

    @property
    def texts(self) -> TextReader:
        most, layout = self.settings.max_tokens, self.settings.layout
        needs_prompt = self.family == "decoder-only" and layout == "likelihood" and not self.first_ids
        return TextReader(self.tokenizer, Room(most, *self._specials(), layout in SHARED[self.family]), needs_prompt)

    def _specials(self) -> tuple[int, int]:
        """Special tokens around a prompt and around a completion."""
        layout = self.settings.layout
        if self.family == "encoder-only":
            return self.tokenizer.num_special_tokens_to_add(pair=True), 0
        if self.family == "decoder-only":
            return len(self.first_ids), len(self.separator_ids) + 1
        if layout == "encoder":
            return len(self.source), 1
        # A verdict is read after the last token, so the decoder holds its start and all of them; of a likelihood the
        # last token is only predicted.
        return len(self.source), len(self.target) + (layout != "likelihood")

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
        if self.settings.layout == "encoder":
            # An EOS between prompt and completion: where the prompt ends must be beyond doubt.
            eos = self.tokenizer.eos_token_id
            inputs = [self.source.around([*x, eos, *y]) for x, y in zip(prompts, completions, strict=True)]
            responses: list[list[int]] = [[] for _ in inputs]
        else:
            inputs, responses = list(map(self.source.around, prompts)), list(map(self.target.around, completions))
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

    def _decode(self, inputs: Sequence[Sequence[int]], response_ids: Tensor) -> Tensor:
        """Logits (B, 1 + T, ·) of the decoder at its start and after each token of the response."""
        start = response_ids.new_full((len(response_ids), 1), self.start_id)
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
        is_decoder = self.family == "decoder-only"
        frame = Frame((), (self.tokenizer.eos_token_id,)) if is_decoder else self.target
        responses = list(map(frame.around, completions))
        response_ids, is_response = self._pad(responses)
        if is_decoder:
            logits = self._continue(prompts, responses)
        else:
            logits = self._decode(list(map(self.source.around, prompts)), response_ids[:, :-1])
        losses = mean_losses(logits.float(), response_ids, is_response)
        log_likelihoods = -losses * is_response.sum(dim=1)
        scale, offset = self.settings.likelihood_scale, self.settings.likelihood_offset
        return Reading(scale * log_likelihoods + offset, losses)

    def _continue(self, prompts: list[list[int]], responses: list[list[int]]) -> Tensor:
        """Logits (B, T, V) of a decoder-only model for each token of the responses, which follow their prompts."""
        before = [[*self.first_ids, *row] for row in prompts]
        ids, is_text = self._pad([[*x, *y[:-1]] for x, y in zip(before, responses, strict=True)])
        first = torch.tensor([len(row) - 1 for row in before], device=ids.device)
        # The vocabulary at every place of long prompts would fill the memory; most models can leave them out.
        unread = int(first.min()) if self.can_leave_out else 0
        kept = {"logits_to_keep": ids.shape[1] - unread} if unread else {}
        logits: Tensor = self.network(input_ids=ids, attention_mask=is_text.long(), use_cache=False, **kept).logits
        places = first[:, None] - unread + torch.arange(max(map(len, responses)), device=ids.device)
        places = places.clamp(max=logits.shape[1] - 1)  # what lies behind a short row is no response
        return logits.gather(1, places[..., None].expand(-1, -1, logits.shape[-1]))

    def spans(self, prompts: Sequence[str], completions: Sequence[str]) -> list[tuple[int, int]] | None:
        """From which place to which each row's logits are held for the whole vocabulary; None where two columns, or a
        head, are all that is read."""
        if self.settings.layout != "likelihood":
            return None
        if self.family == "encoder-decoder":
            return [(0, len(row) + len(self.target)) for row in self.texts.encode(completions)]
        prompt_ids, completion_ids = self.texts.encode_pairs(prompts, completions)
        starts = [len(self.first_ids) + len(row) - 1 for row in prompt_ids]
        ends = [start + 1 + len(row) for start, row in zip(starts, completion_ids, strict=True)]
        return [(start if self.can_leave_out else 0, end) for start, end in zip(starts, ends, strict=True)]

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
        with in_float32(state):
            scores: Tensor = head(state.float())[:, 0]
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
        with in_float32(states):
            return F.linear(states.float(), self.weight[self.columns], bias)


def has_bfloat16() -> bool:
    """Whether there is a GPU whose own arithmetic has bfloat16; older ones emulate it, slowly."""
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)


def in_float32(states: Tensor) -> contextlib.AbstractContextManager[object]:
    """Inside, nothing is rounded to bfloat16: of scores between 4 and 8 that would leave every thirtieth of a nat."""
    return torch.autocast(states.device.type, enabled=False)


def _decoder_start(network: PreTrainedModel) -> int:
    """What an encoder-decoder's decoder begins with."""
    places = (network.config, network.generation_config)
    known = [start for place in places if (start := getattr(place, "decoder_start_token_id", None)) is not None]
    if not known:
        raise InputError(
            f"the {network.config.model_type} model does not say what its decoder begins with; "
            "expected decoder_start_token_id in its config.json."
        )
    return int(known[0])


def _single_token(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        found = "unknown to this tokenizer" if tokenizer.unk_token_id in ids else f"{len(ids)} tokens of this tokenizer"
        raise InputError(f"the verdict {word!r} is {found}; expected exactly one token.")
    return int(ids[0])


def _first_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """BOS, where the tokenizer begins texts with it."""
    ids = tokenizer("a")["input_ids"]
    return [tokenizer.bos_token_id] if ids and ids[0] == tokenizer.bos_token_id else []


def _separator_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """A line break, or EOS where the tokenizer knows none."""
    ids: list[int] = tokenizer(SEPARATOR, add_special_tokens=False)["input_ids"]
    return ids if ids and tokenizer.unk_token_id not in ids else [tokenizer.eos_token_id]
