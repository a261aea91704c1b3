"""Sampled responses: what is recorded is what was drawn from."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from rl.nlpo import MaskingPolicy, NlpoConfig
from rl.policy import encode_prompts, response_logits
from rl.rollout import Rollout, respond_greedily, sample_responses
from rl.sampling import Noise, Sampler
from rl.support import smallest_support, token_log_probs
from tests.rl.tiny import KINDS, PROMPTS, build_model, build_tokenizer

HORIZON = 8
EOS = 1
MANY = PROMPTS * 5


def sample(kind: str, **options: object) -> Rollout:
    settings = {"horizon": HORIZON, "noise": Noise(0)} | options
    return sample_responses(build_model(kind), build_tokenizer(), MANY, **settings)  # type: ignore[arg-type]


def mask_of(kind: str, top_mass: float) -> MaskingPolicy:
    """Another model than the policy, so that a support taken from the wrong one shows."""
    return MaskingPolicy(build_model(kind, seed=10), NlpoConfig(top_mass))


def score(model: PreTrainedModel, rollout: Rollout) -> Tensor:
    return response_logits(model, rollout.prompt_ids, rollout.is_prompt, rollout.response_ids).detach()


@pytest.mark.parametrize("kind", KINDS)
def test_responses_end_with_eos_or_at_the_horizon(kind: str) -> None:
    rollout = sample(kind)
    lengths = rollout.is_response.sum(dim=1).tolist()
    assert len(set(lengths)) > 2, "the batch is ragged"
    for ids, counted, length in zip(rollout.response_ids.tolist(), rollout.is_response.tolist(), lengths, strict=True):
        assert counted == [place < length for place in range(len(ids))]
        assert EOS not in ids[: length - 1]
        assert ids[length - 1] == EOS or length == HORIZON
        assert not any(ids[length:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top_mass", [None, 0.5, 1.0])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_the_recorded_log_probabilities_are_the_teacher_forced_ones(
    kind: str, top_mass: float | None, temperature: float
) -> None:
    """So the ratio at the first minibatch is 1, ragged batch, mask and temperature included."""
    masked = {} if top_mass is None else {"mask": mask_of(kind, top_mass)}
    rollout = sample(kind, sampler=Sampler(temperature), **masked)
    logits = score(build_model(kind), rollout) / temperature
    expected = token_log_probs(logits, rollout.response_ids, rollout.is_kept())
    counted = rollout.is_response
    # Cached and teacher-forced float32 logits differ by some 1e-6; a wrong mask by more than 1e-2.
    torch.testing.assert_close(rollout.log_probs[counted], expected[counted], atol=2e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_support_is_that_of_the_masking_policy_and_holds_every_sampled_token(kind: str) -> None:
    masking_policy = build_model(kind, seed=10)
    rollout = sample(kind, mask=MaskingPolicy(masking_policy, NlpoConfig(0.6)))
    is_kept = rollout.is_kept()
    assert is_kept is not None
    sampled_is_kept = is_kept.gather(-1, rollout.response_ids[..., None])[..., 0]
    assert sampled_is_kept[rollout.is_response].all()
    assert is_kept[~rollout.is_response].all()
    probabilities = score(masking_policy, rollout).softmax(-1)
    expected = smallest_support(probabilities.flatten(0, 1), 0.6).view_as(is_kept)
    # The cache rounds otherwise, so a token whose cumulative mass is p itself may fall on either side: none does here.
    assert torch.equal(is_kept[rollout.is_response], expected[rollout.is_response])


@pytest.mark.parametrize("kind", KINDS)
def test_a_rows_sample_does_not_depend_on_its_batch(kind: str) -> None:
    model, tokenizer = build_model(kind), build_tokenizer()
    keys = [f"key-{place}" for place in range(len(MANY))]
    whole = sample(kind, keys=keys).completions(tokenizer)
    assert sample(kind, keys=keys, batch_size=3).completions(tokenizer) == whole
    order = list(reversed(range(len(MANY))))[:7]
    part = sample_responses(
        model,
        tokenizer,
        [MANY[place] for place in order],
        horizon=HORIZON,
        noise=Noise(0),
        keys=[keys[place] for place in order],
    )
    assert part.completions(tokenizer) == [whole[place] for place in order]


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_prompts_get_different_samples(kind: str) -> None:
    tokenizer = build_tokenizer()
    texts = sample_responses(build_model(kind), tokenizer, ["dog"] * 30, horizon=HORIZON, noise=Noise(0))
    assert len(set(texts.completions(tokenizer))) > 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top_mass", [None, 0.7])
def test_first_tokens_follow_the_renormalised_softmax(kind: str, top_mass: float | None) -> None:
    model, tokenizer = build_model(kind), build_tokenizer()
    count = 4000
    mask = None if top_mass is None else mask_of(kind, top_mass)
    rollout = sample_responses(model, tokenizer, ["dog ball"] * count, horizon=1, noise=Noise(2), mask=mask)
    logits = score(model, rollout.rows(torch.tensor([0])))[0, 0]
    is_kept = rollout.is_kept()
    if is_kept is not None:
        logits = logits.masked_fill(~is_kept[0, 0], -torch.inf)
    probabilities = logits.softmax(-1)
    frequencies = torch.bincount(rollout.response_ids[:, 0], minlength=len(logits)) / count
    standard_error = (probabilities * (1 - probabilities) / count).sqrt()
    # 4.5 standard errors of a multinomial cell: exceeded once in 10,000 draws of 14 cells; the seed is fixed.
    assert ((frequencies - probabilities).abs() <= 4.5 * standard_error + 1e-12).all()


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_responses_take_the_most_likely_token(kind: str) -> None:
    model = build_model(kind)
    rollout = respond_greedily(model, build_tokenizer(), PROMPTS, horizon=HORIZON)
    counted = rollout.is_response
    assert torch.equal(score(model, rollout).argmax(-1)[counted], rollout.response_ids[counted])


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_responses_are_as_long_as_they_have_to_be(kind: str) -> None:
    model, tokenizer = build_model(kind, seed={"t5": 4, "gpt2": 18}[kind]), build_tokenizer()  # both end at once
    free, long = (
        respond_greedily(model, tokenizer, PROMPTS, horizon=HORIZON, min_length=length).is_response.sum(dim=1)
        for length in (0, HORIZON - 1)
    )
    assert free.min() == 1
    assert long.min() >= HORIZON - 1


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_turns_dropout_off_and_restores_the_mode(kind: str) -> None:
    tokenizer, training = build_tokenizer(), build_model(kind, dropout=0.5).train()
    rollout = sample_responses(training, tokenizer, MANY, horizon=HORIZON, noise=Noise(0))
    assert training.training
    assert torch.equal(rollout.response_ids, sample(kind).response_ids)


@pytest.mark.parametrize("kind", KINDS)
def test_an_eos_that_is_also_the_pad_counts_once(kind: str) -> None:
    """As with GPT-2, whose tokenizer has no pad token: the slots after EOS hold EOS and do not count."""
    tokenizer = build_tokenizer(pad=False)
    tokenizer.pad_token = tokenizer.eos_token
    rollout = sample_responses(build_model(kind), tokenizer, MANY, horizon=HORIZON, noise=Noise(0))
    assert torch.equal(rollout.is_response, sample(kind).is_response)
    is_eos = rollout.response_ids == EOS
    assert (is_eos & rollout.is_response).sum(dim=1).max() == 1
    assert is_eos[~rollout.is_response].all()


@pytest.mark.parametrize("kind", KINDS)
def test_picked_rows_are_cut_to_their_longest_and_score_the_same(kind: str) -> None:
    model = build_model(kind)
    rollout = sample(kind, mask=mask_of(kind, 0.6))
    lengths = rollout.is_response.sum(dim=1)
    indices = lengths.argsort()[:2]
    part = rollout.rows(indices)
    width = int(lengths[indices].max())
    assert width < rollout.response_ids.shape[1]
    assert part.response_ids.shape == (2, width)
    assert part.is_prompt.any(dim=0).all()
    assert torch.equal(part.log_probs, rollout.log_probs[indices, :width])
    kept, whole = part.is_kept(), rollout.is_kept()
    assert kept is not None
    assert whole is not None
    assert torch.equal(kept, whole[indices, :width])
    counted = part.is_response
    torch.testing.assert_close(
        score(model, part)[counted], score(model, rollout)[indices, :width][counted], atol=1e-5, rtol=1e-5
    )


def test_completions_leave_out_special_tokens() -> None:
    tokenizer = build_tokenizer()
    rollout = sample("t5")
    ids = torch.tensor([[3, 5, EOS, 0]])
    one = replace(
        rollout.rows(torch.tensor([0])), response_ids=ids, is_response=torch.tensor([[True, True, True, False]])
    )
    assert one.completions(tokenizer) == ["dog ball"]


def test_the_encoding_of_prompts_is_that_of_the_tokenizer() -> None:
    prompt_ids, is_prompt = encode_prompts(build_model("t5"), build_tokenizer(), ["the dog"], horizon=4)
    assert prompt_ids.tolist() == [[8, 3]]
    assert is_prompt.all()
