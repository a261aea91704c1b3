"""What models of other makes can hold, how they begin and end texts, and how much is read at a time."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForSeq2SeqLM, BertTokenizerFast, LEDConfig, LEDForConditionalGeneration

from annotation.errors import InputError
from reward_models.checkpoints import load_base_model
from reward_models.layouts import LAYOUTS, Layout
from reward_models.model import PreferenceModel
from reward_models.scoring import Scorer, cut_to_room
from reward_models.text_rows import choose_max_tokens, frame_of
from reward_models.train import score_all, set_dropout
from rl.policy import response_logits
from rl.sequences import Example, collate, encode_prompt_texts, encode_response_texts
from tests.reward_models.families import TABLE
from tests.reward_models.pairs import make_pairs

FLOAT_SUMS = 1e-5  # float32 sums in another order


def load(folder: Path, layout: Layout | None = None, max_tokens: int = 0) -> PreferenceModel:
    torch.manual_seed(1)
    return load_base_model(str(folder), layout, max_tokens=max_tokens).eval()


@torch.no_grad()
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_likelihood_is_that_of_the_policy_itself(family: str, base: Path, families: Path) -> None:
    """The policy reads and writes texts as its tokenizer frames them; its judge must, or it judges another policy."""
    model = load(base if family == "t5" else families / family, "likelihood")
    prompts, completions = ["say red number 1", "say blue"], ["red blue.", "green."]
    inputs = encode_prompt_texts(model.tokenizer, prompts)
    targets = encode_response_texts(model.tokenizer, completions, causal=False)
    batch = collate(
        [Example(x, y) for x, y in zip(inputs, targets, strict=True)],
        causal=False,
        pad=model.tokenizer.pad_token_id,
    )
    logits = response_logits(model.network, batch.prompt_ids, batch.is_prompt, batch.response_ids)
    log_probs = logits.log_softmax(-1).gather(2, batch.response_ids[..., None])[..., 0]
    expected = 0.5 * (log_probs * batch.is_response).sum(dim=1)
    torch.testing.assert_close(model(prompts, completions), expected, atol=FLOAT_SUMS, rtol=0)


def test_a_frame_is_what_the_tokenizer_puts_around_a_text(families: Path, base: Path) -> None:
    tokenizer = load(families / "bart").tokenizer
    frame = frame_of(tokenizer, is_target=False)
    assert (frame.before, frame.after) == ((tokenizer.bos_token_id,), (tokenizer.eos_token_id,))
    assert tokenizer("red blue.")["input_ids"] == frame.around(
        tokenizer("red blue.", add_special_tokens=False)["input_ids"]
    )
    silent = load(families / "gpt2").tokenizer  # puts nothing around a text: EOS ends it all the same
    assert frame_of(silent, is_target=True).around([7]) == [7, silent.eos_token_id]


@torch.no_grad()
@pytest.mark.parametrize(
    ("family", "layout", "beside"),
    [
        ("bart", "decoder", 3),  # the decoder's start, BOS and EOS
        ("bart", "decoder-mean", 3),
        ("bart", "likelihood", 2),  # EOS is only predicted
        ("bart", "encoder", 4),  # BOS, EOS twice, and one token of the prompt
        (
            "roberta",
            "scalar",
            6,
        ),  # 63 positions behind the pad token's; four specials; one token of the prompt
    ],
)
def test_the_longest_completion_that_is_let_in_can_be_read(
    family: str, layout: Layout, beside: int, families: Path
) -> None:
    model = load(families / family, layout)
    fits, too_long = (" ".join(["red"] * (TABLE - beside + more)) for more in (0, 1))
    assert len(model.texts.encode([fits])[0]) == TABLE - beside
    assert torch.isfinite(model(["say " * 80], [fits])).all()
    with pytest.raises(InputError, match=r"tokens, which 6[34] do not hold"):
        model(["say"], [too_long])


def test_the_shorter_of_two_tables_ends_a_model(base: Path) -> None:
    tokenizer = load(base).tokenizer
    config = LEDConfig(vocab_size=99, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_encoder_position_embeddings=128,
        max_decoder_position_embeddings=16, attention_window=8)  # fmt: skip
    network = LEDForConditionalGeneration(config)
    assert choose_max_tokens(network, tokenizer, 0) == 16
    with pytest.raises(InputError, match="max_tokens is 17; the model takes at most 16"):
        choose_max_tokens(network, tokenizer, 17)


def test_a_prompt_of_which_nothing_fits_is_no_whole_prompt(base: Path) -> None:
    """One place in the encoder is EOS's: the prompt is cut to nothing, and not left whole."""
    model = load(base, "likelihood", max_tokens=2)
    prompts, _ = load(base, "likelihood", max_tokens=2).texts.encode_pairs(["say red number 1"], ["red"])
    assert [len(row) for row in prompts] == [1] and model.texts.room.for_prompt([]) == 1


