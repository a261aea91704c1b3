"""Exports of toy pairs with three workers' votes on each; two thirds of the completions a have a word or two more."""

import json
import random
from pathlib import Path
from typing import Any

from annotation.records import SCHEMA_VERSION, Comparison, aggregate_preferences, from_dict, to_dict
from tests.analysis.exports import comparison
from tests.reward_models.pairs import make_pair


def write_export(
    folder: Path, pairs: int = 60, *, systems: tuple[str, str] = ("x", "y"), is_tied: bool = False, **manifest: Any
) -> Path:
    """Votes err in a sixth; is_tied: all three say that both are as good."""
    folder.mkdir()
    chance = random.Random(0)
    rows = []
    for number in range(pairs):
        pair = make_pair(number, "train", *((3, 0) if number % 2 else (0, 3)))
        longer = " ".join([pair.completion_a, *("pink" for _ in range(number % 3))])
        texts = {"prompt": pair.prompt, "completion_a": longer, "completion_b": pair.completion_b}
        for worker in range(3):
            wrong = "b" if pair.label == "a" else "a"
            choice = "tie" if is_tied else wrong if chance.random() < 1 / 6 else pair.label
            rows.append(comparison(number, *systems, choice, worker) | texts | {"pair": pair.pair})
    preferences = aggregate_preferences([from_dict(Comparison, row) for row in rows])
    (folder / "comparisons.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "preferences.jsonl").write_text("".join(json.dumps(to_dict(pair)) + "\n" for pair in preferences))
    (folder / "manifest.json").write_text(json.dumps({"schema_version": SCHEMA_VERSION, **manifest}))
    return folder
