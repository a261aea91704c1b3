"""The reward model: its score by brute force, its losses by hand, and what it learns."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration

from annotation.errors import InputError
from annotation.run_folders import open_run
from reward_models.checkpoints import load_base_model, load_model, save_model
from reward_models.config import RewardModelConfig
from reward_models.dataset import PairSplits, shuffle_votes, split_pairs, vote_fraction
from reward_models.layouts import ScoreSettings
from reward_models.losses import pair_loss, score_pairs
from reward_models.model import PreferenceModel
from reward_models.scoring import Scorer, load_scorer
from reward_models.train import train_reward_model
from tests.reward_models.pairs import make_pair, make_pairs


def untrained(base: Path, layout: str = "decoder") -> PreferenceModel:
    return load_base_model(str(base), layout).eval()  # type: ignore[arg-type]


@torch.no_grad()
def test_the_decoder_layout_is_a_plain_forward_pass(base: Path) -> None:
    model = untrained(base)
    prompt, completion = "say red number 1", "red blue."
    tokenizer = model.tokenizer
    read = tokenizer(completion, return_tensors="pt")["input_ids"]  # ends with EOS
    decoder_ids = torch.cat([torch.tensor([[0]]), read], dim=1)
    logits = model.network(
        input_ids=tokenizer(prompt, return_tensors="pt")["input_ids"], decoder_input_ids=decoder_ids
    ).logits[0, -1]
    good, bad = (tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in ("good", "bad"))
    expected = (logits[good] - logits[bad]).item()
    assert model([prompt], [completion]).item() == pytest.approx(expected, abs=1e-5)  # float32 sums in another order


@torch.no_grad()
def test_the_mean_layout_averages_the_verdicts_after_each_token(base: Path) -> None:
    """Each verdict by a pass of its own over what had been read by then; EOS is the last token."""
    model = untrained(base, "decoder-mean")
    prompt, completion = "say red number 1", "red blue."
    read = model.tokenizer(completion)["input_ids"]  # ends with EOS
    good, bad = model.verdict_ids
    prompt_ids = model.tokenizer(prompt, return_tensors="pt")["input_ids"]
    verdicts = []
    for length in range(1, len(read) + 1):
        decoder_ids = torch.tensor([[0, *read[:length]]])
        logits = model.network(input_ids=prompt_ids, decoder_input_ids=decoder_ids).logits[0, -1]
        verdicts.append((logits[good] - logits[bad]).item())
    assert len(verdicts) > 2
    assert model([prompt], [completion]).item() == pytest.approx(np.mean(verdicts), abs=1e-5)


@torch.no_grad()
def test_the_encoder_layout_reads_the_first_decoder_step(base: Path) -> None:
    model = untrained(base, "encoder")
    tokenizer = model.tokenizer
    ids = tokenizer("say red")["input_ids"] + tokenizer("red.")["input_ids"]  # each ends with EOS
    logits = model.network(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([[0]])).logits[0, 0]
    good, bad = model.verdict_ids
    assert model(["say red"], ["red."]).item() == pytest.approx((logits[good] - logits[bad]).item(), abs=1e-5)


@pytest.mark.parametrize("layout", ["encoder", "decoder", "decoder-mean"])
def test_a_score_does_not_depend_on_its_batch(base: Path, layout: str) -> None:
    model = untrained(base, layout)
    prompts = ["say red number 1", "say blue", "say green number 12 red blue"]
    completions = ["red.", "blue green red white black.", ""]
    together = Scorer(model, batch=3)(prompts, completions)
    alone = [Scorer(model)([prompt], [text])[0] for prompt, text in zip(prompts, completions, strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)  # float32 sums in another order


def test_the_prompt_matters(base: Path) -> None:
    model = untrained(base)
    scores = Scorer(model)(["say red number 1", "say blue number 7"], ["red."] * 2)
    assert scores[0] != scores[1]


@pytest.mark.parametrize("layout", ["encoder", "decoder", "decoder-mean"])
def test_a_long_prompt_loses_its_beginning_and_a_completion_nothing(base: Path, layout: str) -> None:
    model = load_base_model(str(base), layout, max_tokens=8).eval()  # type: ignore[arg-type]
    long, completion = "say red number 1 say blue number 2 say green number 3", "red blue."
    ids = model.tokenizer(long, add_special_tokens=False)["input_ids"]
    room = 8 - 1 - (len(model.tokenizer(completion)["input_ids"]) if layout == "encoder" else 0)
    assert 0 < room < len(ids)
    kept, one_more = (model.tokenizer.decode(ids[-tokens:]) for tokens in (room, room + 1))
    scores = Scorer(model)([long, kept, one_more], [completion] * 3)
    np.testing.assert_allclose(scores, scores[0], atol=1e-5)
    assert model.count_cut([long, kept, one_more], [completion] * 3) == 2
    words = " ".join(["red"] * 7)
    with pytest.raises(InputError, match=r"'red red .*'… has \d+ tokens, which 8 do not hold; expected shorter"):
        Scorer(model)(["say"], [words + " red red."])
    roomy = load_base_model(str(base), layout, max_tokens=64).eval()  # type: ignore[arg-type]
    shorter, longer = Scorer(roomy)(["say"] * 2, [words, words + " blue."])
    assert shorter != longer


def test_a_model_that_ends_somewhere_says_where(base: Path) -> None:
    assert untrained(base).settings.max_tokens == 512
    tokenizer = untrained(base).tokenizer
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=32,
    )  # fmt: skip
    bart = BartForConditionalGeneration(config)
    assert PreferenceModel(bart, tokenizer, ScoreSettings(layout="decoder")).settings.max_tokens == 32
    with pytest.raises(InputError, match="max_tokens is 64; the model takes at most 32"):
        PreferenceModel(bart, tokenizer, ScoreSettings(layout="decoder", max_tokens=64))


def test_pairs_that_teach_nothing_are_left_out_and_counted() -> None:
    pairs = [make_pair(number, split) for number, split in enumerate(("train", "validation", "test"))]
    same = replace(make_pair(7, "train"), completion_b=make_pair(7, "train").completion_a)
    unvoted = replace(make_pair(8, "train"), votes_a=0, votes_both_bad=3, label="")
    splits = split_pairs([*pairs, same, unvoted, replace(unvoted, prompt="another")])
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [1, 1, 1]
    assert splits.left_out == {"whose completions are the same text": 1, "without a vote for a side or a tie": 2}
    with pytest.raises(InputError, match="in the train split; expected some in each of three; 1 left out, whose"):
        split_pairs([*pairs[1:], same])


def test_swapping_a_pair_negates_the_difference_of_scores(base: Path) -> None:
    model = untrained(base)
    pair = make_pair(1, "train")
    swapped = replace(pair, completion_a=pair.completion_b, completion_b=pair.completion_a)
    first, second = score_pairs(model, [pair, swapped])
    difference = first - second
    assert difference[0].item() == pytest.approx(-difference[1].item(), abs=1e-5)


def test_a_vote_fraction_is_smoothed_and_counts_ties_half() -> None:
    pair = replace(make_pair(1, "train"), votes_a=2, votes_b=1, votes_tie=1)
    assert vote_fraction(pair) == (2 + 0.5 + 0.5) / (4 + 1)
    assert vote_fraction(make_pair(1, "train")) == 3.5 / 4


def test_both_losses_are_as_worked_by_hand(base: Path) -> None:
    model = untrained(base)
    pair = make_pair(1, "train")
    score_a, score_b = (score.item() for score in score_pairs(model, [pair]))
    target = 3.5 / 4

    def cross_entropy(logit: float, share: float) -> float:
        return -share * math.log(1 / (1 + math.exp(-logit))) - (1 - share) * math.log(1 / (1 + math.exp(logit)))

    centred = 0.01 * (score_a + score_b) ** 2
    config = RewardModelConfig("unused", language_weight=0.0, centring=0.01)
    bradley_terry = cross_entropy(score_a - score_b, target) + centred
    assert pair_loss(model, [pair], config, {}).item() == pytest.approx(bradley_terry, abs=1e-5)
    pointwise = (cross_entropy(score_a, target) + cross_entropy(score_b, 1 - target)) / 2 + centred
    config = replace(config, loss="classification")
    assert pair_loss(model, [pair], config, {}).item() == pytest.approx(pointwise, abs=1e-5)


def test_the_language_term_is_the_preferred_completions_cross_entropy(base: Path) -> None:
    model = untrained(base)
    pair = make_pair(1, "train")
    tokenizer = model.tokenizer
    losses = []
    for text in (pair.completion_a, pair.completion_b):
        labels = tokenizer(text, return_tensors="pt")["input_ids"]
        prompt_ids = tokenizer(pair.prompt, return_tensors="pt")["input_ids"]
        losses.append(model.network(input_ids=prompt_ids, labels=labels).loss.item())
    plain = pair_loss(model, [pair], RewardModelConfig("unused", language_weight=0.0), {}).item()
    weighted = pair_loss(model, [pair], RewardModelConfig("unused", language_weight=0.4), {}).item()
    assert weighted - plain == pytest.approx(0.4 * (losses[0] * 3.5 + losses[1] * 0.5) / 4, abs=1e-5)


def test_training_learns_a_separable_preference_and_reloads_to_the_same_scores(base: Path, tmp_path: Path) -> None:
    splits = PairSplits(
        tuple(make_pairs(600, "train")), tuple(make_pairs(40, "validation", 600)), tuple(make_pairs(60, "test", 640))
    )
    config = RewardModelConfig(str(base), learning_rate=5e-3, batch=32, epochs=15, dropout=0.0, language_weight=0.0)
    with open_run(tmp_path / "run", config=config) as run:
        summary = train_reward_model(config, splits, run)
    scorer = load_scorer(tmp_path / "run")
    first = scorer([pair.prompt for pair in splits.test], [pair.completion_a for pair in splits.test])
    second = scorer([pair.prompt for pair in splits.test], [pair.completion_b for pair in splits.test])
    correct = (first > second) == np.array([pair.label == "a" for pair in splits.test])
    assert correct.mean() == 1.0
    assert summary["validation_log_loss"] < math.log(2)
    save_model(scorer.model, tmp_path / "copy")
    again = Scorer(load_model(tmp_path / "copy").eval())
    reloaded = again([pair.prompt for pair in splits.test], [pair.completion_a for pair in splits.test])
    np.testing.assert_array_equal(reloaded, first)
    assert (again.mean, again.temperature) == (scorer.mean, scorer.temperature)


def test_the_same_seed_trains_the_same_model(base: Path, tmp_path: Path) -> None:
    splits = PairSplits(
        tuple(make_pairs(40, "train")), tuple(make_pairs(10, "validation", 40)), tuple(make_pairs(10, "test", 50))
    )
    config = RewardModelConfig(str(base), epochs=1)
    rows = []
    for name in ("first", "second"):
        with open_run(tmp_path / name, config=config) as run:
            train_reward_model(config, splits, run)
        rows.append((tmp_path / name / "metrics.jsonl").read_text())
    assert rows[0] == rows[1]
    assert json.loads(rows[0])["step"] == 3


def test_shuffled_votes_keep_the_counts_and_lose_the_signal() -> None:
    pairs = [make_pair(number, "train", 2, 1) for number in range(2000)]
    shuffled = shuffle_votes(pairs, seed=1)
    assert {(pair.votes_a, pair.votes_b, pair.label) for pair in shuffled} == {(2, 1, "a"), (1, 2, "b")}
    share = np.mean([pair.label == "a" for pair in shuffled])
    assert abs(share - 0.5) < 4 * 0.5 / 2000**0.5  # four standard errors of a fair coin


def test_a_prompt_in_two_splits_is_refused() -> None:
    pairs = [make_pair(1, "train"), make_pair(2, "validation"), replace(make_pair(1, "test"), pair="other")]
    with pytest.raises(InputError, match="is in the train and the test split"):
        split_pairs(pairs)
    with pytest.raises(InputError, match="no pair to learn from is in the test split"):
        split_pairs(pairs[:2])


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_a_base_model_in_half_precision_is_loaded_in_float32(
    precision: torch.dtype, base: Path, tmp_path: Path
) -> None:
    """transformers keeps the precision of a checkpoint unless it is told another."""
    model = untrained(base)
    model.network.to(precision).save_pretrained(tmp_path / "half")
    model.tokenizer.save_pretrained(tmp_path / "half")
    loaded = untrained(tmp_path / "half")
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}
