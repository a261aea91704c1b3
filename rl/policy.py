"""Policies: loading them, scoring responses under them, decoding from them with a cache.

Any unmodified `AutoModelForSeq2SeqLM` or `AutoModelForCausalLM` is a policy. Shapes: B rows, P prompt positions,
T response positions, V vocabulary. Masks are True where a position counts. Prompts are padded on the right for
encoder-decoders and on the left for causal models, so that a causal response begins right after its prompt.
"""

import contextlib
import copy
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DynamicCache,
    EncoderDecoderCache,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils.logging import disable_progress_bar

from annotation.errors import InputError

disable_progress_bar()  # loading and saving are quick; the bar on the screen is the training's


def load_policy(
    path: Path | str, device: str = "cpu", *, attention: str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model (float32, evaluation mode) and tokenizer of a `save_pretrained` folder or a hub name.

    attention: an implementation by its transformers name; "eager" where second derivatives are taken.
    """
    try:
        config = AutoConfig.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a model checkpoint: expected a folder written by save_pretrained.") from error
    if any("MaskedLM" in name for name in config.architectures or ()):
        raise InputError(f"{path} holds a {config.model_type} model without a decoder; expected one that generates.")
    family = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model = _load_weights(family, path, {} if attention is None else {"attn_implementation": attention})
    tokenizer = load_tokenizer(path, causal=not config.is_encoder_decoder)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise InputError(f"{path}: the tokenizer has {len(tokenizer)} tokens, more than the model has embeddings.")
    return model.to(device).eval(), tokenizer


def _load_weights(family: Any, path: Path | str, options: dict[str, str]) -> Any:
    try:
        model, report = family.from_pretrained(path, dtype=torch.float32, output_loading_info=True, **options)
    except ValueError as error:
        raise InputError(f"{path} holds a model without a decoder; expected one that generates text.") from error
    except Exception as error:  # each weight format has its own class of error for a broken file
        raise InputError(
            f"{path}: the model's weights cannot be read ({' '.join(str(error).split())[:200]})."
        ) from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise InputError(
            f"{path}: the checkpoint lacks {len(missing)} weights of the model, the first is {missing[0]!r}."
        )
    return model


def available_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def load_tokenizer(path: Path | str, *, causal: bool) -> PreTrainedTokenizerBase:
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(
            f"{path} has no tokenizer beside the model; expected one written by save_pretrained."
        ) from error
    if tokenizer.eos_token_id is None:
        raise InputError(f"{path}: the tokenizer has no EOS token, so that no response could ever end.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # GPT-2 has none; masks, never ids, tell which slots count
    tokenizer.padding_side = "left" if causal else "right"
    return tokenizer


def save_policy(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """A plain `save_pretrained` folder with the tokenizer, which `load_policy` and any transformers code can read."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def make_value_model(model: PreTrainedModel) -> PreTrainedModel:
    """V_φ: a separate copy of the policy's weights whose output layer is a new scalar head at zero.

    Its `response_logits` are (B, T, 1): `response_values` takes the last dimension off.
    """
    value_model = copy.deepcopy(model)
    value_model.set_output_embeddings(make_value_head(model))
    bias = getattr(value_model, "final_logits_bias", None)
    if isinstance(bias, Tensor):  # BART adds it to the output, one entry a token of the vocabulary
        value_model.final_logits_bias = bias.new_zeros(1, 1)
    return value_model


def make_value_head(model: PreTrainedModel) -> nn.Linear:
    """V_φ on the policy's own trunk: a new scalar head at zero for its last hidden states."""
    head = nn.Linear(model.get_output_embeddings().weight.shape[1], 1).to(model.device, model.dtype)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def freeze(model: PreTrainedModel) -> PreTrainedModel:
    """A copy that nothing trains: the reference π_0 and the masking policy π_ψ."""
    return copy.deepcopy(model).eval().requires_grad_(False)


@contextlib.contextmanager
def evaluating(*models: PreTrainedModel | None) -> Iterator[None]:
    """Dropout off inside the block; each model's mode is restored after it."""
    present = [model for model in models if model is not None]
    modes = [model.training for model in present]
    for model in present:
        model.eval()
    try:
        yield
    finally:
        for model, training in zip(present, modes, strict=True):
            model.train(training)


def encode_prompts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str], horizon: int
) -> tuple[Tensor, Tensor]:
    """Prompt ids (B, P) and is_prompt (B, P) on the model's device; InputError if a prompt is empty or too long."""
    side = "right" if model.config.is_encoder_decoder else "left"
    encoded = tokenizer(list(prompts), padding=True, padding_side=side, return_tensors="pt")
    is_prompt = encoded["attention_mask"].bool()
    lengths = is_prompt.sum(dim=1)
    if int(lengths.min()) == 0:
        raise InputError(f"prompt {prompts[int(lengths.argmin())]!r} has no tokens; expected text.")
    window = getattr(model.config, "max_position_embeddings", None)
    needed = int(lengths.max()) + (0 if model.config.is_encoder_decoder else horizon)
    if window is not None and max(needed, horizon) > window:
        raise InputError(
            f"prompt {prompts[int(lengths.argmax())][:60]!r} needs {needed} positions with a horizon of {horizon}; "
            f"the model's window is {window}."
        )
    return encoded["input_ids"].to(model.device), is_prompt.to(model.device)


