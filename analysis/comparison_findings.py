"""Pairwise votes: who wins, whether by chance, by how much, and whether workers agree."""

from typing import Any

import pandas as pd

from analysis.agreement import resample
from analysis.agreement_findings import categorical_findings, tabulate_alpha_without_workers
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure, alpha_finding
from analysis.matchups import VOTES, Matchup
from analysis.mcnemar import McNemar, mcnemar_test_of_votes
from analysis.plots import plot_win_rates
from analysis.preference_strength import MeanStrength, mean_strength, signed_strengths
from analysis.preferences import BinomialResult, SignFlipResult, WinCounts, binomial_test, sign_flip_test, win_counts
from analysis.rating_counts import count_ratings
from analysis.results import format_p
from analysis.win_rates import TIES_IN_RATES, TIES_IN_WORDS, TiesInRates, WinRate, win_rates


def describe_matchup(matchup: Matchup, *, seed: int, draws: int, flips: int) -> Chapter:
    """All findings on two systems."""
    votes, names = matchup.votes, matchup.names
    counts = win_counts(votes, vote="vote")
    flip = sign_flip_test(votes, unit="item", vote="vote", seed=seed, flips=flips, draws=draws, **names)
    findings = [
        _sign_flip_finding(flip, matchup),
        _binomial_finding(binomial_test(counts, **names), matchup),
        *_win_rate_findings(matchup, seed=seed, draws=draws),
        _mcnemar_finding(mcnemar_test_of_votes(votes, unit="item", vote="vote", **names), matchup),
    ]
    agreement, tables = _describe_agreement(matchup, counts, seed=seed, draws=draws)
    strength = _describe_strength(matchup, seed=seed, draws=draws, flips=flips)
    return Chapter(matchup.title, (*findings, *strength, *agreement), tables, ())


def tabulate_wins(matchups: list[Matchup]) -> pd.DataFrame:
    """Votes of each matchup, ties and both bad apart."""
    rows = []
    for matchup in matchups:
        choices = matchup.votes["choice"].value_counts()
        rows.append(
            {
                "system_a": matchup.system_a,
                "system_b": matchup.system_b,
                "votes_a": int(choices.get("a", 0)),
                "votes_b": int(choices.get("b", 0)),
                "votes_tie": int(choices.get("tie", 0)),
                "votes_both_bad": int(choices.get("both_bad", 0)),
                "items": matchup.votes["item"].nunique(),
                "workers": matchup.votes["worker"].nunique(),
            }
        )
    return pd.DataFrame(rows)


def draw_win_rates(matchups: list[Matchup]) -> NamedFigure:
    results = {
        (matchup.system_a, matchup.system_b): binomial_test(win_counts(matchup.votes, vote="vote"))
        for matchup in matchups
    }
    with figure_style():
        figure = plot_win_rates(results)
    caption = (
        "Paper protocol: share of the decided votes that the first-named system won (dark), 95% Wilson interval. "
        "Dashed line: no preference. Votes on one item are not independent, so the sign-flip test is the one to quote."
    )
    # With several matchups the matrix of win rates shows the same at a glance.
    return NamedFigure("win_rates", figure, caption, is_aside=len(matchups) > 2)


def _sign_flip_finding(flip: SignFlipResult, matchup: Matchup) -> Finding:
    headline = flip.reading if flip.reason else f"{flip.verdict} (sign-flip {format_p(flip.p_value)})."
    return Finding(
        name="sign_flip",
        subject=matchup.title,
        estimate=flip.estimate,
        low=flip.low,
        high=flip.high,
        p_value=flip.p_value,
        used=flip.units_used,
        dropped=0,
        counted="items",
        method=flip.method,
        seed=flip.seed,
        draws=flip.draws,
        warnings=flip.warnings,
        reading=flip.reading,
        details={
            "items_nonzero": flip.units_nonzero,
            "votes_used": flip.votes_used,
            "votes_dropped": flip.votes_dropped,
            "is_exact": flip.is_exact,
            "flips": flip.flips,
        },
        headline=headline,
        label="Mean vote",
    )


def _binomial_finding(binomial: BinomialResult, matchup: Matchup) -> Finding:
    return Finding(
        name="binomial",
        subject=matchup.title,
        estimate=binomial.estimate,
        low=binomial.low,
        high=binomial.high,
        p_value=binomial.p_value,
        used=binomial.decided,
        dropped=binomial.ties_dropped,
        counted="votes",
        method=binomial.method,
        warnings=(*binomial.warnings, *filter(None, [binomial.reason])),
        reading=binomial.reading,
        details={"wins_a": binomial.wins_a, "wins_b": binomial.wins_b, "ties_dropped": binomial.ties_dropped},
        label="Share of decided votes",
    )


def _win_rate_findings(matchup: Matchup, *, seed: int, draws: int) -> list[Finding]:
    """The win rate of b with items drawn, ties left out and as half a win."""
    findings = []
    # The cell's first system is the one that is first in the order of names; here it is to be b.
    votes = matchup.votes.assign(first="0", second="1", turned=-matchup.votes["vote"])
    for ties in TIES_IN_RATES:
        rates = win_rates(
            votes, system_a="first", system_b="second", vote="turned", cluster="item", ties=ties, seed=seed, draws=draws
        )
        findings.append(_win_rate_finding(rates.cells[0], ties, matchup))
    return findings


