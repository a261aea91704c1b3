"""Loading, teacher-forced scoring and cached decoding, for both model kinds."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import BertConfig, BertForMaskedLM, T5Config, T5EncoderModel

from annotation.errors import InputError
from rl.policy import (
    Decoding,
    encode_prompts,
    evaluating,
    freeze,
    load_policy,
    make_value_model,
    response_logits,
    response_values,
    save_policy,
)
from rl.support import token_log_probs
from tests.rl.tiny import ARCHITECTURES, PROMPTS, build_model, build_tokenizer, save_tiny

RESPONSES = torch.tensor([[5, 6, 1, 0], [3, 3, 4, 1], [9, 1, 0, 0], [4, 8, 7, 6], [1, 0, 0, 0], [7, 7, 7, 1]])
# Float32 sums in another order differ by some 1e-7 of logits of size 1 to 10; a wrong mask or position moves them by
# more than 1e-2 on these models.
TOLERANCE = 1e-5


def score(kind: str, prompts: tuple[str, ...] = PROMPTS, rows: slice = slice(None)) -> Tensor:
    model, tokenizer = build_model(kind), build_tokenizer()
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, prompts[rows], horizon=4)
    return response_logits(model, prompt_ids, is_prompt, RESPONSES[rows])


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_it_gives_one_row_of_logits_for_each_response_token(kind: str) -> None:
    assert score(kind).shape == (6, 4, 14)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_padding_a_prompt_does_not_change_its_logits(kind: str) -> None:
    together = score(kind)
    for row in range(len(PROMPTS)):
        alone = score(kind, rows=slice(row, row + 1))
        torch.testing.assert_close(alone[0], together[row], atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_what_follows_a_position_does_not_change_its_logits(kind: str) -> None:
    model, tokenizer = build_model(kind), build_tokenizer()
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, PROMPTS, horizon=4)
    changed = RESPONSES.clone()
    changed[:, 2:] = 11
    first = response_logits(model, prompt_ids, is_prompt, RESPONSES)[:, :3]
    second = response_logits(model, prompt_ids, is_prompt, changed)[:, :3]
    torch.testing.assert_close(first, second, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_cached_decoding_gives_the_teacher_forced_logits(kind: str) -> None:
    model, tokenizer = build_model(kind), build_tokenizer()
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, PROMPTS, horizon=4)
    expected = response_logits(model, prompt_ids, is_prompt, RESPONSES)
    decoding = Decoding(model, prompt_ids, is_prompt)
    tokens = None
    with torch.no_grad():
        for position in range(4):
            logits = decoding.advance(tokens)
            torch.testing.assert_close(logits, expected[:, position], atol=TOLERANCE, rtol=TOLERANCE)
            tokens = RESPONSES[:, position]


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_cached_decoding_goes_on_with_the_rows_it_is_told_to_keep(kind: str) -> None:
    model, tokenizer = build_model(kind), build_tokenizer()
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, PROMPTS, horizon=4)
    expected = response_logits(model, prompt_ids, is_prompt, RESPONSES)
    decoding, rows = Decoding(model, prompt_ids, is_prompt), torch.tensor([1, 3, 5])
    with torch.no_grad():
        decoding.advance(None)
        decoding.keep(rows)
        for position in range(3):
            logits = decoding.advance(RESPONSES[rows, position])
            torch.testing.assert_close(logits, expected[rows, position + 1], atol=TOLERANCE, rtol=TOLERANCE)


def test_t5_is_scored_on_the_shifted_response_after_its_start_token() -> None:
    model, tokenizer = build_model("t5"), build_tokenizer()
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, ["dog ball"], horizon=3)
    seen: list[Tensor] = []
    model.decoder.register_forward_pre_hook(lambda _, __, given: seen.append(given["input_ids"]), with_kwargs=True)
    response_logits(model, prompt_ids, is_prompt, torch.tensor([[7, 8, 1]]))
    assert seen[0].tolist() == [[0, 7, 8]]


def test_gpt2_is_scored_on_the_positions_before_each_response_token() -> None:
    model, tokenizer = build_model("gpt2"), build_tokenizer()
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, ["dog ball"], horizon=3)
    whole = model(input_ids=torch.tensor([[3, 5, 7, 8, 1]])).logits
    scored = response_logits(model, prompt_ids, is_prompt, torch.tensor([[7, 8, 1]]))
    torch.testing.assert_close(scored, whole[:, 1:4], atol=TOLERANCE, rtol=TOLERANCE)


def test_the_t5_start_token_is_seen_although_it_is_the_pad_token() -> None:
    model, tokenizer = build_model("t5"), build_tokenizer()
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, ["dog ball"], horizon=3)
    start_and_one = torch.tensor([[0, 7]])
    unmasked = model(input_ids=prompt_ids, decoder_input_ids=start_and_one).logits
    hidden = model(
        input_ids=prompt_ids, decoder_input_ids=start_and_one, decoder_attention_mask=(start_and_one != 0).long()
    ).logits
    scored = response_logits(model, prompt_ids, is_prompt, torch.tensor([[7, 8]]))
    torch.testing.assert_close(scored, unmasked, atol=TOLERANCE, rtol=TOLERANCE)
    assert (scored[:, 1] - hidden[:, 1]).abs().max() > 1e-3, "the trap would show on this model"


def test_log_probabilities_are_float32_whatever_the_logits_are() -> None:
    logits = torch.randn(2, 3, 50, dtype=torch.float64) * 20
    ids = torch.randint(50, (2, 3))
    exact = logits.log_softmax(-1).gather(-1, ids[..., None])[..., 0]
    # float32 holds these sums (up to 80) to 2**-24 relative, some 5e-6 absolute.
    torch.testing.assert_close(token_log_probs(logits.float(), ids).double(), exact, atol=2e-5, rtol=0)
    assert token_log_probs(logits.bfloat16(), ids).dtype == torch.float32


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_a_checkpoint_in_half_precision_is_loaded_in_float32(kind: str, precision: torch.dtype, tmp_path: Path) -> None:
    """T5's activations pass the largest float16 number, and sampled and scored logits would be rounded apart."""
    model, tokenizer = build_model(kind).to(precision), build_tokenizer()
    save_policy(model, tokenizer, tmp_path / "model")
    loaded, _ = load_policy(tmp_path / "model")
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}
    prompt_ids, is_prompt = encode_prompts(loaded, tokenizer, PROMPTS, horizon=4)
    assert response_logits(loaded, prompt_ids, is_prompt, RESPONSES).dtype == torch.float32


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_evaluation_mode_is_set_inside_and_restored_after(kind: str) -> None:
    model = build_model(kind).train()
    with evaluating(model, None):
        assert not model.training
    assert model.training


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_loaded_policy_has_dropout_off(kind: str, tmp_path: Path) -> None:
    model, tokenizer = load_policy(save_tiny(kind, tmp_path / "model"))
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, PROMPTS, horizon=4)
    passes = [response_logits(model, prompt_ids, is_prompt, RESPONSES) for _ in range(2)]
    assert torch.equal(*passes)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_the_value_model_is_a_separate_copy_that_starts_at_zero(kind: str) -> None:
    model, tokenizer = build_model(kind), build_tokenizer()
    value_model = make_value_model(model)
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, PROMPTS, horizon=4)
    values = response_values(value_model, prompt_ids, is_prompt, RESPONSES)
    assert values.shape == (6, 4)
    assert not values.any()
    shared = {id(parameter) for parameter in model.parameters()} & {id(one) for one in value_model.parameters()}
    assert not shared


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_making_a_value_model_leaves_the_policy_as_it_was(kind: str) -> None:
    model = build_model(kind)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    make_value_model(model)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_frozen_copy_does_not_follow_the_policy(kind: str) -> None:
    model = build_model(kind)
    copy = freeze(model)
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    assert not torch.equal(next(model.parameters()), next(copy.parameters()))
    assert not any(parameter.requires_grad for parameter in copy.parameters())


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_saved_policy_loads_again_with_the_same_logits(kind: str, tmp_path: Path) -> None:
    model, tokenizer = build_model(kind), build_tokenizer()
    save_policy(model, tokenizer, tmp_path / "policy")
    again, _ = load_policy(tmp_path / "policy")
    prompt_ids, is_prompt = encode_prompts(model, tokenizer, PROMPTS, horizon=4)
    first, second = (response_logits(each, prompt_ids, is_prompt, RESPONSES) for each in (model, again))
    assert torch.equal(first, second)


