"""The page of one export: what was asked, the headline numbers, then every chapter with figures and readings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.drawing import figure_svg
from analysis.findings import Chapter, Finding
from analysis.report import Details, Figure, KeyNumber, Note, Paragraph, Part, Report, Section, Table
from analysis.results import format_interval, format_number, format_p

HEADLINES = ("sign_flip", "binomial", "alpha_nominal", "alpha_ordinal", "tukey_hsd")
WHOLE = ("tukey_hsd", "items_needed")  # counts, not measures
MOST_HEADLINES = 4
MOST_VERDICTS = 3
ROWS_SHOWN = 12


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


def _value(finding: Finding) -> str:
    if finding.name == "tukey_hsd" and not math.isnan(finding.estimate):
        return f"{finding.estimate:.0f} of {len(finding.details['pairs'])}"
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
    parts += [Figure(figure_svg(named.figure), named.caption) for named in chapter.figures if not named.is_aside]
    if chapter.findings:
        parts.append(_tabulate_findings(chapter))
    for name, table in chapter.tables.items():
        if not name.endswith("_means"):
            parts += _show_table(name, table)
    asides = tuple(Figure(figure_svg(named.figure), named.caption) for named in chapter.figures if named.is_aside)
    return [*parts, Details("More figures", asides)] if asides else parts


def _tabulate_findings(chapter: Chapter) -> Table:
    findings = chapter.findings
    rows = [
        (
            _label(finding, chapter),
            _value(finding) if finding.name in WHOLE else format_number(finding.estimate),
            format_interval(finding.low, finding.high) if not math.isnan(finding.low) else "—",
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
    rows = tuple(tuple(_cell(value) for value in row) for row in table.itertuples(index=False))
    shown = Table(tuple(str(column).replace("_", " ") for column in table.columns), rows)
    if len(rows) <= ROWS_SHOWN:
        return [shown]
    return [Details(f"{name.replace('_', ' ')}: all {len(rows)} rows", (shown,))]


def _cell(value: Any) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


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
            "Friedman's test and the sign-flip test compare items. No p-value is corrected for the number of "
            "questions or matchups."
        ),
        Paragraph(
            "Mixed models give every item, completion (what one system wrote for one item) and worker an effect of its "
            "own, so that ratings that share one are not taken as independent. Their intervals are for single pairs; "
            "the p-values of pairs are corrected by Holm's method."
        ),
    ]
