"""What the trainings of a learning curve show: measures a size, the gain of the last step, and what is left to gain."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from analysis.learning_curves import average_runs, resample_runs
from analysis.resampling import Floats, percentiles
from analysis.results import Estimate
from annotation.records import Comparison, Preference
from reward_models.management.evaluation import Score, tabulate_scores
from reward_models.management.evaluation_details import compare_votes, tabulate_votes
from reward_models.management.learning_curve_trainings import Outcome, recall_scores

GOLD = "gold"
# Of each measure: the rows it is of, their label, and the score.
MEASURED = {
    "pair_accuracy": ("pairs", "is_a", "pair_accuracy"),
    "pooled_auc": ("texts", "is_chosen", "roc_auc"),
    "log_loss": ("pairs", "is_a", "log_loss"),
    "vote_log_loss": ("half votes", "is_for_a", "log_loss"),
}
ORDERED = ("pair_accuracy", "pooled_auc")  # what scores in any unit have; a log loss needs nats
Values = dict[str, Floats]  # of a size, by measure: (R, 1 + D)
Tables = dict[str, pd.DataFrame]  # by what their rows are


def measure_outcomes(
    outcomes: Sequence[Outcome],
    test: Sequence[Preference],
    votes: Sequence[Comparison],
    *,
    gold: Score | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that the page shows. outcomes: sizes in rising order, the repeats of each in theirs."""
    sizes = [list(group) for _, group in groupby(outcomes, key=lambda outcome: outcome.share)]
    decided = [pair for pair in test if pair.label]
    scorers = {_name(outcome): recall_scores(outcome, test) for outcome in outcomes}
    pairs, texts = tabulate_scores(decided, scorers | ({GOLD: gold} if gold else {}))
    tables = {"pairs": pairs, "texts": texts, "half votes": tabulate_half_votes(test, scorers)}
    values = [_resample(tables, list(map(_name, runs)), list(MEASURED), seed) for runs in sizes]
    rows = []
    for runs, found in zip(sizes, values, strict=True):
        row = _describe_size(runs, found, seed)
        rows.append(row | {"workers": _compare_runs(runs, test, votes, seed)})
    return {
        "split": "test",
        "pairs": len(decided),
        "repeats": len(sizes[0]),
        "sizes": rows,
        "gain": _measure_gain(rows, values, seed),
        "gold": _measure_gold(tables, values[-1], seed) if gold else {},
    }


def _name(outcome: Outcome) -> str:
    return f"{outcome.pairs} pairs, run {outcome.repeat + 1}"


def tabulate_half_votes(pairs: Sequence[Preference], scorers: dict[str, Score]) -> pd.DataFrame:
    """A row a half of a vote: whether it is for a, and the difference of each scorer on its pair.

    In halves, as a tie is half for each side (`reward_models.dataset.vote_fraction`); that both are bad is for none.
    """
    differences, _ = tabulate_scores(pairs, scorers)
    sides = [
        [1.0] * (2 * pair.votes_a + pair.votes_tie) + [0.0] * (2 * pair.votes_b + pair.votes_tie) for pair in pairs
    ]
    table = differences.drop(columns="is_a").loc[np.repeat(np.arange(len(pairs)), [len(side) for side in sides])]
    return table.assign(is_for_a=[half for side in sides for half in side]).reset_index(drop=True)


def _resample(tables: Tables, logits: list[str], measures: Sequence[str], seed: int) -> Values:
    values = {}
    for measure in measures:
        rows, label, score = MEASURED[measure]
        values[measure] = resample_runs(
            tables[rows], score=score, label=label, logits=logits, cluster="prompt", seed=seed
        )
    return values


def _describe_size(runs: Sequence[Outcome], values: Values, seed: int) -> dict[str, Any]:
    """votes: the mean over runs, which drew other pairs of equal number."""
    of_runs = []
    for number, run in enumerate(runs):
        measures = {}
        for measure, found in values.items():
            interval = percentiles(found[number, 1:])
            measures[measure] = {"estimate": found[number, 0], "low": interval.low, "high": interval.high}
        kept = {name: getattr(run, name) for name in ("repeat", "seed", "votes", "steps", "best_epoch")}
        of_runs.append(kept | {"measures": measures})
    return {
        "share": runs[0].share,
        "pairs": runs[0].pairs,
        "votes": sum(run.votes for run in runs) / len(runs),
        "measures": {
            measure: _brief(average_runs(found, seed=seed, name=measure)) for measure, found in values.items()
        },
        "runs": of_runs,
    }


def _compare_runs(
    runs: Sequence[Outcome], test: Sequence[Preference], votes: Sequence[Comparison], seed: int
) -> dict[str, Any]:
    """As `compare_with_workers`, the model's share averaged over runs: each run brings all the votes once."""
    tables = [tabulate_votes(votes, test, recall_scores(run, test)) for run in runs]
    if tables[0].empty:
        return {}
    named = [table.assign(pair=f"{number} " + table["pair"]) for number, table in enumerate(tables)]
    return compare_votes(pd.concat(named, ignore_index=True), seed)


def _measure_gain(rows: Sequence[dict[str, Any]], values: Sequence[Values], seed: int) -> dict[str, Any]:
    """The last size less the one before: of the same runs, on the same draws."""
    before, after = values[-2:]
    gains = {
        name: _brief(average_runs(after[name] - before[name], seed=seed, name=f"gain in {name}")) for name in after
    }
    ends = {
        f"{unit}_{end}": row[unit]
        for end, row in zip(("before", "after"), rows[-2:], strict=True)
        for unit in ("votes", "pairs")
    }
    return ends | {"measures": gains}


def _measure_gold(tables: Tables, last: Values, seed: int) -> dict[str, Any]:
    """What the gold judge reaches on these votes, and how far the largest size is from it."""
    reached = _resample(tables, [GOLD], ORDERED, seed)
    return {
        name: {
            "reached": _brief(average_runs(reached[name], seed=seed, name=name)),
            "left": _brief(average_runs(reached[name] - last[name], seed=seed, name=f"distance in {name}")),
        }
        for name in ORDERED
    }


def _brief(found: Estimate) -> dict[str, Any]:
    return {"estimate": found.estimate, "low": found.low, "high": found.high}
