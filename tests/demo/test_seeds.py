"""Comparing demos over seeds."""

import json
from pathlib import Path

import pytest

from annotation.errors import InputError
from rl.management.demo.seeds import compare_demos

CONTEST = {
    "wins_b": 30,
    "wins_a": 20,
    "ties": 10,
    "identical_items": 2,
    "mean_vote": {"estimate": 0.1, "p_value": 0.04},
    "binomial_paper_protocol": {"estimate": 0.6, "p_value": 0.2},
}


def write_demo(folder: Path, seed: int, gain: float) -> Path:
    score = {"pooled_auc": {"estimate": 0.7}, "pair_accuracy": {"estimate": 0.7}}
    supervised = {kind: {"plausible": 0.5, "utility": 2.0} for kind in ("sampled", "greedy")}
    summary = {
        "seed": seed,
        "first-vote": {"alpha": {"estimate": 0.28}},
        "reward-model-evaluation": {
            "votes": {"reward model": score, "gold ceiling": score},
            "best_of": {"gold": {"coverage": {"utility": 2.0}, "reward model": {"utility": 2.0 + gain}}},
        },
        "gold": {"gold": {"supervised": supervised}, "differences": {"c_less_b_sampled": {"estimate": gain}}},
        "second-vote": {"c_against_b": CONTEST, "c_against_a": CONTEST},
    }
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def test_the_interval_over_seeds_is_students(tmp_path: Path) -> None:
    folders = [write_demo(tmp_path / str(seed), seed, gain) for seed, gain in enumerate((0.1, 0.2, 0.3))]
    mean = compare_demos(folders)["over_seeds"]["best_of_n_reward_model_less_coverage"]
    # sd .1, n 3, t(.975, 2) = 4.303: half a width of 4.303 · .1 / √3
    assert mean["estimate"] == pytest.approx(0.2)
    assert mean["high"] - mean["estimate"] == pytest.approx(4.303 * 0.1 / 3**0.5, abs=1e-4)
    assert compare_demos(folders)["seeds"][1]["gold_c_less_b_sampled"] == 0.2


def test_a_seed_given_twice_and_a_folder_without_a_demo_are_refused(tmp_path: Path) -> None:
    first = write_demo(tmp_path / "first", 1, 0.1)
    with pytest.raises(InputError, match="seed 1 is given twice"):
        compare_demos([first, write_demo(tmp_path / "second", 1, 0.1)])
    with pytest.raises(InputError, match="expected the folder of a finished demo"):
        compare_demos([tmp_path / "absent"])
