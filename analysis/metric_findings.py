"""Metrics against people as chapters: one for the join, one for each question, or one for all votes."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.correlation import Coefficient
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure
from analysis.metric_comparison import WilliamsResult, compare_metrics, williams_test
from analysis.metric_correlation import Level, MetricCorrelation, correlate_metric
from analysis.metric_plots import MOST_PANELS, plot_metric_forest, plot_segments
from analysis.metric_scores import JoinedScores, Scores, join_scores
from analysis.pair_scores import evaluate_scorer
from analysis.pairwise_accuracy import PairwiseAccuracy, SoftPairwiseAccuracy, pairwise_accuracy, soft_pairwise_accuracy
from analysis.results import Estimate, format_interval, format_number

TITLE = "Metrics against people"
COLUMNS: dict[str, Any] = {"human": "human", "item": "item", "system": "system"}
LEVELS: dict[Level, Coefficient] = {"segment": "spearman", "grouped": "kendall", "system": "spearman"}
LABELS = {"segment": "Spearman over completions", "grouped": "Kendall within items", "system": "Spearman over systems"}
SINGLE_LEVELS: tuple[Level, ...] = ("segment", "system")  # those of one correlation
PAIR_COLUMNS = [
    *("first", "second", "difference within items", "low", "high"),
    *("williams t, completions", "p, completions", "williams t, systems", "p, systems"),
]


def describe_metrics_of_ratings(
    ratings: pd.DataFrame, scores: Scores, *, questions: Sequence[str], seed: int, draws: int
) -> list[Chapter]:
    """The join, then every metric against the mean rating of each completion, a chapter a question."""
    of_completion = list(dict.fromkeys(["hit", "item", "system", *scores.key]))
    means = ratings.groupby([*of_completion, "question"], sort=True)["value"].mean().rename("human").reset_index()
    joined = join_scores(means[of_completion].drop_duplicates(ignore_index=True), scores)
    scored = means.merge(joined.completions, on=of_completion, how="inner", validate="many_to_one")
    chapters = [_describe_join(joined, scores)]
    for question in questions:
        completions = scored[scored["question"] == question]
        if len(completions):
            chapters.append(describe_metrics(completions, scores.metrics, question=question, seed=seed, draws=draws))
    return chapters


def describe_metrics(
    completions: pd.DataFrame, metrics: Sequence[str], *, question: str, seed: int, draws: int
) -> Chapter:
    """completions: a row each, with item, system, human and the metrics."""
    title = f"{TITLE}: {question}"
    correlations = [
        correlate_metric(
            completions,
            metric=metric,
            level=level,
            coefficient=coefficient,
            seed=seed,
            draws=draws,
            **COLUMNS,
        )
        for metric in metrics
        for level, coefficient in LEVELS.items()
    ]
    findings = [_correlation_finding(correlation, title) for correlation in correlations]
    for metric in metrics:
        accuracy = pairwise_accuracy(completions, metric=metric, calibrate=True, seed=seed, draws=draws, **COLUMNS)
        soft = soft_pairwise_accuracy(completions, metric=metric, seed=seed, **COLUMNS)
        findings += [_accuracy_finding(accuracy, title), _soft_finding(soft, title)]
    tables = {}
    if len(metrics) > 1:
        tables[f"{question}_metric_pairs"] = tabulate_pairs(completions, metrics, seed=seed, draws=draws)
    return Chapter(title, tuple(findings), tables, tuple(_draw(completions, correlations, metrics, question)))


def tabulate_pairs(completions: pd.DataFrame, metrics: Sequence[str], *, seed: int, draws: int) -> pd.DataFrame:
    """Every two metrics: how much closer to people the second is, and Williams' tests."""
    rows = []
    for first, second in itertools.combinations(metrics, 2):
        pair: dict[str, Any] = {"first": first, "second": second}
        difference = compare_metrics(
            completions, **pair, level="grouped", coefficient="kendall", seed=seed, draws=draws, **COLUMNS
        )
        tests = [williams_test(completions, **pair, level=level, **COLUMNS) for level in SINGLE_LEVELS]
        rows.append((first, second, difference.estimate, difference.low, difference.high, *_numbers_of(tests)))
    return pd.DataFrame(rows, columns=PAIR_COLUMNS)


def _numbers_of(tests: Sequence[WilliamsResult]) -> list[float]:
    return [number for test in tests for number in (test.statistic, test.p_value)]


def describe_metrics_of_votes(comparisons: pd.DataFrame, scores: Scores, *, seed: int, draws: int) -> list[Chapter]:
    """How often each metric scores the completion higher that a vote chose; ties of people left out."""
    sides = [_scores_of_side(comparisons, scores, side) for side in ("a", "b")]
    differences = {name: sides[1][name] - sides[0][name] for name in scores.metrics}
    votes = pd.DataFrame({"item": comparisons["item"], "label": comparisons["choice"].map({"a": 0.0, "b": 1.0})})
    votes = votes.assign(**differences)
    findings = []
    for metric in scores.metrics:
        accuracy = evaluate_scorer(votes, label="label", logit=metric, cluster="item", seed=seed, draws=draws)
        findings.append(_vote_finding(metric, accuracy["pair_accuracy"]))
    return [Chapter(TITLE, tuple(findings), {}, ())]


def _scores_of_side(comparisons: pd.DataFrame, scores: Scores, side: str) -> pd.DataFrame:
    """The metrics (N rows) of the completions of one side; NaN where it has no row of scores."""
    renamed = {f"system_{side}": "system", f"completion_{side}": "completion"}
    named = comparisons.rename(columns=renamed)
    return join_scores(named, scores).completions.reindex(comparisons.index)[list(scores.metrics)]


