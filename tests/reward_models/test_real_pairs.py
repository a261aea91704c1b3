"""Pairs that a real crowd judged, where the data are beside the checkout."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from reward_models.baselines import score_length, score_overlap
from reward_models.dataset import split_pairs
from reward_models.management.evaluation import evaluate_on_votes
from reward_models.pair_sources import read_pairs
from tests.reward_models.scratchplot import write_endings

REAL = Path(os.environ.get("PREFLOOP_DATA", Path(__file__).parents[3] / "shared" / "data")) / "scratchplot"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason=f"no judgments of a real crowd at {REAL}")


@pytest.fixture
def endings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    write_endings(REAL, tmp_path / "endings")
    return tmp_path / "endings"


def test_every_vote_of_the_crowd_is_on_its_pair(endings: Path) -> None:
    source = read_pairs(endings)
    assert source.layout == "votes" and len(source.preferences) == 300
    assert {pair.votes_a + pair.votes_b for pair in source.preferences} == {3}
    # What the files count: 249 and 219 choices of the first, of 450 each.
    assert sum(pair.votes_a for pair in source.preferences) == 249 + 219
    # The prompts name plans and do not have them: "ending 47" and "ending-new 47" are two, in all but the name.
    splits = split_pairs(source.preferences)
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [150, 42, 108]
    rows = [json.loads(line) for path in endings.glob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(Counter(row["plan"] for row in rows)) == 50
    texts = {
        name: {text for pair in part for text in (pair.completion_a, pair.completion_b)}
        for name, part in (("train", splits.train), ("validation", splits.validation), ("test", splits.test))
    }
    assert not texts["train"] & texts["test"] and not texts["train"] & texts["validation"]


def test_a_length_baseline_has_an_honest_interval_on_real_endings(endings: Path) -> None:
    test = [pair for pair in read_pairs(endings).preferences if pair.split == "test"]
    found = evaluate_on_votes(test, {"length": score_length, "overlap": score_overlap}, seed=0)
    measured = found["length"]["pair_accuracy"]
    lengths = [score_length(["", ""], [pair.completion_a, pair.completion_b]) for pair in test if pair.label]
    right = [
        0.5 if a == b else float((a > b) == (pair.label == "a")) for (a, b), pair in zip(lengths, test, strict=True)
    ]
    assert measured["estimate"] == pytest.approx(np.mean(right))
    assert measured["high"] - measured["low"] > 0.1  # a hundred pairs say little
