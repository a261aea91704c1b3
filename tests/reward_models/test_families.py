"""Likelihoods and scalar heads: each score by brute force, one text at a time, in every family of models."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from annotation.errors import InputError
from annotation.records import Preference
from annotation.run_folders import open_run
from reward_models.checkpoints import load_base_model, load_model, save_model
from reward_models.config import RewardModelConfig, check_config, resolve
from reward_models.dataset import PairSplits
from reward_models.losses import score_pairs
from reward_models.model import PreferenceModel, verdict_columns_alone
from reward_models.scoring import Scorer, load_scorer
from reward_models.train import score_all, train_reward_model
from tests.reward_models.pairs import make_pair, make_pairs

FLOAT_SUMS = 1e-5  # float32 sums in another order
PROMPTS = ["say red number 1", "say blue", "say green number 12 red blue"]
COMPLETIONS = ["red blue.", "blue green red white black.", "black."]
KINDS = [("t5", "likelihood"), ("bart", "likelihood"), ("llama", "likelihood"), ("gpt2", "likelihood"),
         ("llama", "scalar"), ("gpt2", "scalar"), ("bert", "scalar")]  # fmt: skip


def load(base: Path, families: Path, family: str, layout: str) -> PreferenceModel:
    torch.manual_seed(1)  # draws a scalar head
    path = base if family == "t5" else families / family
    return load_base_model(str(path), layout).eval()  # type: ignore[arg-type]


@torch.no_grad()
def score_alone(model: PreferenceModel, prompt: str, completion: str) -> float:
    """The score of one text, from the plain model and no padding."""
    tokenizer, network = model.tokenizer, model.network
    x, y = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in (prompt, completion))
    eos = tokenizer.eos_token_id
    if model.settings.layout == "likelihood":
        if model.family == "encoder-decoder":
            before = [tokenizer.bos_token_id] if network.config.model_type == "bart" else []
            x, y, start = [*before, *x], [*before, *y], network.config.decoder_start_token_id
            logits = network(input_ids=torch.tensor([[*x, eos]]), decoder_input_ids=torch.tensor([[start, *y]])).logits[
                0
            ]
        else:
            logits = network(input_ids=torch.tensor([[*model.first_ids, *x, *y]])).logits[0, -len(y) - 1 :]
        log_probs = logits.double().log_softmax(dim=-1)
        return 0.5 * sum(float(log_probs[place, token]) for place, token in enumerate([*y, eos]))
    if model.family == "encoder-only":
        ids = [tokenizer.cls_token_id, *x, tokenizer.sep_token_id, *y, tokenizer.sep_token_id]
        types = [0] * (len(x) + 2) + [1] * (len(y) + 1)
        return float(network(input_ids=torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits)
    ids = torch.tensor([[*model.first_ids, *x, eos, *y, eos]])  # its tokenizer knows no line break
    return float(network.score(network.base_model(input_ids=ids).last_hidden_state[0, -1]))


@pytest.mark.parametrize(("family", "layout"), KINDS)
def test_a_score_is_a_plain_forward_pass_and_does_not_depend_on_its_batch(
    family: str, layout: str, base: Path, families: Path
) -> None:
    model = load(base, families, family, layout)
    together = Scorer(model, batch=3)(PROMPTS, COMPLETIONS)
    alone = [score_alone(model, prompt, text) for prompt, text in zip(PROMPTS, COMPLETIONS, strict=True)]
    np.testing.assert_allclose(together, alone, atol=FLOAT_SUMS)
    assert len(set(np.round(together, 3))) == 3
    one_by_one = np.concatenate([Scorer(model)([x], [y]) for x, y in zip(PROMPTS, COMPLETIONS, strict=True)])
    np.testing.assert_allclose(together, one_by_one, atol=FLOAT_SUMS)


@torch.no_grad()
def test_anyones_transformers_reads_the_scalar_head_alike(families: Path, base: Path, tmp_path: Path) -> None:
    """Where the pad token is not EOS; the model's own forward looks for the last token that is not padding."""
    model = load(base, families, "llama", "scalar")
    save_model(model, tmp_path / "model")
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    tokenizer = model.tokenizer
    texts = zip(model.texts.encode(PROMPTS), model.texts.encode(COMPLETIONS), strict=True)
    rows = [[*model.first_ids, *x, *model.separator_ids, *y, tokenizer.eos_token_id] for x, y in texts]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    expected = plain(input_ids=ids, attention_mask=(ids != tokenizer.pad_token_id).long()).logits[:, 0]
    np.testing.assert_allclose(Scorer(model)(PROMPTS, COMPLETIONS), expected.numpy(), atol=FLOAT_SUMS)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_separator_stands_between_prompt_and_completion(family: str, base: Path, families: Path) -> None:
    """Moving a word from the prompt's end to the completion's beginning is another text to judge."""
    model = load(base, families, family, "scalar")
    scores = Scorer(model)(["say red", "say"], ["blue.", "red blue."])
    assert abs(scores[0] - scores[1]) > 10 * FLOAT_SUMS


