"""How large a next study: what a pilot's mixed model says of the items and raters that a difference needs."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure
from analysis.mixed_plots import plot_variance_shares
from analysis.power import ALPHA, RATERS, SIMULATIONS, TARGET, PowerGrid, RatingStudy, Variances, plan_ratings
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


@dataclasses.dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the next study is to find, and which designs are looked at.

    difference: None for the largest one that the pilot found. workers: None for as many as the pilot had. Empty items
    and raters stand for sizes around the answer, and for 1, 2, 3, 5 and the pilot's number.
    """

    difference: float | None = None
    systems: int = 2
    workers: int | None = None
    items: tuple[int, ...] = ()
    raters: tuple[int, ...] = ()
    alpha: float = ALPHA
    target: float = TARGET
    simulations: int = SIMULATIONS
    seed: int = 0


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


def pilots_of(chapters: Sequence[Chapter]) -> list[Pilot]:
    """The pilots among the findings of an analysis under way."""
    return read_pilots(
        {"name": finding.name, "subject": finding.subject, "details": finding.details, "used": finding.used}
        for chapter in chapters
        for finding in chapter.findings
    )


def describe_plan(pilots: Sequence[Pilot], options: PlanOptions) -> Chapter:
    """A finding, a table and a figure for each pilot; where the variance lies in one figure."""
    findings: list[Finding] = []
    tables: dict[str, pd.DataFrame] = {}
    figures = [draw_variance_shares(pilots)] if pilots else []
    for pilot in pilots:
        difference = pilot.difference if options.difference is None else options.difference
        if not difference > 0:  # one system, or systems that were all rated alike
            continue
        grid = _plan(pilot, difference, options)
        findings.append(power_finding(grid, pilot, (FOUND,) if options.difference is None else ()))
        tables[f"{pilot.question}_power"] = grid.to_frame()
        figures.append(draw_power(grid, pilot.question, is_aside=len(findings) > 1))
    return Chapter(TITLE, tuple(findings), tables, tuple(figures))


def _plan(pilot: Pilot, difference: float, options: PlanOptions) -> PowerGrid:
    study = RatingStudy(
        difference,
        pilot.variances,
        systems=options.systems,
        workers=options.workers or pilot.workers,
        alpha=options.alpha,
    )
    return plan_ratings(
        study,
        seed=options.seed,
        items=options.items or None,
        raters=options.raters or sorted({*RATERS, pilot.raters}),
        target=options.target,
        simulations=options.simulations,
    )


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
        f"Power to find a difference of {grid.study.difference:.3g} in {question} between {grid.study.systems} systems "
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
