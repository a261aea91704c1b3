"""What draws votes beside the systems: the side on which a completion stood, and its length."""

from typing import Any

import pandas as pd

from analysis.bradley_terry import BradleyTerry, fit_bradley_terry
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure, without_empty_reasons
from analysis.length_bias import RATIO, LengthBias, length_adjusted_win_rate, length_bias, log_length_ratio
from analysis.matchups import Matchup
from analysis.plots import plot_position_bias
from analysis.position_bias import PositionBias, WorkerSides, position_bias, position_bias_by_worker
from analysis.results import NAN, format_interval, format_number
from analysis.swap_consistency import SwapConsistency, swap_consistency

COMPLETIONS: dict[str, Any] = {"completion_a": "completion_a", "completion_b": "completion_b"}


def describe_position_bias(
    votes: pd.DataFrame, repeated: pd.DataFrame, *, place: str, seed: int, draws: int
) -> Chapter:
    """Is one side chosen more often? Over all decided votes, by worker, and between votes with exchanged sides.

    votes: columns item, pair, worker, left, vote. repeated: the same with the pairs that a worker was shown again.
    place: what `left` stands for, "left" or "first-shown".
    """
    columns: dict[str, Any] = {"vote": "vote", "left": "left"}
    bias = position_bias(votes, place=place, **columns)
    by_worker = position_bias_by_worker(votes, rater="worker", seed=seed, place=place, **columns)
    shared: dict[str, Any] = {"pair": "pair", "cluster": "item", "seed": seed, "draws": draws, **columns}
    consistency = [swap_consistency(votes, **shared), swap_consistency(repeated, rater="worker", **shared)]
    findings = (
        _position_finding(bias),
        _worker_finding(by_worker),
        *(_consistency_finding(result) for result in consistency if result.units),
        *_side_effect(votes, place),
    )
    if not bias.used:
        return Chapter("Position bias", findings[:1], {}, ())
    table = _sides_of_workers(votes)
    with figure_style():
        figure = plot_position_bias(table.set_index("worker"))
    caption = (
        f"Share of decided votes for the {place} completion, a dot a worker. A worker without a side bias stays within "
        "the dashed (95%) or solid (99.8%) lines; orange diamonds do not."
    )
    return Chapter(
        "Position bias", findings, {"position_bias": table}, (NamedFigure("position_bias", figure, caption),)
    )


def _sides_of_workers(votes: pd.DataFrame) -> pd.DataFrame:
    """A row a worker: how often the left one was chosen, of how many decided votes."""
    decided = votes[votes["vote"] != 0]
    is_left = (decided["vote"] > 0) == (decided["left"] == "b")
    by_worker = is_left.groupby(decided["worker"]).agg(["sum", "count"])
    table = by_worker.rename(columns={"sum": "left", "count": "decided"}).reset_index()
    return table.assign(left_share=table["left"] / table["decided"])


def _position_finding(bias: PositionBias) -> Finding:
    return Finding(
        name="position_bias",
        subject=f"{bias.place} side" if bias.place == "left" else bias.place,
        estimate=bias.estimate,
        low=bias.low,
        high=bias.high,
        p_value=bias.p_value,
        used=bias.used,
        dropped=bias.dropped,
        counted="votes",
        method=bias.method,
        reading=bias.reading,
        label=f"{bias.place.capitalize()} share",
    )


def _worker_finding(sides: WorkerSides) -> Finding:
    return Finding(
        name="position_bias_by_worker",
        subject="a typical worker",
        estimate=sides.estimate,
        low=sides.low,
        high=sides.high,
        p_value=sides.p_value,
        used=sides.used,
        dropped=sides.dropped,
        counted="votes",
        method=sides.method,
        seed=sides.seed,
        warnings=(*sides.warnings, *filter(None, [sides.reason])),
        reading=sides.reading,
        details={"workers": sides.workers, "spread": sides.spread, "spread_p": sides.spread_p},
        label=f"{sides.place.capitalize()} share",
    )


def _consistency_finding(consistency: SwapConsistency) -> Finding:
    whose = "of one worker" if consistency.by_rater else "of two workers"
    return Finding(
        name="swap_consistency_of_workers" if consistency.by_rater else "swap_consistency",
        subject=whose,
        estimate=consistency.estimate,
        low=consistency.low,
        high=consistency.high,
        used=consistency.pairs_of_votes,
        dropped=consistency.dropped,
        counted="pairs of votes",
        method=consistency.method,
        seed=consistency.seed,
        draws=consistency.draws,
        warnings=consistency.warnings,
        reading=consistency.reading,
        details={
            "same_side": consistency.same_side,
            "same_side_pairs": consistency.same_side_pairs,
            "difference": consistency.difference,
            "difference_low": consistency.difference_low,
            "difference_high": consistency.difference_high,
            "units": consistency.units,
        },
        label="Agreement with sides exchanged",
    )