@pytest.mark.parametrize(("family", "layout"), KINDS)
def test_each_family_cuts_the_prompt_and_never_the_completion(
    family: str, layout: str, base: Path, families: Path
) -> None:
    long = " ".join(["say red number 1 blue"] * 30)
    path = str(base if family == "t5" else families / family)
    torch.manual_seed(1)
    model = load_base_model(path, layout, max_tokens=16).eval()  # type: ignore[arg-type]
    ids = model.texts.encode([long])[0]
    room = model.texts.room.for_prompt(model.texts.encode(["red blue."])[0])
    assert 0 < room < len(ids)
    kept = model.tokenizer.decode(ids[-room:])
    scores = Scorer(model)([long, kept], ["red blue."] * 2)
    assert scores[0] == pytest.approx(scores[1], abs=FLOAT_SUMS)
    assert scores[0] == pytest.approx(score_alone(model, kept, "red blue."), abs=FLOAT_SUMS)
    assert model.count_cut([long, kept], ["red blue."] * 2) == 1
    with pytest.raises(InputError, match="which 16 do not hold; expected shorter completions"):
        Scorer(model)(["say"], [" ".join(["red"] * 16)])


def test_two_columns_of_the_output_layer_are_the_verdicts_and_carry_its_gradient(base: Path) -> None:
    model = load_base_model(str(base), "decoder").eval()
    network, ids = model.network, model.verdict_ids
    inputs = {"input_ids": torch.tensor([[5, 6, 1]]), "decoder_input_ids": torch.tensor([[0, 7]])}
    whole = network(**inputs).logits[..., ids]
    whole.sum().backward()
    expected = {name: weight.grad.clone() for name, weight in network.named_parameters() if weight.grad is not None}
    network.zero_grad()
    with verdict_columns_alone(network, ids):
        narrow = network(**inputs).logits
        assert narrow.shape[-1] == 2
    narrow.sum().backward()
    torch.testing.assert_close(narrow, whole)
    for name, gradient in expected.items():
        torch.testing.assert_close(network.get_parameter(name).grad, gradient)
    assert network(**inputs).logits.shape[-1] == network.config.vocab_size


@pytest.mark.parametrize(("family", "layout"), [*KINDS, ("t5", "decoder-mean")])
def test_every_family_learns_to_prefer_a_word(
    family: str, layout: str, base: Path, families: Path, tmp_path: Path
) -> None:
    """Good is what begins with "red": a preference that any model can hear."""
    path = str(base if family == "t5" else families / family)
    pairs = [replace(pair, **_say_red(pair)) for pair in make_pairs(160, "train")]
    splits = PairSplits(tuple(pairs[:100]), tuple(pairs[100:120]), tuple(pairs[120:]))
    config = RewardModelConfig(path, layout=layout, learning_rate=3e-3, epochs=6, dropout=0.0)  # type: ignore[arg-type]
    with open_run(tmp_path / "run", config=config) as run:
        train_reward_model(config, splits, run, show_progress=False)
    model = load_scorer(tmp_path / "run").model
    with torch.no_grad():
        first, second = score_pairs(model, splits.test)
    assert ((first > second).numpy() == [pair.label == "a" for pair in splits.test]).all()


