"""What a reader must know before believing an evaluation: whole sentences, for the screen, the pages and the card."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.resampling import FEWEST_CLUSTERS
from reward_models.layouts import Layout

SEEN = {
    "train": "A model that was trained on these data has learned the votes on these very pairs, so nothing here says "
    "how well it predicts others. The test split does.",
    "validation": "Of a model that was trained on these data the best epoch was chosen by these very pairs, which "
    "flatters it. The test split does not.",
}
BASE_MODELS: dict[Layout, str] = {
    "likelihood": "the base model with a fitted scale",
    "scalar": "the base model with a head that was drawn and never trained",
}


def caution_of_split(split: str) -> str:
    """Empty for the test split, which no training sees."""
    return SEEN.get(split, "")


def caution_of_prompts(prompts: int) -> str:
    """prompts: that the pairs with a majority are of; empty if they are enough for an interval."""
    if prompts >= FEWEST_CLUSTERS:
        return ""
    if prompts == 1:
        return "All pairs with a majority are of one prompt: too few for an interval."
    return f"The pairs with a majority are of {prompts} prompts: intervals over so few are likely too narrow."


def caution_of_training(summary: Mapping[str, Any]) -> str:
    """Where the untrained model won; summary: of a training. Empty if an epoch improved on it."""
    if summary.get("best_epoch") != 0:
        return ""
    return f"No epoch improved on the untrained model; this is {name_untrained(summary.get('layout'))}."


def name_untrained(layout: Any) -> str:
    """What a training leaves that no epoch improved."""
    return BASE_MODELS.get(layout, "the base model")


def caution_of_models(folders: Sequence[Path]) -> list[str]:
    """Of those that train_reward_model left, as `load_scorer` takes them; named where they are several."""
    cautions = []
    for folder in folders:
        if said := caution_of_training(_read_summary(folder)):
            cautions.append(f"{folder.name}: {said}" if len(folders) > 1 else said)
    return cautions


def _read_summary(folder: Path) -> dict[str, Any]:
    """Of the run that a model lies in; empty if it lies elsewhere."""
    path = (folder if (folder / "model").is_dir() else folder.parent) / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return summary if isinstance(summary, dict) else {}