def test_a_tokenizer_that_ends_texts_with_sep_serves_a_model_that_writes(base: Path, tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "say", "red", "blue", ".", "good", "bad"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    AutoModelForSeq2SeqLM.from_pretrained(base).save_pretrained(tmp_path)
    BertTokenizerFast(str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    for layout in LAYOUTS["encoder-decoder"]:
        model = load(tmp_path, layout)
        assert model.tokenizer.eos_token == "[SEP]"
        assert torch.isfinite(model(["say red"], ["blue."])).all()


def test_a_decoder_that_does_not_say_how_it_begins_is_refused(base: Path) -> None:
    model = load(base)
    model.network.config.decoder_start_token_id = model.network.generation_config.decoder_start_token_id = None
    with pytest.raises(InputError, match=r"expected decoder_start_token_id in its config\.json"):
        PreferenceModel(model.network, model.tokenizer, model.settings)


@given(
    spans=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=20),
    most=st.integers(1, 6),
    room=st.integers(1, 60),
)
def test_every_row_is_in_one_batch_and_a_batch_fits_unless_it_is_one_row(
    spans: list[tuple[int, int]], most: int, room: int
) -> None:
    spans = [(start, start + length) for start, length in spans]
    logits = 2**26 // room
    batches = list(cut_to_room(range(len(spans)), spans, most, logits))
    assert [row for batch in batches for row in batch] == list(range(len(spans)))

    def held(batch: list[int]) -> int:
        return len(batch) * (max(spans[row][1] for row in batch) - min(spans[row][0] for row in batch)) * logits

    assert all(len(batch) <= most and (held(batch) <= 2**26 or len(batch) == 1) for batch in batches)
    for batch, following in itertools.pairwise(batches):  # no batch ends before it must
        assert len(batch) == most or held([*batch, following[0]]) > 2**26


@torch.no_grad()
@pytest.mark.parametrize("family", ["t5", "llama", "gpt2"])
def test_the_spans_are_the_logits_that_are_held(
    family: str, base: Path, families: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a decoder-only model none before the shortest prompt's end; and fewer at a time change no score."""
    model = load(base if family == "t5" else families / family, "likelihood")
    prompts = ["say red number 1 red blue green", "say red number 1 red blue green white"]
    completions = ["red.", "red blue green white."]
    seen: list[torch.Size] = []
    model.network.register_forward_hook(lambda *rest: seen.append(rest[-1].logits.shape))
    scores = model(prompts, completions)
    spans = model.spans(prompts, completions)
    assert spans is not None
    assert seen == [(2, max(last for _, last in spans) - min(first for first, _ in spans), seen[0][2])]
    monkeypatch.setattr("reward_models.scoring.WHOLE_VOCABULARY", 1)
    torch.testing.assert_close(
        torch.tensor(Scorer(model)(prompts, completions)).float(), scores, atol=FLOAT_SUMS, rtol=0
    )
    assert [shape[0] for shape in seen[1:]] == [1, 1]
    pairs = make_pairs(3, "train")
    del seen[:]
    score_all(model, pairs)
    assert [shape[0] for shape in seen] == [2] * 3  # both completions of a pair


@torch.no_grad()
@pytest.mark.parametrize("family", ["t5", "bart", "gpt2", "bert"])
def test_without_dropout_nothing_is_dropped_anywhere(family: str, base: Path, families: Path) -> None:
    """Also where a family keeps attention's dropout as a number."""
    for share in (0.0, 0.5):
        model = load(base if family == "t5" else families / family)
        set_dropout(model.train(), share)
        first, second = (float(model(["say red number 1"], ["red blue."])) for _ in range(2))
        assert (first == second) == (share == 0)


def test_attention_drops_as_much_as_the_rest_where_the_base_model_has_it_do_so(base: Path, families: Path) -> None:
    t5, llama = load(base), load(families / "llama")
    for model in (t5, llama):
        set_dropout(model, 0.3)
    assert {module.dropout for module in t5.modules() if type(module).__name__ == "T5Attention"} == {0.3}
    assert {module.attention_dropout for module in llama.modules() if type(module).__name__ == "LlamaAttention"} == {
        0.0
    }


def test_a_score_that_is_no_number_is_refused(base: Path) -> None:
    model = load(base)
    with torch.no_grad():
        next(iter(model.network.parameters())).fill_(float("nan"))
    with pytest.raises(InputError, match=r"the completion 'red\.' has no finite score"):
        Scorer(model)(["say red"], ["red."])


@torch.no_grad()
@pytest.mark.parametrize(("family", "layout"), [("t5", "decoder-mean"), ("llama", "scalar")])
def test_in_bfloat16_scores_are_not_rounded_to_its_grid(
    family: str, layout: Layout, base: Path, families: Path
) -> None:
    model = load(base if family == "t5" else families / family, layout)
    model.reads_bfloat16 = True
    scores = model(["say red number 1"] * 3, ["red blue.", "green.", "white black."])
    assert scores.dtype == torch.float32
    if layout == "scalar":  # a mean of verdicts lies off the grid by itself
        assert not torch.equal(scores, scores.bfloat16().float())


def test_an_empty_prompt_is_refused_where_a_likelihood_has_nothing_to_go_on_from(families: Path) -> None:
    with pytest.raises(InputError, match=r"the prompt of 'red blue\.' is empty; this model's likelihood needs text"):
        load(families / "gpt2", "likelihood").count_cut(["say", ""], ["red.", "red blue."])
    assert np.isfinite(Scorer(load(families / "llama", "likelihood"))([""], ["red."])).all()  # after its BOS
