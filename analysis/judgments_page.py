"""The page of one export: what was asked, the headline numbers, then every chapter with figures and readings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.findings import Chapter, Finding
from analysis.narrow_drawing import show_figure
from analysis.report import Details, KeyNumber, Note, Paragraph, Part, Report, Section, Table
from analysis.results import format_interval, format_number, format_p

HEADLINES = ("sign_flip", "binomial", "alpha_nominal", "alpha_ordinal", "blocked_tukey")
MOST_HEADLINES = 4
MOST_VERDICTS = 3
ROWS_SHOWN = 12
NOT_SHOWN = ("_means", "_probabilities")  # tables that a figure shows
LARGE = 100.0  # from here on decimals say nothing


def build_page(
    chapters: Sequence[Chapter], manifest: Mapping[str, Any], counts: Mapping[str, Any], seed: int
) -> Report:
    """The report of one export."""
    campaign = str(manifest.get("campaign", "export"))
    sections = [Section("What was judged", tuple(_describe_data(manifest, counts)))]
    sections += [Section(chapter.title, tuple(_describe_chapter(chapter))) for chapter in chapters]
    sections.append(Section("How to read this", tuple(_explain())))
    return Report(
        title=str(manifest.get("title") or campaign),
        kicker=f"Campaign {campaign}",
        lead=_lead(chapters),
        key_numbers=tuple(_key_numbers(chapters)),
        sections=tuple(sections),
        footer=f"Made by analyze_judgments with seed {seed}; every number is in results.json and tables/.",
    )


def _lead(chapters: Sequence[Chapter]) -> str:
    """The verdicts, in the order of the chapters."""
    verdicts = [finding.headline for chapter in chapters for finding in chapter.findings if finding.headline]
    return " ".join(verdicts[:MOST_VERDICTS])


def _key_numbers(chapters: Sequence[Chapter]) -> list[KeyNumber]:
    findings = [finding for chapter in chapters for finding in chapter.findings if finding.name in HEADLINES]
    findings.sort(key=lambda finding: HEADLINES.index(finding.name))
    return [
        KeyNumber(_value(finding), f"{finding.label}: {finding.subject}", _detail(finding))
        for finding in findings[:MOST_HEADLINES]
    ]


def _is_count(finding: Finding) -> bool:
    return "out_of" in finding.details or finding.name == "items_needed"


def _value(finding: Finding) -> str:
    if "out_of" in finding.details and not math.isnan(finding.estimate):
        return f"{finding.estimate:.0f} of {finding.details['out_of']}"
    if finding.name == "items_needed" and not math.isnan(finding.estimate):
        return f"{finding.estimate:.0f}"
    if finding.name in ("binomial", "position_bias") and not math.isnan(finding.estimate):
        return f"{finding.estimate:.1%}"
    return format_number(finding.estimate, 2)


def _detail(finding: Finding) -> str:
    interval = format_interval(finding.low, finding.high, 2) if not math.isnan(finding.low) else ""
    p_value = format_p(finding.p_value) if not math.isnan(finding.p_value) else ""
    return ", ".join(filter(None, [interval, p_value])) or f"{finding.used} {finding.counted}"


def _describe_data(manifest: Mapping[str, Any], counts: Mapping[str, Any]) -> list[Part]:
    parts: list[Part] = []
    if manifest.get("simulated"):
        text = "The workers are simulated: the numbers show that the pipeline works, not what people think."
        parts.append(Note(text, "Simulated."))
    rows = []
    for table, entry in counts.items():
        left_out = ", ".join(f"{count} {reason}" for reason, count in entry["left_out"].items()) or "none"
        sizes = ", ".join(f"{value} {name}" for name, value in entry.items() if name not in ("used", "left_out"))
        rows.append((table, str(entry["used"]), left_out, sizes))
    parts.append(Table(("judgments", "used", "left out", "from"), tuple(rows)))
    return parts


def _describe_chapter(chapter: Chapter) -> list[Part]:
    parts: list[Part] = [Paragraph(f"Workers were asked: {chapter.introduction}")] if chapter.introduction else []
    parts += [Paragraph(finding.reading) for finding in chapter.findings if not finding.is_aside]
    parts += [show_figure(named.figure, named.caption) for named in chapter.figures if not named.is_aside]
    if chapter.findings:
        parts.append(_tabulate_findings(chapter))
    for name, table in chapter.tables.items():
        if not name.endswith(NOT_SHOWN):
            parts += _show_table(name, table)
    asides = tuple(show_figure(named.figure, named.caption) for named in chapter.figures if named.is_aside)
    return [*parts, Details("More figures", asides)] if asides else parts


def _tabulate_findings(chapter: Chapter) -> Table:
    findings = chapter.findings
    rows = [
        (
            _label(finding, chapter),
            _value(finding) if _is_count(finding) else format_number(finding.estimate, _digits(finding.estimate)),
            format_interval(finding.low, finding.high, _digits(finding.estimate))
            if not math.isnan(finding.low)
            else "—",
            format_p(finding.p_value) if not math.isnan(finding.p_value) else "—",
            f"{finding.used} {finding.counted}",
            str(finding.dropped),
        )
        for finding in findings
    ]
    warnings = {warning for finding in findings for warning in finding.warnings}
    caption = "; ".join(sorted(warnings))
    return Table(
        ("statistic", "estimate", "95% interval", "p", "used", "dropped"),
        tuple(rows),
        caption=caption[:1].upper() + caption[1:] + "." if caption else "",
    )


def _label(finding: Finding, chapter: Chapter) -> str:
    """What the number is; of its subject only what the chapter's title does not say."""
    subject = finding.subject.removeprefix(chapter.title).removeprefix(chapter.title.lower()).strip(": ")
    return f"{finding.label}: {subject}" if subject else finding.label