def test_prompts_are_padded_left_for_causal_models_and_right_for_the_others() -> None:
    tokenizer = build_tokenizer()
    _, left = encode_prompts(build_model("gpt2"), tokenizer, PROMPTS, horizon=4)
    _, right = encode_prompts(build_model("t5"), tokenizer, PROMPTS, horizon=4)
    assert left[:, -1].all()
    assert right[:, 0].all()


def test_it_rejects_a_prompt_longer_than_the_window() -> None:
    with pytest.raises(InputError, match=r"needs 80 positions with a horizon of 20; the model's window is 64"):
        encode_prompts(build_model("gpt2"), build_tokenizer(), ["dog " * 60], horizon=20)


def test_it_rejects_a_prompt_without_tokens() -> None:
    with pytest.raises(InputError, match="has no tokens"):
        encode_prompts(build_model("gpt2"), build_tokenizer(), ["dog", " "], horizon=4)


def test_it_rejects_a_folder_that_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a model checkpoint"):
        load_policy(tmp_path)


def test_it_rejects_a_corrupted_checkpoint(tmp_path: Path) -> None:
    folder = save_tiny("t5", tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"not weights at all")
    with pytest.raises(InputError, match="weights cannot be read"):
        load_policy(folder)


def test_it_rejects_a_checkpoint_without_the_decoder(tmp_path: Path) -> None:
    folder = save_tiny("t5", tmp_path / "model")
    T5EncoderModel(T5Config(vocab_size=14, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)).save_pretrained(
        folder
    )
    with pytest.raises(InputError, match="holds a model without a decoder"):
        load_policy(folder)


def test_it_rejects_a_checkpoint_that_lacks_weights(tmp_path: Path) -> None:
    folder = save_tiny("t5", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    del weights["decoder.final_layer_norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        InputError, match=r"lacks 1 weights of the model, the first is 'decoder.final_layer_norm.weight'"
    ):
        load_policy(folder)


def test_it_rejects_an_encoder_only_model(tmp_path: Path) -> None:
    config = BertConfig(vocab_size=14, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="without a decoder"):
        load_policy(tmp_path)


def test_it_rejects_a_tokenizer_without_eos(tmp_path: Path) -> None:
    folder = save_tiny("t5", tmp_path / "model")
    tokenizer = build_tokenizer()
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    with pytest.raises(InputError, match="has no EOS token"):
        load_policy(folder)


def test_it_rejects_a_model_without_a_tokenizer(tmp_path: Path) -> None:
    build_model("t5").save_pretrained(tmp_path)
    with pytest.raises(InputError, match="tokenizer"):
        load_policy(tmp_path)
