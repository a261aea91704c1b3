"""The supervised policy: its tokenizer, its loss for both model kinds, exact resume, and what it learns."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.optim import AdamW

from annotation.errors import InputError
from rl import supervised
from rl.fitting import CHECKPOINT, take_step
from rl.from_scratch import VERDICTS, build_small_t5, train_tokenizer
from rl.generate import Decoder, generate_samples, read_samples, write_samples
from rl.policy import load_policy
from rl.rollout import respond_greedily
from rl.sequences import Example
from rl.supervised import (
    SupervisedConfig,
    Trainee,
    draw_batches,
    encode_items,
    fit_batch,
    imitation_loss,
    learning_rate_factor,
    mean_loss,
    train_supervised,
)
from rl.tasks import Item, Task
from rl.tasks.commongen_mini.corpus import CorpusConfig, build_corpus
from tests.rl.examples import EOS, EXAMPLES, TOLERANCE, brute_force_log_probs, interrupt_at, widen
from tests.rl.tiny import KINDS, build_model, build_task, build_tokenizer, save_tiny

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


def build_trainee(kind: str, *, dropout: float = 0.0, pad: bool = True) -> Trainee:
    model, tokenizer = build_model(kind, dropout=dropout), build_tokenizer(pad=pad)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token  # as load_policy leaves it
    return Trainee(model, tokenizer, AdamW(model.parameters()))


# The loss


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_of_three_tokens_is_that_of_each_given_those_before_it(kind: str) -> None:
    trainee = build_trainee(kind)
    seen: list[Tensor] = []
    embedding = trainee.model.decoder.embed_tokens if kind == "t5" else trainee.model.transformer.wte
    embedding.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    example = Example((3, 5), (7, 8, EOS))
    loss = imitation_loss(trainee.model, trainee.collate([example]))
    # T5 reads its start token, 0, and the response but for its last token; GPT-2 the prompt and the same.
    assert seen[-1].tolist() == [[0, 7, 8] if kind == "t5" else [3, 5, 7, 8]]
    expected = -brute_force_log_probs(trainee.model, example).mean()
    torch.testing.assert_close(loss.double(), expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_two_steps_have_the_losses_of_brute_force(kind: str) -> None:
    """Token by token in float64: the mean over all response tokens, not the mean of the rows' means."""
    trainee = build_trainee(kind)
    config = SupervisedConfig(learning_rate=1e-2, warmup_steps=0)
    losses = []
    for _ in range(2):
        expected = -torch.cat([brute_force_log_probs(trainee.model, example) for example in EXAMPLES]).mean()
        losses.append(fit_batch(trainee, EXAMPLES, config)["loss"])
        assert losses[-1] == pytest.approx(float(expected), abs=TOLERANCE)
    assert losses[1] < losses[0] - 0.01, "the second step saw other weights"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pad", [True, False], ids=["own pad", "pad is EOS"])
def test_response_tokens_and_their_eos_have_a_loss_and_nothing_else(kind: str, pad: bool) -> None:
    trainee = build_trainee(kind, pad=pad)
    outputs: list[Tensor] = []
    trainee.model.lm_head.register_forward_hook(lambda _, __, output: (output.retain_grad(), outputs.append(output))[0])
    batch = trainee.collate(EXAMPLES)
    imitation_loss(trainee.model, batch).backward()
    (logits,) = outputs
    has_gradient = logits.grad.ne(0).any(dim=-1)
    assert torch.equal(has_gradient[:, -batch.is_response.shape[1] :], batch.is_response)
    assert has_gradient.sum() == batch.is_response.sum(), "no position before the response has any"