def _side_effect(votes: pd.DataFrame, place: str) -> list[Finding]:
    """The side as a covariate beside the systems; nothing where one system is compared with itself alone."""
    rows = votes[votes["system_a"] != votes["system_b"]]
    if rows.empty:
        return []
    fit = fit_bradley_terry(rows, system_a="system_a", system_b="system_b", vote="vote", cluster="item", left="left")
    interval = format_interval(fit.side_low, fit.side_high)
    reading = (
        f"With the systems' strengths held fixed the {place} place adds {format_number(fit.side_effect)} {interval} "
        "to the log odds."
    )
    return [
        Finding(
            name="side_effect",
            subject="log odds beside the systems",
            estimate=fit.side_effect,
            low=fit.side_low,
            high=fit.side_high,
            p_value=fit.side_p,
            used=fit.votes_used,
            dropped=fit.votes_dropped,
            counted="votes",
            method=fit.method,
            warnings=(fit.reason,) if fit.reason else (),
            reading=f"The side effect is not defined: {fit.reason}." if fit.reason else reading,
            label="Side effect",
            is_aside=True,
        )
    ]


def describe_length_bias(votes: pd.DataFrame, matchups: list[Matchup], *, seed: int, draws: int) -> list[Chapter]:
    """Do people choose the longer completion? Over all votes, and who would win at equal lengths.

    Nothing where the votes come without their completions.
    """
    if not {"completion_a", "completion_b"} <= set(votes.columns):
        return []
    bias = length_bias(votes, vote="vote", cluster="item", seed=seed, draws=draws, **COMPLETIONS)
    tables = {"length_by_matchup": _tabulate_matchups(matchups, seed=seed, draws=draws)}
    rows = votes[votes["system_a"] != votes["system_b"]]
    if len(matchups) > 1:
        tables["strengths_at_equal_lengths"] = _strengths_at_equal_lengths(rows)
    findings = [_length_finding(bias)]
    if len(matchups) == 1:
        findings.append(_adjusted_finding(matchups[0]))
    return [Chapter("Length", tuple(findings), tables, ())]


def _length_finding(bias: LengthBias) -> Finding:
    return Finding(
        name="length_bias",
        subject="the longer completion",
        estimate=bias.estimate,
        low=bias.low,
        high=bias.high,
        p_value=bias.p_value,
        used=bias.used + bias.equal,
        dropped=bias.dropped,
        counted="votes",
        method=bias.method,
        seed=bias.seed,
        draws=bias.draws,
        warnings=(*bias.warnings, *filter(None, [bias.reason])),
        reading=bias.reading,
        details={
            "longer": bias.longer,
            "equal": bias.equal,
            "slope": bias.slope,
            "slope_low": bias.slope_low,
            "slope_high": bias.slope_high,
            "slope_p": bias.slope_p,
        },
        label="Share",
    )


def _adjusted_finding(matchup: Matchup) -> Finding:
    adjusted = length_adjusted_win_rate(matchup.votes, vote="vote", cluster="item", **matchup.names, **COMPLETIONS)
    return Finding(
        name="win_rate_at_equal_lengths",
        subject=matchup.title,
        estimate=adjusted.estimate,
        low=adjusted.low,
        high=adjusted.high,
        used=adjusted.used,
        dropped=adjusted.dropped,
        counted="votes",
        method=adjusted.method,
        warnings=(*adjusted.warnings, *filter(None, [adjusted.reason])),
        reading=adjusted.reading,
        details={"unadjusted": adjusted.unadjusted, "slope": adjusted.slope, "mean_ratio": adjusted.mean_ratio},
        label="Win rate at equal lengths",
    )


def _tabulate_matchups(matchups: list[Matchup], *, seed: int, draws: int) -> pd.DataFrame:
    """A row each two systems: the longer one's share, and b's win rate as it is and at equal lengths."""
    rows = []
    for matchup in matchups:
        bias = length_bias(matchup.votes, vote="vote", cluster="item", seed=seed, draws=draws, **COMPLETIONS)
        adjusted = length_adjusted_win_rate(matchup.votes, vote="vote", cluster="item", **COMPLETIONS)
        rows.append(
            {
                "system_a": matchup.system_a,
                "system_b": matchup.system_b,
                "times_as_long": adjusted.mean_ratio,
                "longer_share": bias.estimate,
                "longer_low": bias.low,
                "longer_high": bias.high,
                "longer_used": bias.used,
                "win_rate": adjusted.unadjusted,
                "at_equal_lengths": adjusted.estimate,
                "low": adjusted.low,
                "high": adjusted.high,
                "reason": adjusted.reason,
            }
        )
    return without_empty_reasons(pd.DataFrame(rows))


def _strengths_at_equal_lengths(votes: pd.DataFrame) -> pd.DataFrame:
    """Elo of each system without and with the log length ratio beside the systems."""
    ratio = log_length_ratio(votes, **COMPLETIONS)
    rows = votes.assign(**{RATIO: ratio})[pd.notna(ratio)]
    if rows.empty:
        return pd.DataFrame(columns=["system", "elo", "at_equal_lengths", "low", "high", "reason"])

    def fit(*covariates: str) -> BradleyTerry:
        return fit_bradley_terry(
            rows, system_a="system_a", system_b="system_b", vote="vote", cluster="item", covariates=covariates
        )

    plain = {strength.system: strength.elo for strength in fit().strengths}
    adjusted = pd.DataFrame(
        [
            {
                "system": strength.system,
                "elo": plain.get(strength.system, NAN),
                "at_equal_lengths": strength.elo,
                "low": strength.elo_low,
                "high": strength.elo_high,
                "reason": strength.reason,
            }
            for strength in fit(RATIO).strengths
        ]
    )
    return without_empty_reasons(adjusted)