def _show_table(name: str, table: pd.DataFrame) -> list[Part]:
    names = [str(column) for column in table.columns]
    rows = tuple(tuple(map(_cell, names, row)) for row in table.itertuples(index=False))
    shown = Table(tuple(name.replace("_", " ") for name in names), rows)
    if len(rows) <= ROWS_SHOWN:
        return [shown]
    return [Details(f"{name.replace('_', ' ')}: all {len(rows)} rows", (shown,))]


def _cell(name: str, value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    is_p = name == "p" or name.startswith("p_")
    return format_p(value).removeprefix("p = ").removeprefix("p ") if is_p else format_number(value, _digits(value))


def _digits(value: float) -> int:
    return 0 if abs(value) >= LARGE else 3


def _explain() -> list[Part]:
    return [
        Paragraph(
            "Krippendorff's alpha compares observed with expected disagreement: 1 is full agreement, 0 what chance "
            "gives. Its interval, like those of means and votes, comes from drawing whole items again with all their "
            "judgments."
        ),
        Paragraph(
            "“Paper protocol” names what Ramamurthy et al. (2022) did: ANOVA and Tukey's HSD on single ratings, a "
            "binomial test on single votes. These take the judgments of one item as independent, which they are not; "
            "the tests within items and the sign-flip test do not, and are the ones to quote."
        ),
        Paragraph(
            "The p-values of a chapter stand as they are: pairs of systems are corrected for the number of pairs, "
            "nothing for the number of questions or matchups. Where there are several, “Several tests at once” has "
            "every p corrected, by Holm (the chance of any false finding) and by Benjamini and Hochberg (the share of "
            "false ones among the findings)."
        ),
        Paragraph(
            "Mixed models give every item, completion (what one system wrote for one item) and worker an effect of its "
            "own, so that ratings that share one are not taken as independent. Their intervals are for single pairs; "
            "the p-values of pairs are corrected by Holm's method."
        ),
    ]
