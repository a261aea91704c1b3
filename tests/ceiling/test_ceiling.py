"""The bench of reward models beside what votes allow: its pairs and splits, its table, and all of it in miniature."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from annotation.configuration import load_config
from annotation.errors import InputError
from annotation.record_readers import read_preferences
from annotation.records import normalise_prompt
from rl.generate import Sample
from rl.management.ceiling.bench import tabulate
from rl.management.ceiling.stages import GOLD, choose_pairs
from rl.management.ceiling.study import STUDY_FILE, CeilingStudy

MINIATURE = [
    "seed=3",
    "task.train=400",
    "task.validation=20",
    "task.test=20",
    "supervised.steps=60",
    "annotators.pairs=40",
    "annotators.workers=6",
    "validation_pairs=10",
    "held_out_pairs=30",
    "incomplete_share=1",
    "models=[{layout: likelihood, epochs: 1}, {layout: decoder, epochs: 1}]",
    "best_of.samples=4",
    "best_of.prompts=8",
]


def test_the_study_refuses_what_it_cannot_do() -> None:
    for setting, sentence in (
        ("validation_pairs=2000", "validation_pairs: expected fewer than annotators.pairs, 2000, found 2000"),
        ("held_out_pairs=0", "held_out_pairs: expected at least 1"),
        ("incomplete_share=2", "incomplete_share: expected 0 to 1"),
        ("models=[{layout: decoder}, {layout: decoder}]", "expected one for each layout that is named"),
    ):
        with pytest.raises(InputError, match=sentence):
            load_config(CeilingStudy, STUDY_FILE, [setting])


def sample(number: int, text: str) -> Sample:
    return Sample(f"i{number}", "supervised", f"p{number}: dog park", text, (), ("dog", "park"))


def test_pairs_are_complete_and_incomplete_in_their_shares_and_never_empty_or_alike() -> None:
    first = [sample(number, "a dog in the park.") for number in range(12)]
    texts = ["the park has a dog."] * 6 + ["a dog."] * 3 + ["", "a dog in the park.", "a park."]
    second = [sample(number, text) for number, text in enumerate(texts)]
    study = load_config(
        CeilingStudy, STUDY_FILE,
        ["annotators.pairs=6", "validation_pairs=1", "held_out_pairs=3", "incomplete_share=0.33"],
    )  # fmt: skip
    pairs = choose_pairs(first, second, study)
    assert Counter(row["completion_b"] for row in pairs)["the park has a dog."] == 6
    assert len(pairs) == 9 and all(row["completion_b"] not in ("", row["completion_a"]) for row in pairs)


def test_a_gap_is_what_the_ceiling_has_and_the_model_has_not() -> None:
    measure = {"estimate": 0.8, "low": 0.7, "high": 0.9, "used": 9}
    gap = {"estimate": 0.05, "low": 0.01, "high": 0.09, "used": 9}
    both = {"pair_accuracy": measure, "pooled_auc": measure}
    votes = {GOLD: both, "decoder": both, f"{GOLD} less decoder": {"pair_accuracy": gap, "pooled_auc": gap}}
    best_of = {"gold": {"oracle": 2.9, "first sample": 2.0, "decoder": 2.7}, "oracle less": {"decoder": gap}}
    (row,) = tabulate({"votes": votes, "best_of": best_of})
    assert (row["layout"], row["pooled_auc_gap"], row["pooled_auc_gap_high"]) == ("decoder", 0.05, 0.09)
    assert (row["best_of_gold"], row["best_of_gold_ceiling"], row["first_sample_gold"]) == (2.7, 2.9, 2.0)


@pytest.mark.slow
def test_the_bench_in_miniature_leaves_numbers_a_figure_and_a_page(tmp_path: Path) -> None:
    output = tmp_path / "bench"
    settings = {"set": MINIATURE, "output": output}
    call_command("bench_ceiling", **settings)
    preferences = read_preferences(output / "votes")
    assert Counter(pair.split for pair in preferences) == {"train": 30, "validation": 10, "test": 30}
    assert len({normalise_prompt(pair.prompt) for pair in preferences}) == 70
    results = json.loads((output / "results.json").read_text())
    assert [row["layout"] for row in results["models"]] == ["likelihood", "decoder"]
    for row in results["models"]:
        # Of the same pairs and the same draws, so that the gap is the difference.
        assert row["pair_accuracy_gap"] == pytest.approx(row["pair_accuracy_ceiling"] - row["pair_accuracy"])
        assert row["pooled_auc_gap"] == pytest.approx(row["pooled_auc_ceiling"] - row["pooled_auc"])
        assert row["best_of_gold_gap"] == pytest.approx(row["best_of_gold_ceiling"] - row["best_of_gold"])
        assert 0 <= row["best_of_gold_gap"] <= 3
    with (output / "tables" / "models.csv").open(newline="") as stream:
        assert [row["layout"] for row in csv.DictReader(stream)] == ["likelihood", "decoder"]
    page = (output / "report.html").read_text()
    assert "Simulated" in page and "<svg" in page and (output / "ceiling.png").is_file()
    with pytest.raises(CommandError, match="is not empty; pass --resume"):
        call_command("bench_ceiling", **settings)
    before = (output / "results.json").read_bytes()
    call_command("bench_ceiling", **settings, resume=True)
    assert (output / "results.json").read_bytes() == before
