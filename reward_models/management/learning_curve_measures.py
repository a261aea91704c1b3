"""What the trainings of a learning curve show: measures a size, the gain of the last step, and what is left to gain."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pandas as pd

from analysis.learning_curves import average_runs, resample_runs
from analysis.resampling import Floats, percentiles
from analysis.results import Estimate
from annotation.records import Comparison, Preference
from reward_models.management.evaluation import Score, tabulate_scores
from reward_models.management.evaluation_details import compare_votes, tabulate_votes
from reward_models.management.learning_curve_trainings import Outcome, recall_scores

GOLD = "gold"
SCORE_OF = {"pair_accuracy": "pair_accuracy", "pooled_auc": "roc_auc", "log_loss": "log_loss"}
ORDERED = ("pair_accuracy", "pooled_auc")  # what scores in any unit have; a log loss needs nats
Values = dict[str, Floats]  # of a size, by measure: (R, 1 + D)


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
    tables = tabulate_scores(decided, scorers | ({GOLD: gold} if gold else {}))
    values = [_resample(tables, list(map(_name, runs)), SCORE_OF, seed) for runs in sizes]
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


def _resample(tables: tuple[pd.DataFrame, pd.DataFrame], logits: list[str], measures: Any, seed: int) -> Values:
    """The pooled AUC is of texts, the others of pairs."""
    pairs, texts = tables
    return {
        measure: resample_runs(
            texts if measure == "pooled_auc" else pairs,
            score=SCORE_OF[measure],
            label="is_chosen" if measure == "pooled_auc" else "is_a",
            logits=logits,
            cluster="prompt",
            seed=seed,
        )
        for measure in measures
    }


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


def _measure_gold(tables: tuple[pd.DataFrame, pd.DataFrame], last: Values, seed: int) -> dict[str, Any]:
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
