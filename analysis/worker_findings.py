"""The chapter on workers: how severe, how much in agreement, which errors, and whom to look at."""

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.dawid_skene import DawidSkene, dawid_skene
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure
from analysis.mace import Mace, mace
from analysis.results import NAN
from analysis.worker_flags import WorkerFlags
from analysis.worker_habits import measure_gold
from analysis.worker_measures import WorkerMeasure
from analysis.worker_plots import plot_confusions, plot_two_measures
from analysis.worker_tables import Measures, measure_raters, measure_voters, prepare_ratings, tabulate_workers

TITLE = "Workers"
MOST_CATEGORIES = 11  # of a Likert scale; a slider has no confusion of categories
RESTART_SEED = 0  # the same starting points for every seed of the bootstrap, so that no seed moves an estimate
SMOOTHING = 0.1  # answers beforehand for each pair of categories, so that few answers make no certainty


def describe_workers_of_ratings(ratings: pd.DataFrame, gold: pd.DataFrame | None = None) -> Chapter:
    """All questions of a HIT together: each is a unit of its own. gold: judgments with the `expected` value."""
    prepared = prepare_ratings(ratings)
    measures = measure_raters(prepared) | _measure_gold(gold, "value")
    table, flags = tabulate_workers(measures)
    findings = [_flags_finding(flags, measures), _severity_finding(measures["severity"], prepared.scale)]
    figures = _draw_measures(measures["severity"], measures["agreement"], flags)
    answers = prepared.table[["unit", "worker", "answer"]]
    if prepared.has_one_scale and answers["answer"].nunique() <= MOST_CATEGORIES:
        coin, trust = _fit(answers)
        findings += [_accuracy_finding(coin), _trust_finding(trust)]
        table = _add_models(table, coin, trust)
        figures += _draw_confusions(coin)
    return Chapter(TITLE, tuple(findings), _tables(table, flags, "ratings"), tuple(figures))


def describe_workers_of_votes(comparisons: pd.DataFrame, gold: pd.DataFrame | None = None) -> Chapter:
    """All matchups together: each pair is a unit. gold: judgments with the `expected` choice."""
    measures = measure_voters(comparisons) | _measure_gold(gold, "choice")
    table, flags = tabulate_workers(measures)
    votes = comparisons[~comparisons.duplicated(["pair", "worker"])]
    coin, trust = _fit(votes.rename(columns={"pair": "unit", "choice": "answer"}))
    findings = [_flags_finding(flags, measures), _accuracy_finding(coin), _trust_finding(trust)]
    has_sides = "left_share" in measures
    figures = _draw_measures(measures["left_share"], measures["agreement"], flags) if has_sides else []
    return Chapter(TITLE, tuple(findings), _tables(_add_models(table, coin, trust), flags, "votes"), tuple(figures))


def _measure_gold(gold: pd.DataFrame | None, value: str) -> Measures:
    if gold is None:
        return {}
    return {"gold": measure_gold(gold, worker="worker", value=value, expected="expected")}


def _fit(answers: pd.DataFrame) -> tuple[DawidSkene, Mace]:
    columns: dict[str, Any] = {"unit": "unit", "worker": "worker", "value": "answer"}
    coin = dawid_skene(answers, **columns, model="one-coin", smoothing=SMOOTHING)
    return coin, mace(answers, **columns, seed=RESTART_SEED)


def _add_models(table: pd.DataFrame, coin: DawidSkene, trust: Mace) -> pd.DataFrame:
    accuracy = {worker.worker: worker.accuracy for worker in coin.workers}
    trusts = {worker.worker: worker.trust for worker in trust.workers}
    return table.assign(accuracy=table["worker"].map(accuracy), trust=table["worker"].map(trusts))


