"""Likert ratings: agreement, means, the paper's ANOVA and Tukey, and Friedman beside them, a question at a time."""

import pandas as pd

from analysis.agreement import Agreement, resample
from analysis.agreement_findings import (
    categorical_findings,
    icc_findings,
    tabulate_alpha_by_system,
    tabulate_alpha_without_workers,
)
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure, alpha_finding, is_significant, mean_finding
from analysis.groups import (
    AnovaResult,
    FriedmanResult,
    TukeyResult,
    anova_one_way,
    friedman_test,
    group_means,
    tukey_hsd,
)
from analysis.mixed_findings import describe_mixed
from analysis.plots import plot_alpha, plot_differences, plot_likert
from analysis.rating_counts import Level, count_ratings
from analysis.results import NAN, Estimate, format_interval, format_number, format_p

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
    tables = {f"{question}_means": _tabulate_means(means)}
    tables |= _break_down_alpha(first_ratings, agreements[0], question, seed=seed, draws=draws)
    figures = _draw_means(rated, question, means)
    if len(means) > 1:
        anova = anova_one_way(rated, group="system", value="value")
        tukey = tukey_hsd(rated, group="system", value="value")
        friedman = friedman_test(rated, block="item", group="system", value="value")
        findings += [_friedman_finding(friedman, question, list(means))]
        findings += [_anova_finding(anova, question), _tukey_finding(tukey, question)]
        tables[f"{question}_tukey"] = tukey.to_frame()
        figures += _draw_tukey(tukey, question)
    mixed, mixed_tables, mixed_figures = describe_mixed(first_ratings, question)
    findings, tables, figures = findings + mixed, tables | mixed_tables, figures + mixed_figures
    title = question[:1].upper() + question[1:]
    return Chapter(title, tuple(findings), tables, tuple(figures), introduction)


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
) -> dict[str, pd.DataFrame]:
    columns = {"unit": "hit", "value": "value"}
    return {
        f"{question}_alpha_by_system": tabulate_alpha_by_system(
            first_ratings, level=whole.level, seed=seed, draws=draws, **columns
        ),
        f"{question}_alpha_without_workers": tabulate_alpha_without_workers(first_ratings, whole, **columns),
    }


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


def _tabulate_means(means: dict[str, Estimate]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "system": name,
                "mean": mean.estimate,
                "low": mean.low,
                "high": mean.high,
                "ratings": mean.used,
                "items": mean.clusters,
            }
            for name, mean in means.items()
        ]
    )


def _anova_finding(anova: AnovaResult, question: str) -> Finding:
    if anova.reason:
        reading = f"The systems cannot be compared on {question} by ANOVA: {anova.reason}."
    else:
        verdict = "differ" if is_significant(anova.p_value) else "do not differ significantly"
        reading = (
            f"By the paper's protocol the systems {verdict} on {question}: F({anova.df_between}, {anova.df_within}) = "
            f"{format_number(anova.statistic, 2)}, {format_p(anova.p_value)}, eta squared {anova.eta_squared:.3f}."
        )
    return Finding(
        name="anova_one_way",
        subject=question,
        estimate=anova.statistic,
        p_value=anova.p_value,
        used=anova.used,
        dropped=anova.dropped,
        method=anova.method,
        warnings=("ratings of one item are not independent; see Friedman's test beside it",)
        + ((anova.reason,) if anova.reason else ()),
        reading=reading,
        details={
            "eta_squared": anova.eta_squared,
            "df_between": anova.df_between,
            "df_within": anova.df_within,
            "mean_square_within": anova.mean_square_within,
        },
        label="One-way ANOVA, F",
    )


def _tukey_finding(tukey: TukeyResult, question: str) -> Finding:
    significant = [pair for pair in tukey.pairs if is_significant(pair.p_value)]
    if tukey.reason:
        reading = f"Pairs of systems cannot be compared on {question}: {tukey.reason}."
    else:
        reading = f"{len(significant)} of {len(tukey.pairs)} pairs of systems differ on {question} (Tukey HSD, .05)."
    return Finding(
        name="tukey_hsd",
        subject=question,
        estimate=float(len(significant)) if not tukey.reason else NAN,
        p_value=min((pair.p_value for pair in tukey.pairs), default=NAN),
        used=tukey.used,
        dropped=tukey.dropped,
        method=tukey.method,
        warnings=(tukey.reason,) if tukey.reason else (),
        reading=reading,
        details={"pairs": tukey.to_frame().to_dict("records"), "estimate_is": "pairs that differ at .05"},
        label="Pairs that differ, Tukey HSD",
    )


def _friedman_finding(friedman: FriedmanResult, question: str, best_first: list[str]) -> Finding:
    headline = reading = f"Friedman's test on {question} is not defined: {friedman.reason}."
    if not friedman.reason:
        verdict = "differ" if is_significant(friedman.p_value) else "do not differ significantly"
        order = f": {best_first[0]} is rated highest, {best_first[-1]} lowest" if verdict == "differ" else ""
        headline = f"The systems {verdict} on {question}{order} (Friedman {format_p(friedman.p_value)})."
        reading = (
            f"Compared within items, the systems {verdict} on {question}: chi-square("
            f"{friedman.degrees_of_freedom}) = {format_number(friedman.statistic, 2)}, {format_p(friedman.p_value)}, "
            f"Kendall's W {friedman.kendall_w:.3f}, {friedman.blocks_used} items."
        )
    dropped = f"{friedman.blocks_dropped} items lack a rating for some system and were left out"
    return Finding(
        name="friedman",
        subject=question,
        estimate=friedman.statistic,
        p_value=friedman.p_value,
        used=friedman.blocks_used,
        dropped=friedman.blocks_dropped,
        counted="items",
        method=friedman.method,
        warnings=((dropped,) if friedman.blocks_dropped else ()) + ((friedman.reason,) if friedman.reason else ()),
        reading=reading,
        details={"kendall_w": friedman.kendall_w, "degrees_of_freedom": friedman.degrees_of_freedom},
        headline=headline,
        label="Friedman, chi-square",
    )


def _draw_means(rated: pd.DataFrame, question: str, means: dict[str, Estimate]) -> list[NamedFigure]:
    lowest, highest = int(rated["scale_min"].min()), int(rated["scale_max"].max())
    if highest - lowest > LARGEST_STACKED_SCALE:
        return []
    counts = pd.crosstab(rated["system"].astype(str), rated["value"])
    counts = counts.reindex(index=list(means), columns=range(lowest, highest + 1), fill_value=0)
    with figure_style():
        figure = plot_likert(counts, means)
    caption = (
        f"Ratings of {question} by system. Left: the share of each value, centred on the middle of the scale. "
        "Right: mean and 95% bootstrap interval over items."
    )
    return [NamedFigure(f"{question}_ratings", figure, caption)]


def _draw_tukey(tukey: TukeyResult, question: str) -> list[NamedFigure]:
    if tukey.reason:
        return []
    with figure_style():
        figure = plot_differences(tukey.pairs, xlabel=f"difference of mean {question}")
    caption = (
        f"Paper protocol: Tukey's HSD on {question}, simultaneous 95% intervals. A filled dot marks a difference whose "
        "interval excludes 0."
    )
    return [NamedFigure(f"{question}_tukey", figure, caption)]
