"""The head of a model card: the metadata that a model hub reads.

Keys and forms as in the Hub's specification (huggingface.co/docs/hub/model-cards, github.com/huggingface/hub-docs,
modelcard.md). What a hub could not resolve, a base model or pairs that lie in a folder, is left out of it.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from reward_models.management.evaluation_details import MODEL
from reward_models.management.evaluation_page import MEASURES

TYPES = {"pair_accuracy": "accuracy", "pooled_auc": "roc_auc", "brier_score": "brier_score"}  # names that the Hub knows
UNNAMED_DATA = "preference-votes"
TASK = {"type": "text-classification", "name": "which of two completions is preferred"}


def describe_metadata(
    name: str, base_model: str, pairs: str, results: Mapping[str, Any] | None, *, is_simulated: bool
) -> dict[str, Any]:
    """base_model, pairs: as they were given, a path or a hub name. results: of the evaluation, if there is one."""
    tags = ["reward-model", "preference-model", "prefloop"]
    metadata: dict[str, Any] = {
        "library_name": "transformers",
        "tags": [*tags, "simulated-votes"] if is_simulated else tags,
    }
    if is_hub_name(base_model):
        metadata |= {"base_model": base_model, "base_model_relation": "finetune"}
    if is_hub_name(pairs):
        metadata["datasets"] = [pairs]
    metrics = _list_metrics(results["scorers"][MODEL]) if results else []
    if results and metrics:
        dataset = {"type": pairs if is_hub_name(pairs) else UNNAMED_DATA, "name": name_source(pairs)}
        result = {"task": TASK, "dataset": dataset | {"split": results["split"]}, "metrics": metrics}
        metadata["metrics"] = [metric["type"] for metric in metrics]
        metadata["model-index"] = [{"name": name, "results": [result]}]
    return metadata


def write_metadata(metadata: Mapping[str, Any]) -> str:
    content = yaml.safe_dump(dict(metadata), sort_keys=False, allow_unicode=True)
    return f"---\n{content}---\n"


def is_hub_name(source: str) -> bool:
    return not Path(source).exists()


def name_source(source: str) -> str:
    """A hub name whole; of a path the last part, as where it lies is nobody's concern."""
    return source if is_hub_name(source) else Path(source).resolve().name


def _list_metrics(measures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that are defined."""
    return [
        {"type": TYPES.get(key, key), "name": label, "value": round(measures[key]["estimate"], 4)}
        for key, label in MEASURES.items()
        if math.isfinite(measures[key]["estimate"])
    ]
