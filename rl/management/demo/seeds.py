"""Several demos, a seed each: every headline number by seed, and Student t intervals over the seeds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.intervals import mean_interval
from annotation.errors import InputError
from rl.management.demo.measurements import brief

Row = dict[str, float]


def compare_demos(folders: Sequence[Path]) -> dict[str, Any]:
    """Headline numbers of each demo, and the mean of each over the seeds with its interval."""
    rows = {}
    for folder in folders:
        summary = read_demo_summary(folder)
        if summary["seed"] in rows:
            raise InputError(f"{folder}: seed {summary['seed']} is given twice; expected a different seed each.")
        rows[summary["seed"]] = headline_row(summary)
    means = {name: brief(mean_interval([row[name] for row in rows.values()])) for name in next(iter(rows.values()))}
    return {"seeds": rows, "over_seeds": means}


def read_demo_summary(folder: Path) -> dict[str, Any]:
    path = folder / "summary.json"
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected the folder of a finished demo.") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not valid JSON: {error}.") from None
    return summary


def headline_row(summary: Mapping[str, Any]) -> Row:
    """The numbers by which a seed is judged."""
    gold, vote = summary["gold"], summary["second-vote"]
    evaluation = summary["reward-model-evaluation"]
    best_of = {name: row["utility"] for name, row in evaluation["best_of"]["gold"].items()}
    contests = {name: vote[name] for name in ("c_against_b", "c_against_a")}
    return {
        "alpha": summary["first-vote"]["alpha"]["estimate"],
        "supervised_plausible_sampled": gold["gold"]["supervised"]["sampled"]["plausible"],
        "supervised_plausible_greedy": gold["gold"]["supervised"]["greedy"]["plausible"],
        "pooled_auc": evaluation["votes"]["reward model"]["pooled_auc"]["estimate"],
        "pooled_auc_ceiling": evaluation["votes"]["gold ceiling"]["pooled_auc"]["estimate"],
        "pair_accuracy": evaluation["votes"]["reward model"]["pair_accuracy"]["estimate"],
        "pair_accuracy_ceiling": evaluation["votes"]["gold ceiling"]["pair_accuracy"]["estimate"],
        **{f"best_of_n_{name.replace(' ', '_')}": value for name, value in best_of.items()},
        "best_of_n_reward_model_less_coverage": best_of["reward model"] - best_of["coverage"],
        **{f"gold_{name}": row["estimate"] for name, row in gold["differences"].items()},
        **{f"{name}_mean_vote": contest["mean_vote"]["estimate"] for name, contest in contests.items()},
        **{f"{name}_p_sign_flip": contest["mean_vote"]["p_value"] for name, contest in contests.items()},
        **{f"{name}_p_binomial": contest["binomial_paper_protocol"]["p_value"] for name, contest in contests.items()},
        **{
            f"{name}_{count}": contest[count]
            for name, contest in contests.items()
            for count in ("wins_b", "wins_a", "ties", "identical_items")
        },
    }
