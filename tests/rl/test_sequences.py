"""Given responses as token ids: how they are encoded, padded and scored, for both model kinds."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from tokenizers import processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)

from annotation.errors import InputError
from rl.policy import encode_prompts
from rl.sequences import (
    Batch,
    Example,
    collate,
    encode_prompt_texts,
    encode_response_texts,
    expect_fit,
    is_causal,
    response_log_probs,
)
from tests.rl.examples import EOS, EXAMPLES, TOLERANCE, brute_force_log_probs, widen
from tests.rl.tiny import KINDS, PROMPTS, build_model, build_tokenizer

SMALL = {
    "vocab_size": 14,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
}


def batch_of(model: PreTrainedModel, examples: Sequence[Example] = EXAMPLES, pad_id: int = 0) -> Batch:
    return collate(examples, causal=is_causal(model), pad=pad_id)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pad_id", [0, EOS])
def test_log_probabilities_are_those_of_brute_force_whatever_the_pad_token(kind: str, pad_id: int) -> None:
    model = build_model(kind)
    expected = torch.stack([brute_force_log_probs(model, example).sum() for example in EXAMPLES])
    scored = response_log_probs(model, batch_of(model, pad_id=pad_id))
    torch.testing.assert_close(scored.double(), expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize(
    ("family", "config"),
    [
        (LlamaForCausalLM, LlamaConfig(hidden_size=16, intermediate_size=32, initializer_range=0.3, **SMALL)),
        (BartForConditionalGeneration, BartConfig(d_model=16, init_std=0.3, decoder_start_token_id=1, **SMALL)),
    ],
    ids=["llama", "bart"],
)
def test_other_architectures_are_scored_alike(family: type[PreTrainedModel], config: PreTrainedConfig) -> None:
    torch.manual_seed(0)
    model = family(config).eval()
    expected = torch.stack([brute_force_log_probs(model, example).sum() for example in EXAMPLES])
    scored = response_log_probs(model, batch_of(model))
    torch.testing.assert_close(scored.double(), expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_more_padding_changes_no_log_probability(kind: str) -> None:
    model = build_model(kind)
    batch = batch_of(model)
    wide = response_log_probs(model, widen(batch, 3, causal=is_causal(model)))
    torch.testing.assert_close(wide, response_log_probs(model, batch), atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_not_a_number_in_padding_changes_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(kind)
    batch = batch_of(model)
    expected = response_log_probs(model, batch)
    logits = batch.logits(model)
    spoiled = logits.masked_fill(~batch.is_response[..., None], torch.nan)
    monkeypatch.setattr("rl.sequences.response_logits", lambda *_: spoiled)
    assert torch.equal(response_log_probs(model, batch), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_masks_come_from_lengths_although_eos_is_the_pad_token(kind: str) -> None:
    batch = batch_of(build_model(kind), pad_id=EOS)
    assert batch.is_response.sum(dim=1).tolist() == [3, 2, 5, 1]
    assert batch.is_prompt.sum(dim=1).tolist() == [2, 5, 1, 3]


def test_prompts_are_padded_as_the_rollouts_are() -> None:
    for kind in KINDS:
        model, tokenizer = build_model(kind), build_tokenizer()
        prompts = encode_prompt_texts(tokenizer, PROMPTS)
        batch = batch_of(model, [Example(prompt, (EOS,)) for prompt in prompts])
        ids, is_prompt = encode_prompts(model, tokenizer, PROMPTS, horizon=4)
        assert torch.equal(batch.prompt_ids, ids)
        assert torch.equal(batch.is_prompt, is_prompt)


@pytest.mark.parametrize("appends", [False, True], ids=["bare", "appends EOS"])
@pytest.mark.parametrize("causal", [False, True], ids=["seq2seq", "causal"])
def test_every_response_ends_with_exactly_one_eos(appends: bool, causal: bool) -> None:
    tokenizer = build_tokenizer()
    if appends:
        template = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
        tokenizer.backend_tokenizer.post_processor = template
    texts = ["dog cat", "dog cat </s>", ""]
    assert encode_response_texts(tokenizer, texts, causal=causal) == [(3, 4, EOS), (3, 4, EOS), (EOS,)]


def test_a_causal_response_gets_no_second_bos() -> None:
    tokenizer = build_tokenizer()
    template = processors.TemplateProcessing(single="<unk> $A", special_tokens=[("<unk>", 2)])
    tokenizer.backend_tokenizer.post_processor = template
    assert encode_prompt_texts(tokenizer, ["dog"]) == [(2, 3)]
    assert encode_response_texts(tokenizer, ["dog"], causal=True) == [(3, EOS)]
    assert encode_response_texts(tokenizer, ["dog"], causal=False) == [(2, 3, EOS)]


def test_it_rejects_a_response_with_eos_inside() -> None:
    with pytest.raises(InputError, match="response 'dog </s> cat' has the EOS token '</s>' before its end"):
        encode_response_texts(build_tokenizer(), ["dog </s> cat"], causal=True)


def test_it_rejects_what_is_longer_than_the_window() -> None:
    long = Example((3,) * 40, (4,) * 25)
    with pytest.raises(InputError, match=r"x: 40 prompt tokens and 25 response tokens need 65 positions; .* is 64"):
        expect_fit(build_model("gpt2"), long, "x")
    expect_fit(build_model("gpt2"), replace(long, response=(4,) * 24), "x")
    expect_fit(build_model("t5"), long, "x")  # relative positions: no window
    with pytest.raises(InputError, match="x: the prompt has no tokens"):
        expect_fit(build_model("gpt2"), Example((), (4,)), "x")


def test_a_long_prompt_beside_a_long_response_is_scored_although_padding_passes_the_window() -> None:
    model = build_model("gpt2")
    examples = (Example((3, 4) * 29, (5, EOS)), Example((4,), (5, 6, 7) * 19 + (EOS,)))
    expected = torch.stack([brute_force_log_probs(model, example).sum() for example in examples])
    scored = response_log_probs(model, batch_of(model, examples))
    # 58 tokens are summed, of log-probabilities of size 1 to 10: ten times the tolerance of a few tokens.
    torch.testing.assert_close(scored.double(), expected, atol=10 * TOLERANCE, rtol=TOLERANCE)
