"""Pairwise votes: who wins, whether by chance, whether workers agree, and whether the left side is favoured."""

import dataclasses

import pandas as pd
from scipy import stats

from analysis.agreement import resample
from analysis.agreement_findings import categorical_findings, tabulate_alpha_without_workers
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure, alpha_finding, is_significant
from analysis.intervals import wilson_interval
from analysis.plots import plot_position_bias, plot_win_rates
from analysis.preferences import BinomialResult, SignFlipResult, WinCounts, binomial_test, sign_flip_test, win_counts
from analysis.rating_counts import count_ratings
from analysis.results import NAN, format_interval, format_number, format_p

VOTES = {"a": -1.0, "b": 1.0, "tie": 0.0, "both_bad": 0.0}


@dataclasses.dataclass(frozen=True, slots=True)
class Matchup:
    """Two systems; `votes` has columns item, pair, worker, choice, vote, all turned so that b is one system."""

    system_a: str
    system_b: str
    votes: pd.DataFrame

    @property
    def title(self) -> str:
        return f"{self.system_b} against {self.system_a}"


def split_matchups(comparisons: pd.DataFrame) -> list[Matchup]:
    """One matchup for each two systems; pairs of one system with itself are left out.

    Votes are turned to the direction that most rows have, so that a campaign keeps its own a and b.
    """
    rows = comparisons[comparisons["system_a"] != comparisons["system_b"]]
    directions = rows.groupby(["system_a", "system_b"], sort=True).size()
    matchups = []
    for first, second in sorted({(min(pair), max(pair)) for pair in directions.index}):
        forward, backward = directions.get((first, second), 0), directions.get((second, first), 0)
        system_a, system_b = (first, second) if forward >= backward else (second, first)
        is_forward = (rows["system_a"] == system_a) & (rows["system_b"] == system_b)
        is_backward = (rows["system_a"] == system_b) & (rows["system_b"] == system_a)
        votes = pd.concat([rows[is_forward], _turn(rows[is_backward])]).sort_index()
        matchups.append(Matchup(system_a, system_b, votes.assign(vote=votes["choice"].map(VOTES))))
    return matchups


def _turn(rows: pd.DataFrame) -> pd.DataFrame:
    """The same votes with a and b exchanged."""
    other = {"a": "b", "b": "a", "tie": "tie", "both_bad": "both_bad"}
    return rows.assign(choice=rows["choice"].map(other), left=rows["left"].map(other))


def describe_matchup(matchup: Matchup, *, seed: int, draws: int, flips: int) -> Chapter:
    """All findings on two systems."""
    votes = matchup.votes
    counts = win_counts(votes, vote="vote")
    flip = sign_flip_test(votes, unit="item", vote="vote", seed=seed, flips=flips, draws=draws)
    binomial = binomial_test(counts)
    findings = [_sign_flip_finding(flip, matchup), _binomial_finding(binomial, matchup)]
    agreement, tables = _describe_agreement(matchup, counts, seed=seed, draws=draws)
    return Chapter(matchup.title, (*findings, *agreement), tables, ())


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
    return NamedFigure("win_rates", figure, caption)


def _sign_flip_finding(flip: SignFlipResult, matchup: Matchup) -> Finding:
    headline = reading = f"{matchup.title}: {flip.reason}."
    if not flip.reason:
        headline = f"{_verdict(flip, matchup)} (sign-flip {format_p(flip.p_value)})."
        reading = (
            f"{_verdict(flip, matchup)}: mean vote {format_number(flip.estimate)} "
            f"{format_interval(flip.low, flip.high)} over {flip.units_used} items "
            f"(1 = always {matchup.system_b}, −1 = always {matchup.system_a}), sign-flip {format_p(flip.p_value)}."
        )
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
        reading=reading,
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


def _verdict(flip: SignFlipResult, matchup: Matchup) -> str:
    if not is_significant(flip.p_value):
        return f"No significant preference between {matchup.system_b} and {matchup.system_a}"
    winner, loser = (matchup.system_b, matchup.system_a) if flip.estimate > 0 else (matchup.system_a, matchup.system_b)
    return f"Workers prefer {winner} to {loser}"


def _binomial_finding(binomial: BinomialResult, matchup: Matchup) -> Finding:
    decided = binomial.wins_a + binomial.wins_b
    reading = f"{matchup.title}: {binomial.reason}."
    if not binomial.reason:
        reading = (
            f"By the paper's protocol {matchup.system_b} won {binomial.wins_b} of {decided} decided votes "
            f"({binomial.estimate:.1%}, Wilson {format_interval(binomial.low, binomial.high)}), exact binomial "
            f"{format_p(binomial.p_value)}; {binomial.ties_dropped} ties left out."
        )
    return Finding(
        name="binomial",
        subject=matchup.title,
        estimate=binomial.estimate,
        low=binomial.low,
        high=binomial.high,
        p_value=binomial.p_value,
        used=decided,
        dropped=binomial.ties_dropped,
        counted="votes",
        method=binomial.method,
        warnings=("votes on one item are not independent; see the sign-flip test beside it",)
        + ((binomial.reason,) if binomial.reason else ()),
        reading=reading,
        details={"wins_a": binomial.wins_a, "wins_b": binomial.wins_b, "ties_dropped": binomial.ties_dropped},
        label="Share of decided votes",
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


def describe_position_bias(comparisons: pd.DataFrame) -> Chapter:
    """Is the left completion chosen more often? Over all decided votes, and a row a worker."""
    decided = comparisons[comparisons["choice"].isin(["a", "b"])]
    is_left = decided["choice"] == decided["left"]
    by_worker = (
        is_left.groupby(decided["worker"]).agg(["sum", "count"]).rename(columns={"sum": "left", "count": "decided"})
    )
    left, total = int(is_left.sum()), len(decided)
    low, high = wilson_interval(left, total)
    p_value = float(stats.binomtest(left, total).pvalue) if total else NAN
    finding = Finding(
        name="position_bias",
        subject="left side",
        estimate=left / total if total else NAN,
        low=low,
        high=high,
        p_value=p_value,
        used=total,
        dropped=len(comparisons) - total,
        counted="votes",
        method="exact binomial test of the left share against one half; Wilson interval",
        reading=_read_position_bias(left, total, p_value),
        label="Left share",
    )
    if not total:
        return Chapter("Position bias", (finding,), {}, ())
    with figure_style():
        figure = plot_position_bias(by_worker)
    caption = (
        "Share of decided votes for the left completion, a dot a worker. A worker without a side bias stays within the "
        "dashed (95%) or solid (99.8%) lines; orange diamonds do not."
    )
    table = by_worker.reset_index().assign(left_share=lambda rows: rows["left"] / rows["decided"])
    return Chapter(
        "Position bias", (finding,), {"position_bias": table}, (NamedFigure("position_bias", figure, caption),)
    )


def _read_position_bias(left: int, total: int, p_value: float) -> str:
    if not total:
        return "Position bias is not defined: every vote is a tie."
    verdict = "workers favour a side" if is_significant(p_value) else "no significant side bias"
    return (
        f"The left completion won {left} of {total} decided votes ({left / total:.1%}): {verdict}, {format_p(p_value)}."
    )
