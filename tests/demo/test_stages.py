"""The demo's own steps, on made-up completions and votes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annotation.configuration import load_config
from annotation.errors import InputError
from annotation.records import Comparison
from annotation.run_folders import write_json
from rl.generate import Sample
from rl.management.demo.experiment import EXPERIMENT_FILE, Experiment
from rl.management.demo.measurements import measure_contest
from rl.management.demo.stages import pick_best
from rl.management.demo.training import train_supervised
from rl.management.demo.votes import concept_order, select_incomplete_pairs, select_pairs
from rl.management.demo.workshop import Workplace, Workshop, open_workshop


def sample(item: int, completion: str, system: str = "x") -> Sample:
    concepts = ("car", "drive", "man")
    return Sample(f"i{item}", system, f"generate a sentence with: car drive man {item}.", completion, (), concepts)


def comparison(item: str, choice: str, worker: str) -> Comparison:
    return Comparison(
        campaign="c",
        hit=item,
        item=item,
        pair=item,
        prompt="p",
        completion_a="a",
        completion_b="b",
        system_a="x",
        system_b="y",
        left="a",
        choice=choice,
        strength=None,
        worker=worker,
        assignment=f"{item}-{worker}",
        kind="work",
        excluded="",
        active_seconds=1.0,
        submitted_on="",
    )


def test_concepts_are_ordered_as_the_completion_uses_them() -> None:
    assert concept_order(sample(0, "a car drives the man.")) == ("car", "drive", "man")
    assert concept_order(sample(0, "the man is driving a car.")) == ("man", "drive", "car")


def test_pairs_have_all_concepts_and_those_that_differ_in_order_come_first() -> None:
    rows = [
        ("a man drives a car.", "a man drives a car."),  # identical: never
        ("a man drives a car.", "a man drives."),  # a concept is missing: never
        ("a man drives a car.", "the man drives a car."),  # the same order: last
        ("a man drives a car.", "a car drives a man."),  # another order: first
    ]
    first = [sample(number, a, "x") for number, (a, _) in enumerate(rows)]
    second = [sample(number, b, "y") for number, (_, b) in enumerate(rows)]
    assert [row["item"] for row in select_pairs(first, second, wanted=2, seed=0)] == ["i3", "i2"]
    (only,) = select_pairs(first, second, wanted=1, seed=0)
    assert (only["system_a"], only["system_b"], only["completion_b"]) == ("x", "y", "a car drives a man.")
    with pytest.raises(InputError, match="only 2 pairs use all concepts; expected at least 3"):
        select_pairs(first, second, wanted=3, seed=0)


def test_incomplete_pairs_differ_and_one_at_least_misses_a_concept() -> None:
    rows = [
        ("a man drives a car.", "the man drives a car."),  # complete: never
        ("a man drives.", "a man drives."),  # identical: never
        ("a man drives a car.", "a man drives."),
        ("a car a car.", "a man drives a car."),
        ("a man.", "a car."),
    ]
    first = [sample(number, a, "x") for number, (a, _) in enumerate(rows)]
    second = [sample(number, b, "y") for number, (_, b) in enumerate(rows)]
    picked = select_incomplete_pairs(first, second, wanted=9, seed=0)
    assert sorted(row["item"] for row in picked) == ["i2", "i3", "i4"]
    assert select_incomplete_pairs(first, second, wanted=2, seed=0) == picked[:2]


def test_the_papers_budget_is_complete_pairs_alone() -> None:
    first_vote = load_config(Experiment, EXPERIMENT_FILE).with_pairs(417).first_vote
    assert (first_vote.pairs, first_vote.incomplete_pairs) == (417, 0)


def test_the_best_of_each_block_is_picked_and_ties_go_to_the_first() -> None:
    values = np.array([0.0, 2.0, 1.0, 5.0, 5.0, 4.0])
    assert pick_best(values, 3).tolist() == [1, 3]


def test_a_contest_counts_votes_and_identical_items_as_ties() -> None:
    votes = [comparison(f"i{number}", choice, f"w{rater}") for number in range(6) for rater, choice in enumerate("bba")]
    contest = measure_contest(votes, ["same-1", "same-2"], raters_per_hit=3, seed=0)
    assert (contest["wins_b"], contest["wins_a"], contest["ties"]) == (12, 6, 6)
    # Six items of mean vote 1/3 and two of 0, of which only all signs alike are as extreme: p = 2 / 2^6.
    assert contest["mean_vote"]["estimate"] == pytest.approx(6 / 3 / 8)
    assert contest["mean_vote"]["p_value"] == pytest.approx(2 / 2**6)


def test_the_committed_experiment_loads_and_an_unknown_key_is_named() -> None:
    experiment = load_config(Experiment, EXPERIMENT_FILE)
    assert experiment.first_vote.pairs >= 417
    assert experiment.second_vote.items == 800
    with pytest.raises(InputError, match="unknown key 'itmes'; did you mean 'items'"):
        load_config(Experiment, EXPERIMENT_FILE, ["second_vote.itmes=3"])


def test_each_purpose_and_seed_has_its_own_noise() -> None:
    experiment = load_config(Experiment, EXPERIMENT_FILE)
    seeds = {replace(experiment, seed=seed).decoder(purpose).seed for seed in range(3) for purpose in range(1, 6)}
    assert len(seeds) == 15


def workshop(folder: Path, said: list[str], **changes: object) -> Workshop:
    experiment = replace(load_config(Experiment, EXPERIMENT_FILE), **changes)  # type: ignore[arg-type]
    return open_workshop(folder, experiment, said.append)


def test_a_finished_stage_is_not_done_again_and_an_interrupted_one_is(tmp_path: Path) -> None:
    said: list[str] = []
    shop = workshop(tmp_path / "demo", said)
    done = []

    def interrupted(_: Workshop) -> dict[str, object]:
        done.append("interrupted")
        raise KeyboardInterrupt

    def finished(_: Workshop) -> dict[str, object]:
        done.append("finished")
        return {"value": 3, "line": "three"}

    with pytest.raises(KeyboardInterrupt):
        shop.run_stage("stage", "A stage", interrupted)
    again = workshop(tmp_path / "demo", said)
    again.run_stage("stage", "A stage", finished)
    again.run_stage("stage", "A stage", finished)
    assert done == ["interrupted", "finished"]
    assert again.result("stage")["value"] == 3


def test_an_interrupted_supervised_training_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = workshop(tmp_path / "demo", [])
    commands: list[list[str]] = []

    def interrupted_then_done(self: Workshop, *given: list[str | Path]) -> None:
        commands.extend([str(word) for word in command] for command in given)
        if not given:
            return
        if len(commands) == 1:
            (shop.folder / "supervised.partial").mkdir()
            raise KeyboardInterrupt
        (shop.folder / "supervised.partial").rename(shop.folder / "supervised")
        write_json(shop.folder / "supervised" / "summary.json", {"validation_loss": 1.5})

    monkeypatch.setattr(Workplace, "run_together", interrupted_then_done)
    with pytest.raises(KeyboardInterrupt):
        train_supervised(shop)
    assert train_supervised(shop)["validation_loss"] == 1.5
    train_supervised(shop)
    assert ["--resume" in command for command in commands] == [False, True], "and a finished one is not repeated"


def test_a_demo_with_other_settings_is_not_mixed_in(tmp_path: Path) -> None:
    workshop(tmp_path / "demo", [])
    with pytest.raises(InputError, match="holds a demo with other settings"):
        workshop(tmp_path / "demo", [], seed=7)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(InputError, match="is not a demo's"):
        workshop(tmp_path / "other", [])


def test_a_command_that_fails_stops_the_demo_with_its_name(tmp_path: Path) -> None:
    shop = workshop(tmp_path / "demo", [])
    with pytest.raises(InputError, match=r"`manage\.py build_task` failed"):
        shop.run("build_task", "commongen-mini")  # without --output
