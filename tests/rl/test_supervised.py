"""The supervised policy: its tokenizer, its loss, and what it learns."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InputError
from annotation.run_folders import open_run
from rl.from_scratch import VERDICTS, build_small_t5, train_tokenizer
from rl.generate import Decoder, generate_samples, read_samples, write_samples
from rl.policy import load_policy
from rl.supervised import IGNORED, SupervisedConfig, _collate, _draw_batches, learning_rate_factor, train_supervised
from rl.tasks import Task
from rl.tasks.commongen_mini.corpus import CorpusConfig, build_corpus

_, MINI = build_corpus(CorpusConfig(train=300, validation=20, test=20), seed=0)
WORDS = [item.prompt for item in MINI.train] + [text for item in MINI.train for text in item.references]
WHOLE_WORDS = train_tokenizer(WORDS)
PIECES = train_tokenizer(WORDS, vocabulary_size=120)


@pytest.mark.parametrize("tokenizer", [WHOLE_WORDS, PIECES], ids=["words", "pieces"])
@given(row=st.integers(0, len(WORDS) - 1))
def test_decoding_gives_the_text_back(tokenizer, row: int) -> None:
    ids = tokenizer(WORDS[row])["input_ids"]
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == WORDS[row]


@pytest.mark.parametrize("tokenizer", [WHOLE_WORDS, PIECES], ids=["words", "pieces"])
def test_each_verdict_is_one_token(tokenizer) -> None:
    for verdict in VERDICTS:
        (token,) = tokenizer(verdict, add_special_tokens=False)["input_ids"]
        assert token != tokenizer.unk_token_id


def test_padded_labels_and_prompts_do_not_count() -> None:
    batch = _collate([([5, 6, 1], [7, 1]), ([8, 1], [9, 9, 1])], pad=0)
    assert batch["labels"].tolist() == [[7, 1, IGNORED], [9, 9, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]


def test_every_pair_is_seen_once_an_epoch() -> None:
    pairs = [([number], [number] * (1 + number % 3)) for number in range(50)]
    batches = list(_draw_batches(pairs, SupervisedConfig(steps=10, batch=10)))
    for epoch in (batches[:5], batches[5:]):
        assert sorted(pair[0][0] for batch in epoch for pair in batch) == list(range(50))
    assert batches[:5] != batches[5:]


def test_the_learning_rate_rises_then_falls_to_a_tenth() -> None:
    config = SupervisedConfig(steps=100, warmup_steps=10)
    factors = [learning_rate_factor(step, config) for step in range(101)]
    assert factors[:10] == [pytest.approx((step + 1) / 10) for step in range(10)]
    assert factors[10] == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.1)
    assert all(later <= earlier for earlier, later in itertools.pairwise(factors[10:]))


def test_training_memorises_a_few_items_and_stops_with_eos(tmp_path: Path) -> None:
    items = tuple(replace(item, references=item.references[:1]) for item in MINI.train[:4])
    task = Task("commongen-mini", items, items, items)
    config = SupervisedConfig(steps=120, batch=4, learning_rate=5e-3, warmup_steps=5, early_steps=1)
    with open_run(tmp_path / "run", config=config) as run:
        summary = train_supervised(config, task, run)
    model, tokenizer = load_policy(tmp_path / "run" / "policy")
    samples = generate_samples(model, tokenizer, items, "s", Decoder(is_greedy=True), show_progress=False)
    assert [sample.completion for sample in samples] == [item.references[0] for item in items]
    assert summary["validation_loss"] < 0.05
    early, _ = load_policy(tmp_path / "run" / "early")
    assert not torch.equal(early.shared.weight, model.shared.weight)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [50, 100, 120]


def test_a_base_model_that_is_no_encoder_decoder_is_named(tmp_path: Path) -> None:
    config = SupervisedConfig(base_model=str(tmp_path / "absent"))
    expected = pytest.raises(InputError, match="absent: not an encoder-decoder checkpoint")
    with expected, open_run(tmp_path / "run", config=config) as run:
        train_supervised(config, MINI, run)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def small_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    build_small_t5(WHOLE_WORDS, seed=1, width=16, layers=1, heads=2).save_pretrained(folder)
    WHOLE_WORDS.save_pretrained(folder)
    return folder


def test_samples_depend_on_seed_and_item_alone(small_policy: Path) -> None:
    model, tokenizer = load_policy(small_policy)
    decoder = Decoder(horizon=6, seed=3)
    together = generate_samples(model, tokenizer, MINI.test, "s", decoder, show_progress=False)
    some = generate_samples(model, tokenizer, MINI.test[5:9], "s", decoder, show_progress=False)
    assert together[5:9] == some
    other = generate_samples(model, tokenizer, MINI.test, "s", replace(decoder, seed=4), show_progress=False)
    assert together != other


def test_several_samples_of_an_item_differ_and_stand_together(small_policy: Path) -> None:
    model, tokenizer = load_policy(small_policy)
    decoder = Decoder(horizon=8, samples_per_item=4)
    samples = generate_samples(model, tokenizer, MINI.test[:3], "s", decoder, show_progress=False)
    assert [sample.item for sample in samples] == [item.item for item in MINI.test[:3] for _ in range(4)]
    assert len({sample.completion for sample in samples[:4]}) > 1


def test_written_samples_are_read_back_and_never_overwritten(small_policy: Path, tmp_path: Path) -> None:
    model, tokenizer = load_policy(small_policy)
    samples = generate_samples(model, tokenizer, MINI.test[:3], "s", Decoder(horizon=4), show_progress=False)
    path = tmp_path / "deep" / "samples.jsonl"
    write_samples(samples, path)
    assert read_samples(path) == samples
    with pytest.raises(InputError, match="exists already"):
        write_samples(samples, path)
    path.write_text('{"item": "x"}\n')
    with pytest.raises(InputError, match=r"samples\.jsonl, line 1: not a sample"):
        read_samples(path)
