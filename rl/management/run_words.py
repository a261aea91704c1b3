"""How the reports of runs write names and numbers."""

import math
from collections.abc import Mapping

from rl.management.run_records import PolicyRun

DECODINGS: Mapping[str, str] = {"sampled": "sampled", "sampled_masked": "sampled with the mask", "greedy": "greedy"}
METRICS: Mapping[str, str] = {
    "reward": "reward",
    "meteor": "METEOR",
    "coverage": "concepts covered",
    "length_words": "length, words",
    "distinct_1": "distinct-1",
    "distinct_2": "distinct-2",
}

REWARDS: Mapping[str, str] = {
    "meteor": "METEOR",
    "meteor_coverage": "METEOR and covered concepts",
    "meteor_preference": "METEOR, covered concepts and a preference model",
}


def reward_name(name: str) -> str:
    return REWARDS.get(name, name.replace("_", " "))


def decoding_name(name: str) -> str:
    return DECODINGS.get(name, name.replace("_", " "))


def metric_name(name: str) -> str:
    return METRICS.get(name, name.replace("_", " "))


def algorithm_name(run: PolicyRun) -> str:
    """NLPO, PPO and the like are written as their papers write them."""
    return label_of(run).replace(run.config["algorithm"], str(run.config["algorithm"]).upper(), 1)


def label_of(run: PolicyRun) -> str:
    """The algorithm, and whether NLPO ran as its authors' released code does."""
    algorithm = str(run.config["algorithm"])
    mode = str(run.setting("nlpo.mode")).replace("_", "-")
    return f"{algorithm} as-released" if algorithm == "nlpo" and mode == "as-released" else algorithm


def short_number(value: float) -> str:
    """Three digits that say something, with a true minus sign; large numbers whole."""
    if math.isnan(value):
        return "—"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")
    return text.replace("-", "−")
