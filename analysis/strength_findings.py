"""Several systems compared in pairs: win rates as a matrix, strengths, and how sure the ranking is."""

import dataclasses
from typing import Any

import pandas as pd

from analysis.bradley_terry import BradleyTerry, Strength, fit_bradley_terry
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure, without_empty_reasons
from analysis.matchups import are_sides_known
from analysis.preference_plots import plot_strengths, plot_win_matrix
from analysis.results import NAN, format_interval, format_number
from analysis.strength_bootstrap import RankedStrengths, bootstrap_strengths
from analysis.win_rates import WinRates, win_rates

COLUMNS: dict[str, Any] = {"system_a": "system_a", "system_b": "system_b", "vote": "vote", "cluster": "item"}
FEWEST_SYSTEMS = 3  # two have one win rate and no ranking
SURE = 0.95  # share of draws in which the first is first, to say so at the top of the page


def tabulate_win_rates(votes: pd.DataFrame, *, seed: int, draws: int) -> pd.DataFrame:
    """A row each two systems: the win rate with ties left out, its interval over items and exact p, and with ties as
    half a win."""
    dropped = win_rates(votes, seed=seed, draws=draws, **COLUMNS).to_frame()
    halved = win_rates(votes, seed=seed, draws=draws, ties="half", **COLUMNS).to_frame()
    table = dropped.rename(columns={"estimate": "win_rate"}).assign(ties_as_half=halved["estimate"])
    names = ["system", "opponent", "win_rate", "low", "high", "p_value", "used", "ties", "ties_as_half", "items"]
    return table[names]


def draw_win_matrix(rates: WinRates) -> NamedFigure:
    with figure_style():
        figure = plot_win_matrix(rates)
    caption = (
        "Share of decided votes that the row's system won against the column's, ties left out; darker is more. "
        "A star: the 95% interval from drawing items excludes one half. Systems by their mean win rate."
    )
    return NamedFigure("win_rate_matrix", figure, caption)


def describe_strengths(votes: pd.DataFrame, *, seed: int, draws: int) -> list[Chapter]:
    """The ranking of three systems or more; nothing for fewer. votes: columns system_a, system_b, vote, item, left."""
    rows = votes[votes["system_a"] != votes["system_b"]]
    if len(set(rows["system_a"]) | set(rows["system_b"])) < FEWEST_SYSTEMS:
        return []
    left = "left" if are_sides_known(rows) else None
    ranking = bootstrap_strengths(rows, seed=seed, draws=draws, left=left, **COLUMNS)
    fit = fit_bradley_terry(rows, left=left, **COLUMNS)
    rates = win_rates(rows, seed=seed, draws=draws, **COLUMNS)
    findings = [_ranking_finding(ranking, fit)]
    findings += [_strength_finding(strength, ranking) for strength in ranking.fitted]
    figures = [draw_win_matrix(rates)]
    if ranking.rank_probabilities:
        figures.insert(0, _draw_strengths(ranking))
    tables = {
        "strengths": _tabulate_strengths(ranking, fit),
        "rank_probabilities": ranking.rank_table(),
    }
    return [Chapter("Strengths of systems", tuple(findings), tables, tuple(figures))]


def _ranking_finding(ranking: RankedStrengths, fit: BradleyTerry) -> Finding:
    """The strongest system, and the model that all strengths come from."""
    best = ranking.strengths[0]
    headline = ""
    if ranking.rank_probabilities and ranking.rank_probabilities[0][0] >= SURE:
        headline = f"{best.system} is the strongest of {len(ranking.fitted)} systems."
    return Finding(
        name="bradley_terry",
        subject="the strongest system",
        estimate=NAN if ranking.reason else best.elo,
        low=NAN if ranking.reason else best.elo_low,
        high=NAN if ranking.reason else best.elo_high,
        used=ranking.votes_used,
        dropped=ranking.votes_dropped,
        counted="votes",
        method=ranking.method,
        seed=ranking.seed,
        draws=ranking.draws,
        warnings=ranking.warnings,
        reading=ranking.reading,
        details={
            "system": None if ranking.reason else best.system,
            "rank_probabilities": ranking.rank_probabilities,
            "undefined_share": ranking.undefined_share,
            "clusters": ranking.clusters,
            "side_effect": fit.side_effect,
            "tie_weight": fit.tie_weight,
        },
        headline=headline,
        label="Elo",
    )


def _strength_finding(strength: Strength, ranking: RankedStrengths) -> Finding:
    interval = format_interval(strength.elo_low, strength.elo_high, 0)
    return Finding(
        name="elo",
        subject=str(strength.system),
        estimate=strength.elo,
        low=strength.elo_low,
        high=strength.elo_high,
        used=strength.wins + strength.losses + strength.ties,
        counted="votes",
        method=ranking.method,
        seed=ranking.seed,
        draws=ranking.draws,
        reading=f"{strength.system} has Elo {format_number(strength.elo, 0)} {interval}.",
        details={"strength": strength.estimate, "low": strength.low, "high": strength.high},
        label="Elo",
        is_aside=True,
    )


def _tabulate_strengths(ranking: RankedStrengths, fit: BradleyTerry) -> pd.DataFrame:
    """A row a system: Elo with the interval of the bootstrap and Wald's, its votes, and why it was not fitted."""
    wald = {strength.system: (strength.elo_low, strength.elo_high) for strength in fit.strengths}
    rows = []
    for strength in ranking.strengths:
        entries = dataclasses.asdict(strength)
        kept = {name: entries[name] for name in ("system", "elo", "elo_low", "elo_high")}
        kept |= dict(zip(("wald_low", "wald_high"), wald[strength.system], strict=True))
        kept |= {name: entries[name] for name in ("wins", "losses", "ties")}
        rows.append(kept | {"reason": strength.reason})
    return without_empty_reasons(pd.DataFrame(rows))


def _draw_strengths(ranking: RankedStrengths) -> NamedFigure:
    with figure_style():
        figure = plot_strengths(ranking)
    left_out = [str(strength.system) for strength in ranking.strengths if strength.reason]
    missing = f" Not fitted: {', '.join(left_out)}." if left_out else ""
    caption = (
        "Left: strengths on the Elo scale with 95% intervals from drawing items; their mean is 1000. Right: in "
        f"how many of the draws a system has each rank; a dot is less than half a per cent.{missing}"
    )
    return NamedFigure("strengths", figure, caption)