def response_logits(model: PreTrainedModel, prompt_ids: Tensor, is_prompt: Tensor, response_ids: Tensor) -> Tensor:
    """The one teacher-forced scoring function: logits (B, T, V), entry t for the token at response position t."""
    if model.config.is_encoder_decoder:
        start = response_ids.new_full((len(response_ids), 1), decoder_start(model))
        decoder_ids = torch.cat([start, response_ids[:, :-1]], dim=1)
        # Ones, not `ids != pad`: T5 starts on the pad token, and a mask made from ids would hide it.
        return model(
            input_ids=prompt_ids,
            attention_mask=is_prompt.long(),
            decoder_input_ids=decoder_ids,
            decoder_attention_mask=torch.ones_like(decoder_ids),
            use_cache=False,
        ).logits
    length = response_ids.shape[1]
    input_ids = torch.cat([prompt_ids, response_ids[:, :-1]], dim=1)
    attention_mask = torch.cat([is_prompt.long(), torch.ones_like(response_ids[:, :-1])], dim=1)
    options = _causal_options(model, attention_mask, last=length)
    return model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False, **options).logits[:, -length:]


def response_logits_and_states(
    model: PreTrainedModel, prompt_ids: Tensor, is_prompt: Tensor, response_ids: Tensor
) -> tuple[Tensor, Tensor]:
    """The logits, and the hidden states (B, T, width) that the output layer read them from, in one pass."""
    states: list[Tensor] = []
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, inputs: states.append(inputs[0]))
    try:
        logits = response_logits(model, prompt_ids, is_prompt, response_ids)
    finally:
        hook.remove()
    return logits, states[0][:, -response_ids.shape[1] :]


def response_values(
    value_model: PreTrainedModel, prompt_ids: Tensor, is_prompt: Tensor, response_ids: Tensor
) -> Tensor:
    """V_φ(s_t), (B, T): the state before response token t."""
    return response_logits(value_model, prompt_ids, is_prompt, response_ids)[..., 0].float()


def decoder_start(model: PreTrainedModel) -> int:
    start = model.config.decoder_start_token_id
    if start is None and model.generation_config is not None:
        start = model.generation_config.decoder_start_token_id
    if start is None:
        raise InputError(f"the {model.config.model_type} model names no decoder_start_token_id in its configuration.")
    return int(start)


def _causal_options(model: PreTrainedModel, attention_mask: Tensor, last: int) -> dict[str, Any]:
    """Position ids counted from each row's first real token (left padding must not shift them), and no logits that
    nobody reads, for the models that take these arguments."""
    accepted = inspect.signature(model.forward).parameters
    options: dict[str, Any] = {}
    if "position_ids" in accepted:
        # Only padding after a short response, beside a longer one, can lie behind the window: what counts was checked.
        window = getattr(model.config, "max_position_embeddings", None)
        last_position = None if window is None else window - 1
        options["position_ids"] = (attention_mask.cumsum(dim=1) - 1).clamp(min=0, max=last_position)
    if "logits_to_keep" in accepted:
        options["logits_to_keep"] = last
    return options


class Decoding:
    """One model's cached decode of a batch: `advance` takes the last tokens and gives the next token's logits.

    Each model has its own instance, so the masking policy reads its own encoder output and its own cache.
    """

    def __init__(self, model: PreTrainedModel, prompt_ids: Tensor, is_prompt: Tensor) -> None:
        self.model = model
        self.attention_mask = is_prompt.long()
        self.prompt_ids = prompt_ids
        self.encoded: Tensor | None = None
        decoder_config = model.config.get_text_config(decoder=True)
        self.cache: Any = DynamicCache(config=decoder_config)
        if model.config.is_encoder_decoder:
            self.cache = EncoderDecoderCache(self.cache, DynamicCache(config=decoder_config))
            encoder = model.get_encoder()
            self.encoded = encoder(input_ids=prompt_ids, attention_mask=self.attention_mask).last_hidden_state

    def advance(self, tokens: Tensor | None) -> Tensor:
        """Logits (B, V) after `tokens` (B,); None before the first token."""
        return self._advance_causal(tokens) if self.encoded is None else self._advance_decoder(tokens)

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows only (positions in the present batch)."""
        self.cache.batch_select_indices(rows)
        self.attention_mask = self.attention_mask[rows]
        if self.encoded is not None:
            self.encoded = self.encoded[rows]

    def _advance_decoder(self, tokens: Tensor | None) -> Tensor:
        if tokens is None:
            tokens = self.attention_mask.new_full((len(self.attention_mask),), decoder_start(self.model))
        output = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=self.encoded),
            attention_mask=self.attention_mask,
            decoder_input_ids=tokens[:, None],
            past_key_values=self.cache,
            use_cache=True,
        )
        return output.logits[:, -1]

    def _advance_causal(self, tokens: Tensor | None) -> Tensor:
        input_ids = self.prompt_ids
        if tokens is not None:
            input_ids = tokens[:, None]
            self.attention_mask = torch.cat([self.attention_mask, torch.ones_like(input_ids)], dim=1)
        options = _causal_options(self.model, self.attention_mask, last=1)
        if "position_ids" in options:
            options["position_ids"] = options["position_ids"][:, -input_ids.shape[1] :]
        output = self.model(
            input_ids=input_ids,
            attention_mask=self.attention_mask,
            past_key_values=self.cache,
            use_cache=True,
            **options,
        )
        return output.logits[:, -1]
