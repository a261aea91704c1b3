"""How large a next study: what a pilot's mixed model says of the items and raters that a difference needs."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure
from analysis.mixed_plots import plot_variance_shares
from analysis.power import RATERS, SIMULATIONS, PowerGrid, RatingStudy, Variances, plan_ratings
from analysis.results import NAN

TITLE = "How large a next study"
FOUND = "the difference is the one that was found, and as uncertain as it is; better name the smallest one that matters"


@dataclasses.dataclass(frozen=True, slots=True)
class Pilot:
    """What one question's mixed model leaves for planning. workers: None where they have no effect of their own."""

    question: str
    variances: Variances
    workers: int | None
    raters: int
    difference: float
    ratings: int


def read_pilots(findings: Iterable[Mapping[str, Any]]) -> list[Pilot]:
    """The pilots among findings as `results.json` has them; questions without a fitted model have none."""
    return [
        _read_pilot(entry)
        for entry in findings
        if entry["name"] == "mixed_linear" and entry["details"]["variances"].get("residual")
    ]


def _read_pilot(entry: Mapping[str, Any]) -> Pilot:
    details = entry["details"]
    differences = [abs(pair["difference"]) for pair in details["pairs"]]
    return Pilot(
        question=entry["subject"],
        variances=Variances(**details["variances"]),
        workers=details["workers"] or None,
        raters=max(1, round(details["ratings_per_completion"])),
        difference=max(differences, default=NAN),
        ratings=entry["used"],
    )


def describe_next_study(
    chapters: Sequence[Chapter], *, smallest_difference: float | None, seed: int, simulations: int = SIMULATIONS
) -> Chapter:
    """A finding, a table and a figure for each question with a mixed model; where the variance lies in one figure."""
    pilots = read_pilots(
        {"name": finding.name, "subject": finding.subject, "details": finding.details, "used": finding.used}
        for chapter in chapters
        for finding in chapter.findings
    )
    findings, tables, figures = [], {}, [draw_variance_shares(pilots)] if pilots else []
    for pilot in pilots:
        difference = pilot.difference if smallest_difference is None else smallest_difference
        if not difference > 0:  # one system, or two that were rated alike
            continue
        study = RatingStudy(difference, pilot.variances, workers=pilot.workers)
        grid = plan_ratings(study, seed=seed, raters=sorted({*RATERS, pilot.raters}), simulations=simulations)
        findings.append(power_finding(grid, pilot, (FOUND,) if smallest_difference is None else ()))
        tables[f"{pilot.question}_power"] = grid.to_frame()
        figures.append(draw_power(grid, pilot.question, is_aside=bool(len(findings) > 1)))
    return Chapter(TITLE, tuple(findings), tables, tuple(figures))


def power_finding(grid: PowerGrid, pilot: Pilot, warnings: tuple[str, ...] = ()) -> Finding:
    """The items that the pilot's number of raters needs, or the nearest one that was planned for."""
    nearest = min(grid.smallest, key=lambda power: abs(power.raters - pilot.raters), default=None)
    reading = grid.reading.replace("To find a difference", f"On {pilot.question}, to find a difference", 1)
    return Finding(
        name="items_needed",
        subject=pilot.question,
        estimate=float(nearest.items) if nearest else NAN,
        used=pilot.ratings,
        method=grid.method,
        seed=grid.seed,
        warnings=(*warnings, *grid.warnings),
        reading=reading,
        details={
            "difference": grid.study.difference,
            "systems": grid.study.systems,
            "workers": grid.study.workers,
            "alpha": grid.study.alpha,
            "target": grid.target,
            "variances": dataclasses.asdict(grid.study.variances),
            "simulations": grid.simulations,
            "smallest": [dataclasses.asdict(power) for power in grid.smallest],
            "grid": [dataclasses.asdict(power) for power in grid.powers],
        },
        label=f"Items for power {grid.target:g}, {nearest.raters} a completion" if nearest else "Items needed",
    )


def draw_power(grid: PowerGrid, question: str, *, is_aside: bool = False) -> NamedFigure:
    with figure_style():
        figure = grid.plot()
    caption = (
        f"Power to find a difference of {grid.study.difference:.2f} in {question} between {grid.study.systems} systems "
        f"at p = {grid.study.alpha:g}, by an analysis of variance blocked by item. Lines: closed form. Dots: "
        f"{grid.simulations} simulated studies each, with 95% Wilson intervals."
    )
    return NamedFigure(f"{question}_power", figure, caption, is_aside=is_aside)


def draw_variance_shares(pilots: Sequence[Pilot]) -> NamedFigure:
    """Where the variance lies, question by question."""
    shares = {}
    for pilot in pilots:
        parts = dataclasses.asdict(pilot.variances)
        total = math.fsum(parts.values())
        shares[pilot.question] = {name: part / total for name, part in parts.items()}
    with figure_style():
        figure = plot_variance_shares(shares)
    caption = (
        "Where the variance of single ratings lies, systems aside (linear mixed model). More raters shrink what is "
        "residual and workers'; only more items shrink what is completions'; that of items cancels when systems are "
        "compared on the same ones."
    )
    return NamedFigure("variance_shares", figure, caption)
