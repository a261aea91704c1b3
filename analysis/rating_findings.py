"""Likert ratings: agreement, means and every comparison of the systems, a question at a time."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.agreement import Agreement, resample
from analysis.agreement_breakdowns import alpha_by_group
from analysis.agreement_findings import (
    categorical_findings,
    icc_findings,
    tabulate_alpha_by_system,
    tabulate_alpha_without_workers,
)
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure, alpha_finding, mean_finding
from analysis.group_findings import (
    GroupTests,
    compare_groups,
    describe_groups,
    draw_groups,
    tabulate_groups,
    tabulate_pairs,
)
from analysis.groups import group_means
from analysis.mixed_findings import describe_mixed
from analysis.plots import plot_alpha, plot_likert
from analysis.rating_counts import Level, count_ratings
from analysis.results import Estimate, format_interval, format_number

LARGEST_STACKED_SCALE = 10  # more values than this do not make readable bars


def describe_question(
    ratings: pd.DataFrame, *, question: str, seed: int, draws: int, introduction: str = ""
) -> Chapter:
    """All findings on one question. ratings: columns hit, item, system, worker, value, scale_min, scale_max."""
    rated = ratings[ratings["question"] == question]
    first_ratings, repeated = drop_repeated(rated)
    agreements = measure_agreement(first_ratings, seed=seed, draws=draws)
    means = group_means(rated, group="system", value="value", cluster="item", seed=seed, draws=draws)
    means = dict(sorted(means.items(), key=lambda entry: -entry[1].estimate))
    findings = [alpha_finding(agreement, subject=question, extra_warnings=repeated) for agreement in agreements]
    findings += categorical_findings(first_ratings, unit="hit", value="value", subject=question, seed=seed, draws=draws)
    findings += icc_findings(first_ratings, unit="hit", value="value", subject=question)
    findings += [
        mean_finding("mean_rating", f"{question}: {name}", mean, _read_mean(question, name, mean))
        for name, mean in means.items()
    ]
    tests = compare_groups(rated, seed=seed, draws=draws) if len(means) > 1 else None
    letters = _display_letters(tests, means)
    tables = {f"{question}_means": _tabulate_means(means, letters)}
    appendix: dict[str, pd.DataFrame] = {}
    figures = _draw_means(rated, question, means, letters)
    if tests:
        findings += describe_groups(tests, question, list(means))
        tables[f"{question}_pairs"] = tabulate_pairs(tests)
        appendix |= tabulate_groups(tests, question)
        figures += draw_groups(tests, question)
    mixed, mixed_tables, mixed_figures = describe_mixed(first_ratings, question)
    findings, appendix, figures = findings + mixed, appendix | mixed_tables, figures + mixed_figures
    alphas, alpha_figures = _break_down_alpha(first_ratings, agreements[0], question, seed=seed, draws=draws)
    tables, figures = tables | alphas, figures + alpha_figures
    title = question[:1].upper() + question[1:]
    return Chapter(title, tuple(findings), tables, tuple(figures), introduction, appendix)


def _display_letters(tests: GroupTests | None, means: Mapping[str, Estimate]) -> dict[str, str]:
    """Of each system, from the highest mean down; nothing where no pair can be compared."""
    if tests is None or tests.leading_pairs.reason:
        return {}
    return tests.leading_pairs.letters(list(means))


def drop_repeated(rated: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Of a worker's repeated ratings of a HIT the first; and a warning if there are any."""
    again = rated.duplicated(["hit", "worker"])
    return rated[~again], (f"{int(again.sum())} repeated ratings left out of alpha",) if again.any() else ()


def measure_agreement(first_ratings: pd.DataFrame, *, seed: int, draws: int) -> list[Agreement]:
    """Ordinal and interval alpha over HITs, items resampled."""
    levels: tuple[Level, ...] = ("ordinal", "interval")
    columns = {"unit": "hit", "rater": "worker", "value": "value", "cluster": "item"}
    return [resample(count_ratings(first_ratings, level=level, **columns), seed=seed, draws=draws) for level in levels]


def _break_down_alpha(
    first_ratings: pd.DataFrame, whole: Agreement, question: str, *, seed: int, draws: int
) -> tuple[dict[str, pd.DataFrame], list[NamedFigure]]:
    """Alpha by system, as a table and, of several, a figure; and without each worker."""
    columns: dict[str, Any] = {"unit": "hit", "value": "value"}
    by_system = alpha_by_group(
        first_ratings, by="system", rater="worker", level=whole.level, cluster="item", seed=seed, draws=draws, **columns
    )
    tables = {
        f"{question}_alpha_by_system": tabulate_alpha_by_system(by_system),
        f"{question}_alpha_without_workers": tabulate_alpha_without_workers(first_ratings, whole, **columns),
    }
    if len(by_system) < 2 or all(agreement.reason for agreement in by_system.values()):
        return tables, []
    with figure_style():
        figure = plot_alpha({str(system): agreement for system, agreement in by_system.items()})
    caption = (
        f"{whole.level.capitalize()} alpha on {question} within each system. There ratings spread less than over "
        "all, so it is lower, although nobody judged worse."
    )
    return tables, [NamedFigure(f"{question}_alpha_by_system", figure, caption, is_aside=True)]


def draw_agreement(chapters: list[Chapter]) -> NamedFigure:
    """Alpha of every question and level in one figure."""
    rows = {
        f"{finding.subject}, {finding.name.removeprefix('alpha_')}": _agreement_of(finding)
        for chapter in chapters
        for finding in chapter.findings
        if finding.name.startswith("alpha_")
    }
    with figure_style():
        figure = plot_alpha(rows)
    caption = (
        "Krippendorff's alpha with its 95% bootstrap interval over items. Dashed lines: his guides for tentative "
        "(.667) and reliable (.8) conclusions."
    )
    return NamedFigure("agreement", figure, caption)


def _agreement_of(finding: Finding) -> Agreement:
    return Agreement(
        estimate=finding.estimate,
        low=finding.low,
        high=finding.high,
        level=finding.name.removeprefix("alpha_"),  # type: ignore[arg-type]
        units_used=finding.used,
        units_dropped=finding.dropped,
        ratings_used=finding.details["ratings_used"],
    )


def _read_mean(question: str, system: str, mean: Estimate) -> str:
    value, interval = format_number(mean.estimate, 2), format_interval(mean.low, mean.high, 2)
    return f"The mean {question} of {system} is {value} {interval} over {mean.clusters} items."


def _tabulate_means(means: dict[str, Estimate], letters: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "system": name,
                "mean": mean.estimate,
                "low": mean.low,
                "high": mean.high,
                "ratings": mean.used,
                "items": mean.clusters,
                "letters": letters.get(name, ""),
            }
            for name, mean in means.items()
        ]
    )


def _draw_means(
    rated: pd.DataFrame, question: str, means: dict[str, Estimate], letters: Mapping[str, str]
) -> list[NamedFigure]:
    lowest, highest = int(rated["scale_min"].min()), int(rated["scale_max"].max())
    if highest - lowest > LARGEST_STACKED_SCALE:
        return []
    counts = pd.crosstab(rated["system"].astype(str), rated["value"])
    counts = counts.reindex(index=list(means), columns=range(lowest, highest + 1), fill_value=0)
    with figure_style():
        figure = plot_likert(counts, means, letters)
    caption = (
        f"Ratings of {question} by system. Left: the share of each value, centred on the middle of the scale. "
        "Right: mean and 95% bootstrap interval over items."
    )
    if letters:
        caption += " Systems that share a letter do not differ significantly, all pairs counted."
    return [NamedFigure(f"{question}_ratings", figure, caption)]