def _win_rate_finding(rate: WinRate, ties: TiesInRates, matchup: Matchup) -> Finding:
    reading = f"{matchup.title}: {rate.reason}."
    if not rate.reason:
        reading = (
            f"{matchup.system_b} wins {rate.estimate:.1%} of the votes against {matchup.system_a}, "
            f"{TIES_IN_WORDS[ties]}, with the interval over items [{rate.low:.1%}, {rate.high:.1%}]."
        )
    return Finding(
        name="win_rate" if ties == "drop" else "win_rate_with_ties",
        subject=matchup.title,
        estimate=rate.estimate,
        low=rate.low,
        high=rate.high,
        used=rate.used,
        dropped=len(matchup.votes) - rate.used,
        counted="votes",
        method=rate.method,
        seed=rate.seed,
        draws=rate.draws,
        warnings=(*rate.warnings, *filter(None, [rate.reason])),
        reading=reading,
        details={"items": rate.items, "ties": rate.ties, "undefined_share": rate.undefined_share},
        label=f"Win rate over items, {TIES_IN_WORDS[ties]}",
        is_aside=True,
    )


def _mcnemar_finding(test: McNemar, matchup: Matchup) -> Finding:
    return Finding(
        name="mcnemar",
        subject=matchup.title,
        estimate=test.estimate,
        low=test.low,
        high=test.high,
        p_value=test.p_value,
        used=test.used,
        dropped=test.dropped,
        counted="items",
        method=test.method,
        warnings=(*test.warnings, *filter(None, [test.reason])),
        reading=test.reading,
        details={"items_a": test.only_first, "items_b": test.only_second, "items_even": test.neither},
        label="McNemar, items with most votes",
        is_aside=True,
    )


def _describe_strength(matchup: Matchup, *, seed: int, draws: int, flips: int) -> list[Finding]:
    """Preferences by degree, where workers were asked for one: their mean, and agreement on them."""
    votes = matchup.votes
    if "strength" not in votes.columns or votes["strength"].isna().all():
        return []
    columns: dict[str, Any] = {"vote": "vote", "strength": "strength"}
    mean = mean_strength(votes, unit="item", seed=seed, flips=flips, draws=draws, **columns, **matchup.names)
    once = votes[~votes.duplicated(["pair", "worker"])]
    signed = once.assign(signed=signed_strengths(once, **columns))
    counted = count_ratings(signed, unit="pair", rater="worker", value="signed", level="ordinal", cluster="item")
    agreement = resample(counted, seed=seed, draws=draws)
    return [
        _strength_finding(mean, matchup),
        alpha_finding(agreement, subject=f"{matchup.title}: signed degrees"),
    ]


def _strength_finding(mean: MeanStrength, matchup: Matchup) -> Finding:
    return Finding(
        name="mean_strength",
        subject=matchup.title,
        estimate=mean.estimate,
        low=mean.low,
        high=mean.high,
        p_value=mean.p_value,
        used=mean.units_used,
        dropped=0,
        counted="items",
        method=mean.method,
        seed=mean.seed,
        draws=mean.draws,
        warnings=(*mean.warnings, *filter(None, [mean.reason])),
        reading=mean.reading,
        details={
            "degree_a": mean.degree_a,
            "degree_b": mean.degree_b,
            "votes_used": mean.used,
            "votes_dropped": mean.dropped,
        },
        label="Mean signed degree",
    )


def _describe_agreement(
    matchup: Matchup, counts: WinCounts, *, seed: int, draws: int
) -> tuple[list[Finding], dict[str, pd.DataFrame]]:
    """Nominal alpha on a and b, never on left and right; with ties also over all choices."""
    again = matchup.votes.duplicated(["pair", "worker"])
    first_votes = matchup.votes[~again]
    repeated = (f"{int(again.sum())} repeated votes left out of alpha",) if again.any() else ()
    decided = first_votes[first_votes["choice"].isin(["a", "b"])]
    kinds = [("", decided)] + ([(" (ties as a category)", first_votes)] if counts.ties else [])
    findings: list[Finding] = []
    tables: dict[str, pd.DataFrame] = {}
    for suffix, votes in kinds:
        if votes.empty:
            continue
        counted = count_ratings(
            votes, unit="pair", rater="worker", value="choice", level="nominal", order=tuple(VOTES), cluster="item"
        )
        agreement = resample(counted, seed=seed, draws=draws)
        subject = matchup.title + suffix
        findings.append(alpha_finding(agreement, subject=subject, extra_warnings=repeated))
        findings += categorical_findings(votes, unit="pair", value="choice", subject=subject, seed=seed, draws=draws)
        tables[f"{subject}_alpha_without_workers"] = tabulate_alpha_without_workers(
            votes, agreement, unit="pair", value="choice"
        )
    return findings, tables
