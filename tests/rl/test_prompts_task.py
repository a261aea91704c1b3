"""The task `prompts`: prompts of anyone, read, split, trained on and refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.errors import InputError
from annotation.records import split_of_prompt
from rl.config import RewardConfig, RewardTerm
from rl.evaluation import evaluate_completions
from rl.generate import read_samples
from rl.rewards import expect_scorable
from rl.tasks import SPLITS, Item, Task, load_task
from tests.rl.tiny import WORDS, save_tiny

PAIRS = [f"{first} {second}" for first in WORDS[:6] for second in WORDS[6:]]  # thirty prompts


def write_text(path: Path, prompts: Sequence[str] = PAIRS) -> Path:
    path.write_text("\n".join(prompts) + "\n", encoding="utf-8")
    return path


def write_objects(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_folder(folder: Path, **prompts: str) -> Path:
    """A split a file, with one prompt in each; a split is left out with an empty one."""
    folder.mkdir()
    for split, prompt in ({"train": "dog", "validation": "cat", "test": "ball"} | prompts).items():
        if prompt:
            write_text(folder / f"{split}.txt", [prompt])
    return folder


def all_items(task: Task) -> list[Item]:
    return [item for split in SPLITS for item in task.split(split)]


# Reading


def test_a_text_file_has_a_prompt_a_line_and_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_bytes("\ufeffdog \r\n\r\n  \r\nthe cat\r\n".encode() + "\n".join(PAIRS).encode())
    items = {item.item: item.prompt for item in all_items(load_task("prompts", path))}
    assert len(items) == 2 + len(PAIRS)
    assert items["own-00001"] == "dog ", "a space at the end may be meant"
    assert items["own-00004"] == "the cat"


def test_json_lines_may_name_item_references_and_concepts(tmp_path: Path) -> None:
    full = {"item": "one", "prompt": "dog ball", "references": ["the dog ."], "concepts": ["dog"], "source": "mine"}
    path = write_objects(tmp_path / "own.jsonl", [full, *({"prompt": prompt} for prompt in PAIRS)])
    items = {item.item: item for item in all_items(load_task("prompts", path))}
    assert items["one"] == Item("one", "dog ball", ("the dog .",), ("dog",))
    assert items["own-00002"] == Item("own-00002", PAIRS[0], (), ())


def test_one_file_is_split_by_prompt_alone(tmp_path: Path) -> None:
    task = load_task("prompts", write_text(tmp_path / "own.txt"))
    assert all(task.split(split) for split in SPLITS)
    for split in SPLITS:
        assert all(split_of_prompt(item.prompt) == split for item in task.split(split))


def test_equal_prompts_of_one_file_are_in_one_split(tmp_path: Path) -> None:
    shouted = [prompt.upper().replace(" ", "  ") for prompt in PAIRS]
    task = load_task("prompts", write_text(tmp_path / "own.txt", PAIRS + shouted))
    for split in SPLITS:
        prompts = [item.prompt for item in task.split(split)]
        assert len({prompt.casefold().replace("  ", " ") for prompt in prompts}) == len(prompts) / 2


def test_near_duplicates_of_one_file_are_in_one_split(tmp_path: Path) -> None:
    swapped = [" ".join(reversed(prompt.split())) for prompt in PAIRS]
    task = load_task("prompts", write_text(tmp_path / "own.txt", PAIRS + swapped))
    for split in SPLITS:
        prompts = {item.prompt for item in task.split(split)}
        assert prompts == {prompt for prompt in PAIRS + swapped if split_of_prompt(first_order(prompt)) == split}


def first_order(prompt: str) -> str:
    """Of both orders of two words, the one that stands for both."""
    return " ".join(sorted(prompt.split()))


def test_a_folder_has_a_file_of_either_kind_for_each_split(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "own", validation="")
    write_objects(folder / "validation.jsonl", [{"prompt": "cat", "references": ["the cat"]}])
    task = load_task("prompts", folder)
    assert [item.item for item in all_items(task)] == ["train-00001", "validation-00001", "test-00001"]
    assert task.validation[0].references == ("the cat",)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", r"own\.jsonl, line 2: not valid JSON"),
        ('["dog"]', r"own\.jsonl, line 2: expected an object with prompt, found list"),
        ('{"text": "dog"}', r"line 2: the key 'prompt' is missing"),
        ('{"prompt": "  "}', r"line 2: prompt: expected text, found a blank"),
        ('{"prompt": 3}', r"line 2: prompt: expected text, found '3' \(int\)"),
        ('{"prompt": "dog", "item": 3}', r"line 2: item: expected text, found '3' \(int\)"),
        ('{"prompt": "dog", "references": "a dog"}', r"line 2: references: expected a list of texts, found 'a dog'"),
        ('{"prompt": "dog", "references": [null]}', r"line 2: references: expected text, found 'None'"),
        ('{"prompt": "dog", "concepts": {"dog": 1}}', r"line 2: concepts: expected a list of texts"),
        ('{"prompt": "dog", "item": "one"}', r"line 2: item: 'one' is also the id of .*own\.jsonl, line 1"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(line: str, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    others = "\n".join(json.dumps({"prompt": prompt}) for prompt in PAIRS)
    path.write_text(f'{{"prompt": "cat", "item": "one"}}\n{line}\n{others}\n', encoding="utf-8")
    with pytest.raises(InputError, match=sentence):
        load_task("prompts", path)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("own.txt", b"", r"own\.txt is empty; expected a prompt a line"),
        ("own.jsonl", b"\n \n", r"own\.jsonl is empty"),
        ("own.csv", b"dog\n", r"own\.csv: unknown extension '\.csv'; expected \.jsonl or \.txt"),
        ("own.txt", b"caf\xe9\n", r"own\.txt is not UTF-8 text \(.* at byte 3\)"),
        ("own.txt", b"dog\ncat\ndog\n", r"its prompts \(2 different ones\) leave validation empty; expected 21"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        load_task("prompts", tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"own\.txt: no such file or folder"):
        load_task("prompts", tmp_path / "own.txt")


def test_a_folder_without_a_split_or_with_two_files_for_it_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "own", validation="")
    with pytest.raises(InputError, match=r"expected validation\.jsonl or validation\.txt in it, found neither"):
        load_task("prompts", folder)
    for suffix in (".jsonl", ".txt"):
        write_text(folder / f"validation{suffix}", ["cat"])
    with pytest.raises(InputError, match="found both"):
        load_task("prompts", folder)


def test_a_folder_with_one_prompt_in_two_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test\.txt, line 1: prompt: ' Dog' is in the train split too"):
        load_task("prompts", write_folder(tmp_path / "own", test=" Dog"))


def test_a_split_without_prompts_is_refused_where_it_is_asked_for() -> None:
    item = Item("one", "dog", (), ())
    with pytest.raises(InputError, match="its test split is empty"):
        Task("prompts", (item,), (item,), ()).split("test")


# Metrics and rewards


def test_metrics_without_anything_to_compare_with_are_left_out() -> None:
    bare, full = Item("one", "dog", (), ()), Item("two", "cat", ("the cat",), ("cat",))
    assert evaluate_completions(["a dog"], [bare]).keys() == {"length_words", "distinct_1", "distinct_2"}
    both = evaluate_completions(["a dog", "the cat"], [bare, full])
    assert both["meteor"] == evaluate_completions(["the cat"], [full])["meteor"], "over the items that have references"
    assert both["coverage"] == 1


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (RewardConfig("meteor"), "reward meteor: item 'one' has no references"),
        (RewardConfig("coverage"), "reward coverage: item 'one' has no concepts"),
        (RewardConfig("meteor_preference"), "reward meteor_preference: item 'one' has no references"),
        (RewardConfig(terms=(RewardTerm("my:own"), RewardTerm("meteor_coverage"))), "reward meteor_coverage: item"),
    ],
)
def test_a_reward_that_reads_what_an_item_lacks_is_refused(config: RewardConfig, sentence: str) -> None:
    full = Item("two", "cat", ("the cat",), ("cat",))
    expect_scorable(config, [full])
    with pytest.raises(InputError, match=sentence):
        expect_scorable(config, [full, Item("one", "dog", (), ())])


# The commands


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"base_model: {save_tiny('gpt2', tmp_path / 'model')}\n"
        f"task: prompts\ndata: {write_text(tmp_path / 'own.txt')}\n"
        "algorithm: ppo\niterations: 1\nprompts: 4\nhorizon: 4\n"
        "optimiser: {epochs: 1, minibatch: 4}\n"
        "evaluation: {every: 1, items: 2, samples: 1}\n"
    )
    return path


def reward_words(prompts: Sequence[str], completions: Sequence[str], records: Sequence[Item]) -> list[float]:
    assert not any(record.references for record in records)
    return [float(len(text.split())) for text in completions]


def test_a_policy_is_trained_on_bare_prompts_and_writes_and_is_measured_on_them(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reward = f"reward.name={__name__}:reward_words"
    call_command("train_policy", str(config), "--set", reward, "--output", str(tmp_path / "run"), "--json")
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["validation_after"]["greedy"].keys() == {"reward", "length_words", "distinct_1", "distinct_2"}
    assert (tmp_path / "run/report.html").is_file()
    assert "own.txt" in (tmp_path / "run/inputs.json").read_text()

    source = ("--task", "prompts", "--data", str(tmp_path / "own.txt"))
    samples, policy = tmp_path / "samples.jsonl", str(tmp_path / "run/policy")
    call_command("generate_samples", policy, *source, "--horizon", "4", "--output", str(samples))
    assert {sample.prompt for sample in read_samples(samples)} == {
        prompt for prompt in PAIRS if split_of_prompt(prompt) == "test"
    }
    capsys.readouterr()
    call_command("evaluate_policy", policy, *source, "--horizon", "4", "--json")
    scores = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert scores["sampled"].keys() == {"length_words", "distinct_1", "distinct_2"}


def test_a_policy_is_fine_tuned_on_prompts_with_references(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"prompt": prompt, "references": [f"the {prompt} ."]} for prompt in PAIRS]
    source = ("--task", "prompts", "--data", str(write_objects(tmp_path / "own.jsonl", rows)))
    base = ("--base-model", str(save_tiny("gpt2", tmp_path / "model")))
    call_command("train_supervised", *source, *base, "--steps", "2", "--output", str(tmp_path / "run"), "--json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["validation_loss"] > 0


def refuse(tmp_path: Path, *command: str) -> str:
    """The sentence with which the command is refused; nothing may be written, and the exit code is 2."""
    with pytest.raises(CommandError) as refused:
        call_command(*command, "--output", str(tmp_path / "run"))
    assert refused.value.returncode == 2
    assert not list(tmp_path.glob("run*"))
    return str(refused.value)


def test_a_reward_that_needs_references_is_refused_on_bare_prompts(config: Path, tmp_path: Path) -> None:
    sentence = refuse(tmp_path, "train_policy", str(config), "--set", "reward.name=meteor")
    assert sentence.startswith("reward meteor: item 'own-")


def test_fine_tuning_on_bare_prompts_is_refused(config: Path, tmp_path: Path) -> None:
    words = ("--task", "prompts", "--data", str(tmp_path / "own.txt"), "--base-model", str(tmp_path / "model"))
    assert "has no references; supervised fine-tuning expects" in refuse(tmp_path, "train_supervised", *words)


def test_prompts_without_a_source_are_refused(tmp_path: Path) -> None:
    assert "expected --data FILE.jsonl" in refuse(tmp_path, "generate_samples", "nowhere", "--task", "prompts")
