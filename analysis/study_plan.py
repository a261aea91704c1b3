"""A study planned from a pilot's analysis or from given variances: results, tables, figures and a page."""

import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from analysis.drawing import save_figure
from analysis.findings import Chapter, Finding
from analysis.judgments import VERSIONS_OF, file_name, without_nan
from analysis.narrow_drawing import show_figure
from analysis.plan_findings import Pilot, PlanOptions, describe_plan, read_pilots
from analysis.power import Variances
from analysis.report import Details, Note, Paragraph, Part, Report, Section, Table, write_report
from analysis.results import NAN, format_interval, format_number
from annotation.errors import InputError
from annotation.run_folders import plain, write_json

VARIANCE_NAMES = ("residual", "completion", "item", "worker")
COLUMNS = ("raters a completion", "items", "ratings", "power", "simulated", "95% interval")


def read_source(source: Sequence[str], question: str | None) -> list[Pilot]:
    """The pilots of an analysis folder or its `results.json`, or one from numbers such as `residual=0.8`."""
    if any("=" in word for word in source):
        if question is not None:
            raise InputError(f"--question {question!r}: expected only with an analysis, not with variances.")
        return [_read_numbers(source)]
    if len(source) != 1:
        raise InputError(f"{len(source)} sources: expected one analysis, or variances such as residual=0.8.")
    pilots = _read_results(results_file(source[0]))
    if question is None:
        return pilots
    chosen = [pilot for pilot in pilots if pilot.question == question]
    if not chosen:
        known = ", ".join(pilot.question for pilot in pilots)
        raise InputError(f"--question {question!r}: expected one of {known}.")
    return chosen


def results_file(source: str) -> Path:
    """`results.json` itself, for a folder too."""
    path = Path(source)
    return path / "results.json" if path.is_dir() else path


def _read_numbers(words: Sequence[str]) -> Pilot:
    variances: dict[str, float] = {}
    for word in words:
        name, _, number = word.partition("=")
        if name not in VARIANCE_NAMES:
            raise InputError(f"{word!r}: expected a variance, one of {', '.join(VARIANCE_NAMES)}, as residual=0.8.")
        if name in variances:
            raise InputError(f"{word!r}: the variance {name!r} is given twice.")
        try:
            variances[name] = float(number)
        except ValueError:
            raise InputError(f"{word!r}: expected a number after the equals sign.") from None
    if "residual" not in variances:
        raise InputError("the variance 'residual' is missing; expected it as residual=0.8.")
    return Pilot("ratings", Variances(**variances), workers=None, raters=3, difference=NAN, ratings=0)


def _read_results(path: Path) -> list[Pilot]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        pilots = read_pilots(content["results"])
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); expected the results.json of analyze_judgments.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a results.json of analyze_judgments ({error}).") from error
    if not pilots:
        raise InputError(f"{path} has no fitted linear mixed model; expected an analysis of ratings.")
    return pilots


def plan_study(pilots: Sequence[Pilot], options: PlanOptions) -> Chapter:
    """The plan; InputError if there is no difference to plan for."""
    without = [pilot.question for pilot in pilots if options.difference is None and not pilot.difference > 0]
    if without:
        raise InputError(
            f"there is no difference of systems on {without[0]!r} to plan for; name one with --difference."
        )
    return describe_plan(pilots, options)


def write_plan(chapter: Chapter, options: PlanOptions, folder: Path) -> None:
    """`results.json`, `tables/`, `figures/` and `report.html` in `folder`."""
    versions = {package: metadata.version(package) for package in VERSIONS_OF}
    content = {"options": options, "versions": versions, "results": chapter.findings}
    write_json(folder / "results.json", without_nan(plain(content)))
    (folder / "tables").mkdir()
    for name, table in chapter.tables.items():
        table.to_csv(folder / "tables" / f"{file_name(name)}.csv", index=False)
    for named in chapter.figures:
        save_figure(named.figure, folder / "figures", file_name(named.name))
    write_report(build_page(chapter, options), folder / "report.html")


def smallest_designs(finding: Finding) -> tuple[tuple[str, ...], ...]:
    """For each number of raters the fewest items that are enough, as cells for a table."""
    return tuple(
        (
            str(power["raters"]),
            str(power["items"]),
            str(power["ratings"]),
            format_number(power["closed_form"], 2),
            "—" if power["reason"] else format_number(power["estimate"], 2),
            format_interval(power["low"], power["high"], 2),
        )
        for power in finding.details["smallest"]
    )


def build_page(chapter: Chapter, options: PlanOptions) -> Report:
    """The report: what is needed, the curves, and what was assumed."""
    first, *rest = chapter.figures
    sections = [Section("What is needed", tuple(_describe_needs(chapter)))]
    curves: list[Part] = [show_figure(named.figure, named.caption) for named in rest]
    for name, table in chapter.tables.items():
        rows = tuple(tuple(_cell(value) for value in row) for row in table.itertuples(index=False))
        shown = Table(tuple(str(column).replace("_", " ") for column in table.columns), rows)
        curves.append(Details(f"{name.replace('_', ' ')}: all {len(rows)} designs", (shown,)))
    sections.append(Section("Power over items and raters", tuple(curves)))
    sections.append(Section("Where the variance lies", (show_figure(first.figure, first.caption),)))
    sections.append(Section("What this assumes", tuple(_explain(options))))
    return Report(
        title=chapter.title,
        kicker="Study plan",
        lead=chapter.findings[0].reading,
        sections=tuple(sections),
        footer=f"Made by plan_study with seed {options.seed}; every number is in results.json and tables/.",
    )


def _describe_needs(chapter: Chapter) -> list[Part]:
    parts: list[Part] = []
    for finding in chapter.findings:
        parts += [Paragraph(finding.reading)] if len(chapter.findings) > 1 else []
        parts.append(Table(COLUMNS, smallest_designs(finding), caption=f"The fewest items for {finding.subject}"))
    warnings = sorted({warning for finding in chapter.findings for warning in finding.warnings})
    return [*parts, *(Note(f"{warning[:1].upper()}{warning[1:]}.") for warning in warnings)]


def _cell(value: Any) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def _explain(options: PlanOptions) -> list[Part]:
    return [
        Paragraph(
            f"Each of the {options.systems} systems writes a completion for every item, and each completion is rated "
            "by the same number of workers, drawn from a pool. Systems are compared by an analysis of variance of the "
            "completions' mean ratings, blocked by item; with two systems that is the paired t-test. With more than "
            "two, the difference is that of the best and the worst, and the others lie in the middle."
        ),
        Paragraph(
            "Ratings are drawn from the linear mixed model: effects of items, completions and workers and the residual "
            "are normal with the pilot's variances, which are themselves estimates. A scale with few points, or a "
            "ceiling, leaves somewhat less power. Plan for the smallest difference that would matter, not for the one "
            "that a small pilot happened to find."
        ),
    ]
