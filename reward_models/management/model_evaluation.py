"""A reward model's evaluation on one split of a source of pairs, and its files. For the command and for training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from annotation.record_readers import holds_records, read_comparisons
from annotation.records import Comparison, Preference
from reward_models.baselines import score_length, score_overlap
from reward_models.dataset import select_judgeable
from reward_models.management.evaluation import Score, blank_undefined, gold_score
from reward_models.management.evaluation_details import MODEL, evaluate_in_detail
from reward_models.management.evaluation_page import write_evaluation


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured, as results.json has it but for NaN, and its tables."""

    results: dict[str, Any]
    tables: dict[str, pd.DataFrame]

    @property
    def headlines(self) -> dict[str, Any]:
        """The model's own measures, and what workers reach: what a summary says."""
        results = self.results
        return blank_undefined({"pairs": results["pairs"], **results["scorers"][MODEL], "workers": results["workers"]})


def name_scorers(
    model: Score, world: Path | None = None, members: Mapping[str, Score] | None = None
) -> dict[str, Score]:
    """The model and what it is held against. world: of commongen-mini, for its gold judge; members: of an ensemble."""
    scorers: dict[str, Score] = {
        MODEL: model,
        "longer is better": score_length,
        "words of the prompt": score_overlap,
        **{f"{name} alone": member for name, member in (members or {}).items()},
    }
    return scorers | ({"gold": gold_score(world)} if world else {})


def evaluate_in_folder(
    scorers: dict[str, Score],
    preferences: Sequence[Preference],
    votes: Sequence[Comparison],
    folder: Path,
    *,
    name: str,
    split: str = "test",
    seed: int = 0,
    cautions: Sequence[str] = (),
) -> Evaluation:
    """Evaluate on a split and write `results.json`, `tables/`, `figures/` and `report.html` into `folder`.

    votes: of single workers, for what they reach; name: of the model, in the page's title; cautions: about the model.
    Pairs between whose completions nobody can choose are left out and counted.
    """
    judgeable, _ = select_judgeable(preferences)
    _, left_out = select_judgeable(pair for pair in preferences if pair.split == split)
    results, tables = evaluate_in_detail(judgeable, scorers, votes, split, seed, cautions)
    results["pairs_left_out"] = left_out
    write_evaluation(results, tables, folder, f"How well {name} predicts votes")
    return Evaluation(results, tables)


def read_votes(source: Path) -> list[Comparison]:
    """The votes of single workers, which an export alone has."""
    is_export = (source / "manifest.json").is_file()
    return read_comparisons(source) if is_export and holds_records(source, Comparison) else []
