"""train_supervised, train_policy and evaluate_policy, as they are called from a shell."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from rl.tasks.items import SPLITS, write_items
from tests.rl.tiny import KINDS, build_task, save_tiny


@pytest.fixture
def config(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    for split in SPLITS:
        write_items(build_task().split(split), data / f"{split}.jsonl")
    path = tmp_path / "config.yaml"
    path.write_text(
        f"base_model: {save_tiny('t5', tmp_path / 'model')}\n"
        f"data: {data}\n"
        "iterations: 2\nprompts: 4\nhorizon: 4\n"
        "optimiser: {epochs: 1, minibatch: 4}\n"
        "evaluation: {every: 1, items: 2, samples: 1}\n"
    )
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    call_command(*arguments, "--json")
    result: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return result


def test_a_policy_is_trained_and_evaluated(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "run"
    summary = run(capsys, "train_policy", str(config), "--set", "algorithm=ppo", "--output", str(output))
    assert summary["algorithm"] == "ppo"
    assert summary["iterations"] == 2
    assert (output / "report.html").is_file()
    assert (output / "tensorboard").is_dir()
    scores = run(
        capsys,
        *("evaluate_policy", str(output / "policy"), "--task", "commongen-mini", "--data", str(tmp_path / "data")),
        *("--split", "validation", "--horizon", "4"),
    )
    assert scores.keys() == {"sampled", "greedy"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_base_model_of_either_kind_is_fine_tuned(
    kind: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, output = save_tiny(kind, tmp_path / kind), tmp_path / "run"
    words = ["train_supervised", "--task", "commongen-mini", "--data", str(tmp_path / "data")]
    settings = ["--base-model", str(base), "--steps", "2", "--batch", "4", "--max-response-tokens", "5"]
    summary = run(capsys, *words, *settings, "--output", str(output))
    # Of twelve references in training and four in validation, those of "the cat sees a dog" (5 tokens and EOS) and
    # "a dog runs the park ." (6 and EOS) are cut: each twice and once.
    assert (summary["prompts_cut"], summary["responses_cut"]) == (0, 6)
    recorded = {Path(row["path"]).name for row in json.loads((output / "inputs.json").read_text())}
    assert {"train.jsonl", "model.safetensors"} <= recorded
    with pytest.raises(CommandError, match="exists already"):
        call_command(*words, *settings, "--output", str(output), "--resume")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--set", "iteration=3"), "unknown key 'iteration'; did you mean 'iterations'"),
        (("--set", "evaluation.best_by=bleu"), "evaluation.best_by: expected one of reward, meteor, .* found bleu"),
        (("--set", "iterations=0"), "iterations: expected a number above 0"),
        (("--set", "base_model=nowhere/at/all"), "nowhere/at/all is not a model checkpoint"),
        (("--set", "reward.name=meteor_preference"), r"expected a reward model in reward.preference_model"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    arguments: tuple[str, ...], sentence: str, config: Path, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=sentence) as refused:
        call_command("train_policy", str(config), *arguments, "--output", str(tmp_path / "run"))
    assert refused.value.returncode == 2
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "run.partial").exists()


def test_completions_are_drawn_by_the_sampler_that_is_asked_for(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample from the one most likely token is the greedy completion; those that may not end early are longer."""
    words = ["generate_samples", str(tmp_path / "model"), "--task", "commongen-mini", "--data", str(tmp_path / "data")]
    texts = {}
    for name, options in {
        "greedy": ["--greedy"],
        "one": ["--top-k", "1"],
        "free": [],
        "long": ["--min-length", "5"],
    }.items():
        path = tmp_path / f"{name}.jsonl"
        run(capsys, *words, "--horizon", "6", *options, "--output", str(path))
        texts[name] = [json.loads(line)["completion"] for line in path.read_text().splitlines()]
    assert texts["one"] == texts["greedy"] != texts["free"]
    assert sum(map(len, texts["long"])) > sum(map(len, texts["free"]))
    with pytest.raises(CommandError, match=r"--top-p: expected a number above 0, at most 1, found 2.0"):
        call_command(*words, "--top-p", "2", "--output", str(tmp_path / "none.jsonl"))


def test_an_existing_output_is_not_overwritten(config: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(CommandError, match="exists already"):
        call_command("train_policy", str(config), "--output", str(tmp_path / "run"))