@pytest.mark.parametrize("kind", KINDS)
def test_more_padding_changes_neither_loss_nor_gradient(kind: str) -> None:
    trainee = build_trainee(kind)
    batch = trainee.collate(EXAMPLES)
    gradients = []
    for each in (batch, widen(batch, 3, causal=kind == "gpt2")):
        loss = imitation_loss(trainee.model, each)
        gradients.append((loss, *torch.autograd.grad(loss, list(trainee.model.parameters()))))
    for first, second in zip(*gradients, strict=True):
        torch.testing.assert_close(first, second, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_is_on_while_training_and_off_in_validation(kind: str) -> None:
    trainee = build_trainee(kind, dropout=0.5)
    exact = -torch.cat([brute_force_log_probs(trainee.model, example) for example in EXAMPLES]).mean()
    fit_batch(trainee, EXAMPLES, SupervisedConfig(learning_rate=1e-12))
    assert trainee.model.training
    assert mean_loss(trainee, EXAMPLES, size=3) == pytest.approx(float(exact), abs=TOLERANCE)
    assert trainee.model.training
    losses = [fit_batch(trainee, EXAMPLES, SupervisedConfig(learning_rate=1e-12))["loss"] for _ in range(2)]
    assert losses[0] != losses[1]


@pytest.mark.parametrize(("gradient", "moved"), [(5.0, 0.5), (0.05, 0.05)])
def test_a_gradient_beyond_the_limit_is_shortened_to_it(gradient: float, moved: float) -> None:
    """Plain gradient descent at rate 1 shows the step; AdamW, which divides by the gradient's size, would hide it."""
    model = torch.nn.Linear(1, 1, bias=False)
    before = model.weight.item()
    model.weight.grad = torch.full((1, 1), gradient)
    step = {"loss": 0.0, "learning_rate": 1.0, "gradient_norm": 0.5, "where": "a step"}
    norm = take_step(model, torch.optim.SGD(model.parameters()), **step)  # type: ignore[arg-type]
    assert norm == pytest.approx(gradient)
    assert before - model.weight.item() == pytest.approx(moved, rel=1e-5)  # 1e-6 is added to the norm


# The examples


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_too_long_is_cut_and_counted_and_a_cut_response_has_no_eos(kind: str) -> None:
    items = [
        Item("short", "dog cat", ("ball .", "the dog runs"), ()),
        Item("long", "the dog sees a cat", ("a dog sees the cat",), ()),
    ]
    config = SupervisedConfig(max_prompt_tokens=3, max_response_tokens=3)
    lessons = encode_items(build_trainee(kind), config, items)
    assert [example.prompt for example in lessons.examples] == [(3, 4), (3, 4), (8, 3, 12)]
    assert [example.response for example in lessons.examples] == [(5, 13, EOS), (8, 3, 11), (9, 3, 12)]
    assert (lessons.prompts_cut, lessons.responses_cut) == (1, 2)


def test_a_cut_prompt_keeps_what_its_tokenizer_appends() -> None:
    trainee = Trainee(build_model("t5"), WHOLE_WORDS, AdamW([torch.zeros(1, requires_grad=True)]))
    lessons = encode_items(trainee, SupervisedConfig(max_prompt_tokens=3), MINI.train[:1])
    whole = tuple(WHOLE_WORDS(MINI.train[0].prompt)["input_ids"])
    assert lessons.examples[0].prompt == (*whole[:2], WHOLE_WORDS.eos_token_id)
    assert lessons.prompts_cut == 1


def test_every_pair_is_seen_once_an_epoch() -> None:
    examples = [Example((number,), (number,) * (1 + number % 3)) for number in range(50)]
    batches = list(draw_batches(examples, SupervisedConfig(steps=10, batch=10)))
    for epoch in (batches[:5], batches[5:]):
        assert sorted(example.prompt[0] for batch in epoch for example in batch) == list(range(50))
    assert batches[:5] != batches[5:]


def test_the_learning_rate_rises_then_falls_to_a_tenth() -> None:
    config = SupervisedConfig(steps=100, warmup_steps=10)
    factors = [learning_rate_factor(step, config) for step in range(101)]
    assert factors[:10] == [pytest.approx((step + 1) / 10) for step in range(10)]
    assert factors[10] == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.1)
    assert all(later <= earlier for earlier, later in itertools.pairwise(factors[10:]))


# Whole runs


def test_training_memorises_a_few_items_and_stops_with_eos(tmp_path: Path) -> None:
    items = tuple(replace(item, references=item.references[:1]) for item in MINI.train[:4])
    task = Task("commongen-mini", items, items, items)
    config = SupervisedConfig(steps=120, batch=4, learning_rate=5e-3, warmup_steps=5, early_steps=1)
    summary = train_supervised(config, task, tmp_path / "run", show_progress=False)
    model, tokenizer = load_policy(tmp_path / "run" / "policy")
    samples = generate_samples(model, tokenizer, items, "s", Decoder(is_greedy=True), show_progress=False)
    assert [sample.completion for sample in samples] == [item.references[0] for item in items]
    assert summary["validation_loss"] < 0.05
    assert (summary["prompts_cut"], summary["responses_cut"]) == (0, 0)
    early, _ = load_policy(tmp_path / "run" / "early")
    assert not torch.equal(early.shared.weight, model.shared.weight)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [50, 100, 120]
    assert not (tmp_path / "run" / CHECKPOINT).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_both_kinds_learn_to_stop_although_pad_is_eos(kind: str, tmp_path: Path) -> None:
    base = save_tiny(kind, tmp_path / "base", pad=False)
    config = SupervisedConfig(str(base), steps=200, batch=6, learning_rate=1e-2, warmup_steps=5)
    train_supervised(config, build_task(6), tmp_path / "run", show_progress=False)
    model, tokenizer = load_policy(tmp_path / "run" / "policy")
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    items = build_task(6).train
    rollout = respond_greedily(model, tokenizer, [item.prompt for item in items], horizon=12)
    assert rollout.completions(tokenizer) == [item.references[0] for item in items]
    ends = rollout.response_ids.gather(1, rollout.is_response.sum(dim=1, keepdim=True) - 1)
    assert (ends == EOS).all()