def _describe_join(joined: JoinedScores, scores: Scores) -> Chapter:
    matched, without_score, without_judgment = (
        len(table) for table in (joined.completions, joined.without_score, joined.without_judgment)
    )
    finding = Finding(
        name="scores_joined",
        subject=TITLE,
        estimate=float(matched),
        used=matched,
        dropped=without_score + without_judgment,
        counted="completions",
        method=f"scores joined by {', '.join(scores.key)}",
        reading=(
            f"{matched} judged completions have scores, joined by {', '.join(scores.key)}; {without_score} judged "
            f"completions have none, and {without_judgment} rows of scores name no judged completion."
        ),
        label="Completions with scores",
    )
    tables = {}
    for name, table in (("scores_without_judgment", joined.without_judgment), ("without_score", joined.without_score)):
        if len(table):
            tables[name] = table[list(scores.key)].rename_axis("row").reset_index()
    return Chapter(TITLE, (finding,), tables, ())


def _correlation_finding(correlation: MetricCorrelation, title: str) -> Finding:
    return Finding(
        name=f"metric_{correlation.level}",
        subject=f"{title}: {correlation.metric}",
        estimate=correlation.estimate,
        low=correlation.low,
        high=correlation.high,
        p_value=correlation.p_value,
        used=correlation.used,
        dropped=correlation.dropped,
        counted="completions",
        method=correlation.method,
        seed=correlation.seed,
        draws=correlation.draws,
        warnings=correlation.warnings + ((correlation.reason,) if correlation.reason else ()),
        reading=correlation.reading,
        details={
            "coefficient": correlation.coefficient,
            "items_used": correlation.items_used,
            "items_dropped": correlation.items_dropped,
            "systems": correlation.systems,
            "smallest_p": correlation.smallest_p,
        },
        label=LABELS[correlation.level],
        is_aside=correlation.level != "grouped",
    )


def _accuracy_finding(accuracy: PairwiseAccuracy, title: str) -> Finding:
    return Finding(
        name="metric_pairwise_accuracy",
        subject=f"{title}: {accuracy.metric}",
        estimate=accuracy.estimate,
        low=accuracy.low,
        high=accuracy.high,
        used=accuracy.used,
        dropped=accuracy.dropped,
        counted="completions",
        method=accuracy.method,
        seed=accuracy.seed,
        draws=accuracy.draws,
        warnings=accuracy.warnings + ((accuracy.reason,) if accuracy.reason else ()),
        reading=accuracy.reading,
        details={
            "threshold": accuracy.threshold,
            "concordant": accuracy.concordant,
            "discordant": accuracy.discordant,
            "ties_of_people": accuracy.ties_of_people,
            "ties_of_metric": accuracy.ties_of_metric,
            "ties_of_both": accuracy.ties_of_both,
            "items": accuracy.items,
        },
        label="Pairwise accuracy, ties calibrated",
        is_aside=True,
    )


def _soft_finding(soft: SoftPairwiseAccuracy, title: str) -> Finding:
    return Finding(
        name="metric_soft_pairwise_accuracy",
        subject=f"{title}: {soft.metric}",
        estimate=soft.estimate,
        used=soft.used,
        dropped=soft.dropped,
        counted="completions",
        method=soft.method,
        seed=soft.seed,
        warnings=(soft.reason,) if soft.reason else (),
        reading=soft.reading,
        details={"pairs": soft.pairs, "systems": soft.systems, "items": soft.items, "is_exact": soft.is_exact},
        label="Soft pairwise accuracy",
        is_aside=True,
    )


def _vote_finding(metric: str, accuracy: Estimate) -> Finding:
    number = f"{format_number(accuracy.estimate, 2)} {format_interval(accuracy.low, accuracy.high, 2)}"
    reading = f"{metric} scores the chosen completion higher in a share of {number} of the decided votes."
    if accuracy.reason:
        reading = f"How often {metric} agrees with votes is not defined: {accuracy.reason}."
    return Finding(
        name="metric_vote_accuracy",
        subject=f"{TITLE}: {metric}",
        estimate=accuracy.estimate,
        low=accuracy.low,
        high=accuracy.high,
        used=accuracy.used,
        dropped=accuracy.dropped,
        counted="votes",
        method=accuracy.method,
        seed=accuracy.seed,
        draws=accuracy.draws,
        warnings=(accuracy.reason,) if accuracy.reason else (),
        reading=reading,
        details={"items": accuracy.clusters},
        label="Accuracy on votes",
    )


def _draw(
    completions: pd.DataFrame, correlations: Sequence[MetricCorrelation], metrics: Sequence[str], question: str
) -> list[NamedFigure]:
    figures = []
    if any(np.isfinite(correlation.estimate) for correlation in correlations):
        with figure_style():
            forest = plot_metric_forest(correlations)
        caption = (
            f"Correlation of each metric with people on {question}, 95% bootstrap interval over items: over all "
            "completions, within items (mean over items), and over the means of systems."
        )
        figures.append(NamedFigure(f"{question}_metrics", forest, caption))
    for start in range(0, len(metrics), MOST_PANELS):
        shown = list(metrics[start : start + MOST_PANELS])
        with figure_style():
            scatter = plot_segments(
                completions, metrics=shown, human="human", system="system", human_label=f"mean {question}"
            )
        caption = f"{', '.join(shown)} against the mean {question} of each completion. Large: the means of systems."
        part = f"_{start // MOST_PANELS + 1}" if start else ""
        figures.append(NamedFigure(f"{question}_segments{part}", scatter, caption, is_aside=True))
    return figures
