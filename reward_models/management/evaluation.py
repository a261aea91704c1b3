"""How good a reward model is on votes, beside what the votes allow. For the command and for the demo."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.pair_scores import compare_scorers, evaluate_scorer
from annotation.errors import InputError
from annotation.records import Preference
from rl.tasks.commongen_mini.judge import load_judge

Score = Callable[[Sequence[str], Sequence[str]], np.ndarray]


def evaluate_on_votes(preferences: Sequence[Preference], scorers: dict[str, Score], seed: int) -> dict[str, Any]:
    """Pair accuracy and pooled ROC AUC (the paper's) of each scorer on pairs with a majority, prompts resampled.

    With several scorers, also each later one's difference from the first, on the same draws.
    """
    decided = [pair for pair in preferences if pair.label]
    if not decided:
        raise InputError("no pair has a majority; expected some on which accuracy can be measured.")
    pairs, texts = tabulate_scores(decided, scorers)
    names = list(scorers)
    report: dict[str, Any] = {"pairs": len(decided), "prompts": len({pair.prompt for pair in decided})}
    for name in names:
        paired = evaluate_scorer(pairs, label="is_a", logit=name, cluster="prompt", seed=seed)
        pooled = evaluate_scorer(texts, label="is_chosen", logit=name, cluster="prompt", seed=seed)
        report[name] = {
            "pair_accuracy": _brief(paired["pair_accuracy"]),
            "pooled_auc": _brief(pooled["roc_auc"]),
            "log_loss": _brief(paired["log_loss"]),
            "brier_score": _brief(paired["brier_score"]),
            "calibration_error": _brief(paired["calibration_error"]),
        }
    for name in names[1:]:
        paired = compare_scorers(pairs, label="is_a", first=name, second=names[0], cluster="prompt", seed=seed)
        pooled = compare_scorers(texts, label="is_chosen", first=name, second=names[0], cluster="prompt", seed=seed)
        report[f"{names[0]} less {name}"] = {
            "pair_accuracy": _brief(paired["pair_accuracy"]),
            "pooled_auc": _brief(pooled["roc_auc"]),
        }
    return report


def tabulate_scores(pairs: Sequence[Preference], scorers: dict[str, Score]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row a pair (is_a; the difference of each scorer), and one row a text (is_chosen; the score of each)."""
    prompts = [pair.prompt for pair in pairs]
    is_a = np.array([float(pair.label == "a") for pair in pairs])
    pair_table = pd.DataFrame({"prompt": prompts, "is_a": is_a})
    text_table = pd.DataFrame({"prompt": prompts * 2, "is_chosen": np.concatenate([is_a, 1 - is_a])})
    for name, score in scorers.items():
        scores_a = np.asarray(score(prompts, [pair.completion_a for pair in pairs]), dtype=float)
        scores_b = np.asarray(score(prompts, [pair.completion_b for pair in pairs]), dtype=float)
        pair_table[name] = scores_a - scores_b
        text_table[name] = np.concatenate([scores_a, scores_b])
    return pair_table, text_table


def _brief(estimate: Any) -> dict[str, Any]:
    content = asdict(estimate)
    return {key: content[key] for key in ("estimate", "low", "high", "used")}


def blank_undefined(content: Any) -> Any:
    """`content` with None for each number that is not defined: JSON knows no NaN."""
    if isinstance(content, dict):
        return {name: blank_undefined(value) for name, value in content.items()}
    if isinstance(content, list):
        return [blank_undefined(value) for value in content]
    return None if isinstance(content, float) and math.isnan(content) else content


def is_clear(difference: Mapping[str, Any]) -> bool:
    """Whether the interval leaves out 0; without an interval nothing is clear."""
    return bool(difference["low"] > 0 or difference["high"] < 0)


def gold_score(world: Path) -> Score:
    """The gold judge's utility as a scorer: what no model of these votes can beat by much."""
    judge = load_judge(world)
    return lambda prompts, completions: np.array(
        [judge(prompt, text).utility for prompt, text in zip(prompts, completions, strict=True)]
    )