@pytest.fixture
def config(tmp_path: Path) -> SupervisedConfig:
    base = str(save_tiny("gpt2", tmp_path / "base"))
    return SupervisedConfig(base, steps=8, batch=5, learning_rate=1e-2, warmup_steps=2, checkpoint_every=4)


def interrupt(config: SupervisedConfig, output: Path, monkeypatch: pytest.MonkeyPatch, *, call: int = 6) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(supervised, "take_step", interrupt_at(call))
        train_supervised(config, build_task(), output, show_progress=False)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stopped_in", [3, 5, 7])
def test_an_interrupted_run_resumes_bit_for_bit_with_dropout_on(
    kind: str, stopped_in: int, config: SupervisedConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight steps at once are four and four, and also nothing and eight; the twelve items are in their second epoch."""
    monkeypatch.setattr(supervised, "LOG_EVERY", 1)
    config = replace(config, base_model=str(save_tiny(kind, tmp_path / kind)), early_steps=5)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    summary = train_supervised(config, build_task(), whole, show_progress=False)
    interrupt(config, parts, monkeypatch, call=stopped_in)
    assert not parts.exists()
    torch.manual_seed(999)  # whatever was drawn in between
    assert train_supervised(config, build_task(), parts, resume=True, show_progress=False) == summary
    assert (parts / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    assert {path.name for path in parts.iterdir()} == {path.name for path in whole.iterdir()}
    for folder in ("policy", "early"):
        first, second = (load_policy(run / folder)[0].state_dict() for run in (whole, parts))
        assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_an_interrupted_run_is_not_mixed_with_another(
    config: SupervisedConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "run"
    interrupt(config, output, monkeypatch)
    with pytest.raises(InputError, match="holds an interrupted run; pass --resume"):
        train_supervised(config, build_task(), output, show_progress=False)
    with pytest.raises(InputError, match=r"made with learning_rate = 0\.01, this run has 0\.5"):
        train_supervised(replace(config, learning_rate=0.5), build_task(), output, resume=True, show_progress=False)
    with pytest.raises(InputError, match=r"made with data_sha256 = .* resume with the same configuration and data"):
        train_supervised(config, build_task(11), output, resume=True, show_progress=False)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"broken", r"checkpoint\.pt cannot be read as a checkpoint"),
        ({"finished": 3}, r"checkpoint\.pt is no checkpoint of this command"),
    ],
    ids=["bytes", "another's"],
)
def test_it_names_a_checkpoint_that_cannot_be_used(
    content: Any, sentence: str, config: SupervisedConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(config, tmp_path / "run", monkeypatch)
    path = tmp_path / "run.partial" / CHECKPOINT
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(InputError, match=sentence):
        train_supervised(config, build_task(), tmp_path / "run", resume=True, show_progress=False)


def test_it_names_a_checkpoint_whose_weights_are_of_another_shape(
    config: SupervisedConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(config, tmp_path / "run", monkeypatch)
    path = tmp_path / "run.partial" / CHECKPOINT
    content = torch.load(path, weights_only=True)
    content["parts"]["model"]["transformer.wte.weight"] = torch.zeros(3, 3)
    torch.save(content, path)
    with pytest.raises(InputError, match="does not hold the state of this model"):
        train_supervised(config, build_task(), tmp_path / "run", resume=True, show_progress=False)


def test_a_loss_that_is_not_finite_stops_the_run(config: SupervisedConfig, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"step \d: the loss or its gradient is not a finite number"):
        train_supervised(replace(config, learning_rate=1e30), build_task(), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"base_model": "absent"}, "absent is not a model checkpoint"),
        ({"steps": 0}, "steps: expected a number above 0, found 0"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a number above 0, found nan"),
        ({"max_response_tokens": 80}, "item 'long': 2 prompt tokens and 71 response tokens need 73 positions"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    changes: dict[str, Any], sentence: str, config: SupervisedConfig, tmp_path: Path
) -> None:
    task = build_task()
    task = replace(task, train=(*task.train, Item("long", "dog cat", ("dog " * 70,), ())))
    with pytest.raises(InputError, match=sentence):
        train_supervised(replace(config, **changes), task, tmp_path / "run", show_progress=False)
    assert not list(tmp_path.glob("run*"))


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
