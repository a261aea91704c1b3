"""Run folders as train_policy leaves them, written by hand: every number is known and nothing is trained."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

CONFIG: dict[str, Any] = {
    "base_model": "runs/supervised/policy",
    "algorithm": "nlpo",
    "task": "commongen-mini",
    "reward": {"name": "meteor", "preference_model": None},
    "nlpo": {"top_mass": 0.9, "refresh_every": 2},
    "kl": {"coefficient": 0.1, "target": 0.04},
    "iterations": 6,
    "prompts": 8,
    "horizon": 12,
    "clip": 0.2,
    "snapshots": [],
    "seed": 0,
}


def a_row(iteration: int, **changes: Any) -> dict[str, Any]:
    """A row of metrics in which every measure moves a little."""
    row = {
        "iteration": iteration,
        "reward": 0.5 + 0.01 * iteration,
        "reward_sd": 0.1,
        "kl_coefficient": 0.1 * 0.99**iteration,
        "kl_sampled": 0.002 * iteration,
        "kl_exact": 0.003 * iteration,
        "kl_exact_masked": 0.05 + 0.003 * iteration,
        "entropy": 1.2 - 0.01 * iteration,
        "entropy_masked": 0.9 - 0.01 * iteration,
        "support_mass": 0.96 - 0.002 * iteration,
        "kl_exact_per_sequence": 0.03 * iteration,
        "explained_variance": 0.05 * iteration,
        "length_tokens": 10.0,
        "ended_share": 0.99,
        "tokens": 80,
        "policy_loss": -0.01,
        "mean_ratio": 0.999,
        "clip_fraction": 0.02,
        "value_loss": 0.5 / iteration,
        "refreshed": iteration % 2 == 0,
        "tokens_per_s": 900.0,
        "collect_s": 1.0,
        "reward_s": 0.5,
        "update_s": 2.5,
        "warnings": [],
    }
    return {name: value for name, value in (row | changes).items() if value is not None}


def an_evaluation(iteration: int, meteor: float, decodings: Sequence[str] = ("sampled", "greedy")) -> dict[str, Any]:
    return {"iteration": iteration} | {name: {"meteor": meteor, "length_words": 8.0} for name in decodings}


def a_sample(iteration: int, text: str = "a dog runs", item: str = "item-1") -> dict[str, Any]:
    return {"iteration": iteration, "item": item, "prompt": f"prompt of {item}", "sampled": text, "greedy": ""}


def write_run(
    folder: Path,
    *,
    config: Mapping[str, Any] | None = None,
    metrics: Sequence[Mapping[str, Any]] | None = None,
    evaluations: Sequence[Mapping[str, Any]] | None = None,
    samples: Sequence[Mapping[str, Any]] = (),
    finished: bool = True,
) -> Path:
    """A run folder; an unfinished one has neither summary.json nor environment.json."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | dict(config or {})))
    tables = {
        "metrics": [a_row(iteration) for iteration in range(1, 7)] if metrics is None else metrics,
        "evaluations": [an_evaluation(0, 0.4), an_evaluation(6, 0.5)] if evaluations is None else evaluations,
        "samples": samples,
    }
    for name, rows in tables.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("summary.json", "environment.json") if finished else ():
        (folder / name).write_text("{}")
    return folder