def _tables(table: pd.DataFrame, flags: WorkerFlags, kind: str) -> dict[str, pd.DataFrame]:
    tables = {f"workers_of_{kind}": table}
    if flags.flags:
        tables[f"worker_flags_of_{kind}"] = flags.to_frame().drop(columns=["sentence", "p_value"])
    return tables


def _flags_finding(flags: WorkerFlags, measures: Measures) -> Finding:
    return Finding(
        name="worker_flags",
        subject=TITLE,
        estimate=float(len(flags.flagged)) if flags.tested else NAN,
        used=flags.tested,
        dropped=flags.workers - flags.tested,
        counted="workers",
        method=flags.method,
        reading=flags.reading,
        details={
            "rules": flags.rules,
            "flags": flags.to_frame().to_dict("records"),
            "measures": {name: measure.method for name, measure in measures.items()},
            "estimate_is": "workers with a flag",
            "out_of": flags.tested,
        },
        label="Workers with a flag",
    )


def _severity_finding(severity: WorkerMeasure, scale: str) -> Finding:
    spread = severity.values[0].details["spread"] if severity.values else NAN
    reading = f"Severity of workers is not defined: {severity.reason}."
    if not math.isnan(spread):
        reading = f"Workers differ in severity by a standard deviation of {spread:.2f} {scale}."
    return Finding(
        name="severity_spread",
        subject=TITLE,
        estimate=spread,
        used=severity.used,
        dropped=severity.dropped,
        method=severity.method,
        reading=reading,
        warnings=(severity.reason,) if severity.reason else (),
        details={"workers": severity.to_frame().to_dict("records")},
        label="Standard deviation of severity",
    )


def _accuracy_finding(coin: DawidSkene) -> Finding:
    accuracies = [worker.accuracy for worker in coin.workers]
    return Finding(
        name="worker_accuracy",
        subject=TITLE,
        estimate=float(np.median(accuracies)) if accuracies else NAN,
        used=coin.labels_used,
        dropped=coin.labels_dropped,
        counted="answers",
        method=coin.method,
        reading=coin.reading,
        warnings=coin.warnings + ((coin.reason,) if coin.reason else ()),
        details={"log_likelihood": coin.log_likelihood, "steps": len(coin.trace), "is_converged": coin.is_converged},
        label="Median accuracy, Dawid-Skene",
        is_aside=True,
    )


def _trust_finding(trust: Mace) -> Finding:
    trusts = [worker.trust for worker in trust.workers]
    return Finding(
        name="worker_trust",
        subject=TITLE,
        estimate=float(np.median(trusts)) if trusts else NAN,
        used=trust.labels_used,
        dropped=trust.labels_dropped,
        counted="answers",
        method=trust.method,
        reading=trust.reading,
        warnings=trust.warnings + ((trust.reason,) if trust.reason else ()),
        details={
            "bound": trust.bound,
            "steps": len(trust.trace),
            "is_converged": trust.is_converged,
            "restart_seed": trust.seed,
        },
        label="Median trust, MACE",
        is_aside=True,
    )


def _draw_measures(across: WorkerMeasure, up: WorkerMeasure, flags: WorkerFlags) -> list[NamedFigure]:
    if across.reason or up.reason:
        return []
    with figure_style():
        figure = plot_two_measures(across, up, flagged=flags.flagged)
    caption = (
        f"{across.label} and {up.label[:1].lower()}{up.label[1:]}, a dot a worker, larger with more answers; "
        "lines are 95% intervals. Orange diamonds are workers with a flag."
    )
    return [NamedFigure(f"workers_{across.name}_{up.name}", figure, caption)]


def _draw_confusions(coin: DawidSkene) -> list[NamedFigure]:
    if coin.reason:
        return []
    with figure_style():
        figure = plot_confusions(coin)
    caption = (
        "How each worker answers where a value is probably true (Dawid and Skene's model with one coin): true values "
        "down, given ones across, in percent of each true value; the least accurate workers first."
    )
    return [NamedFigure("worker_confusions", figure, caption, is_aside=True)]