def _say_red(pair: Preference) -> dict[str, str]:
    other = pair.completion_b if pair.label == "a" else pair.completion_a
    chosen, rejected = "red blue.", other.replace("red", "pink")
    return dict(
        zip(("completion_a", "completion_b"), (chosen, rejected)[:: 1 if pair.label == "a" else -1], strict=True)
    )


def test_an_untrained_likelihood_is_centred_on_the_pairs_it_will_be_validated_on(base: Path, tmp_path: Path) -> None:
    splits = PairSplits(tuple(make_pairs(8, "train")), tuple(make_pairs(8, "validation", 8)), (make_pair(20, "test"),))
    config = RewardModelConfig(str(base), layout="likelihood", epochs=1, learning_rate=1e-9)
    with open_run(tmp_path / "run", config=config) as run:
        train_reward_model(config, splits, run, show_progress=False)
    model = load_model(tmp_path / "run" / "model").eval()
    scores = torch.cat(score_all(model, splits.validation))
    assert float(scores.mean()) == pytest.approx(0, abs=1e-4)
    assert math.isclose(model.settings.mean, float(scores.mean()), abs_tol=1e-4)


def test_a_layout_that_the_family_cannot_read_is_refused(families: Path, base: Path) -> None:
    with pytest.raises(InputError, match="a decoder-only model, which layout encoder cannot read; expected an encoder"):
        load_base_model(str(families / "gpt2"), "encoder")
    with pytest.raises(InputError, match="an encoder-only model, which layout likelihood cannot read; expected"):
        load_base_model(str(families / "bert"), "likelihood")
    with pytest.raises(InputError, match="or layout likelihood or decoder-mean or decoder or encoder"):
        load_base_model(str(base), "scalar")
    assert load_base_model(str(families / "bert")).settings.layout == "scalar"
    assert load_base_model(str(families / "llama")).settings.layout == "scalar"
    assert load_base_model(str(base)).settings.layout == "likelihood"


def test_each_layout_has_the_regularisers_that_suit_it() -> None:
    config = RewardModelConfig("unused")
    assert (resolve(config, "decoder-mean").language_weight, resolve(config, "decoder-mean").centring) == (1.0, 0.01)
    assert (resolve(config, "likelihood").language_weight, resolve(config, "likelihood").centring) == (0.1, 0.0)
    assert resolve(config, "scalar").language_weight == 0.0
    with pytest.raises(InputError, match="language_weight: expected 0: layout scalar reads no language, found 1"):
        resolve(RewardModelConfig("unused", language_weight=1.0), "scalar")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"learning_rate": 0.0}, "learning_rate: expected a number above 0, found 0"),
        ({"max_tokens": -5}, "max_tokens: expected a number of at least 0"),
        ({"seed": 2**32}, "seed: expected a number from 0 to 4,294,967,295, found 4294967296"),
        ({"seed": -1}, "seed: expected a number from 0"),
        ({"margin_by": "strength"}, "margin_by: strength says what a pair has of the margin, which is 0"),
    ],
)
def test_a_setting_that_no_run_could_use_is_named(setting: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_config(RewardModelConfig("unused", **setting))


@pytest.mark.parametrize(("family", "layout"), [("t5", "likelihood"), ("llama", "scalar")])
def test_every_row_is_read_once_and_batches_are_of_like_length(
    family: str, layout: str, base: Path, families: Path
) -> None:
    model = load(base, families, family, layout)
    chance = np.random.default_rng(0)
    prompts, completions = (["x" * length for length in chance.integers(1, 60, 256)] for _ in range(2))
    batches = list(Scorer(model, batch=16)._batches(prompts, completions))
    assert sorted(np.concatenate(batches).tolist()) == list(range(256))

    def padding(rows: list[np.ndarray]) -> int:
        """Characters that are read because a longer text is in the batch."""
        lengths = [np.array([[len(prompts[row]), len(completions[row])] for row in some]) for some in rows]
        if family == "llama":
            lengths = [both.sum(axis=1, keepdims=True) for both in lengths]
        return sum(int((both.max(axis=0) - both).sum()) for both in lengths)

    as_they_come = np.arange(256).reshape(16, 16)
    assert padding(batches) < 0.4 * padding(list(as_they_come))
