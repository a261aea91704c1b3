"""Rankings and best-worst answers: mean ranks, best less worst, and whether workers order a set alike."""

from typing import Any

import pandas as pd

from analysis.agreement import resample
from analysis.drawing import figure_style
from analysis.findings import Chapter, Finding, NamedFigure, alpha_finding
from analysis.preference_plots import plot_mean_ranks
from analysis.ranked_sets import Concordance, SystemRank, SystemRanks, kendall_w, mean_ranks
from analysis.rating_counts import count_ratings
from annotation.errors import InputError
from annotation.rankings import LETTERS, parse_ranking

COLUMNS: dict[str, Any] = {"unit": "set", "rater": "worker", "rank": "rank", "cluster": "item"}


def describe_rankings(rankings: pd.DataFrame, *, seed: int, draws: int) -> Chapter:
    """All findings on the rankings of an export; the comparisons that follow from them are described elsewhere."""
    again = rankings.duplicated(["set", "worker"])
    first = rankings[~again]
    repeated = (f"{int(again.sum())} repeated rankings left out",) if again.any() else ()
    ranked = unfold_rankings(first)
    ranks = mean_ranks(ranked, system="system", entry="letter", seed=seed, draws=draws, **COLUMNS)
    findings = [_best_finding(ranks, repeated)]
    findings += [_rank_finding(rank, ranks) for rank in ranks.systems]
    findings += _describe_agreement(first, ranked, seed=seed, draws=draws)
    with figure_style():
        figure = plot_mean_ranks(ranks)
    caption = (
        "Mean rank, and how often a system was best less how often worst, both with 95% intervals from drawing items. "
        "Ties share their places; of a best-worst answer all between the two share theirs."
    )
    named = NamedFigure("mean_ranks", figure, caption)
    return Chapter("Rankings", tuple(findings), {"mean_ranks": ranks.to_frame()}, (named,))


def unfold_rankings(rankings: pd.DataFrame) -> pd.DataFrame:
    """A row a completion: set, worker, item, letter, system, and the rank of its group, 1 the best."""
    texts = {text: _ranks_of(text) for text in rankings["ranking"].unique()}
    sizes = rankings["ranking"].map(lambda text: len(texts[text]))
    wrong = rankings.index[sizes != rankings["systems"].map(len)]
    if len(wrong):
        found = rankings.loc[wrong[0]]
        raise InputError(
            f"row {wrong[0]}: {found['ranking']!r} ranks other completions than the {len(found['systems'])} of the set."
        )
    kept = rankings[["set", "worker", "item"]].loc[rankings.index.repeat(sizes)].reset_index(drop=True)
    ranks = [rank for text in rankings["ranking"] for rank in texts[text]]
    letters = [letter for size in sizes for letter in LETTERS[:size]]
    return kept.assign(letter=letters, system=rankings["systems"].explode().to_numpy(), rank=ranks)


def _ranks_of(text: str) -> list[int]:
    """The place of each letter's group, in the order of the letters."""
    letters = sorted(letter for letter in text if letter not in "=>")
    place = {
        letter: rank for rank, group in enumerate(parse_ranking(text, "".join(letters)), start=1) for letter in group
    }
    return [place[letter] for letter in letters]


def _best_finding(ranks: SystemRanks, repeated: tuple[str, ...]) -> Finding:
    best = ranks.systems[0]
    return Finding(
        name="best_mean_rank",
        subject="the best system",
        estimate=best.mean_rank,
        low=best.mean_rank_low,
        high=best.mean_rank_high,
        used=ranks.rankings,
        dropped=0,
        counted="rankings",
        method=ranks.method,
        seed=ranks.seed,
        draws=ranks.draws,
        warnings=(*ranks.warnings, *repeated),
        reading=f"Of {len(ranks.systems)} systems {ranks.reading}",
        details={"system": best.system, "completions": ranks.used},
        label="Mean rank",
    )


def _rank_finding(rank: SystemRank, ranks: SystemRanks) -> Finding:
    return Finding(
        name="best_less_worst",
        subject=str(rank.system),
        estimate=rank.best_worst,
        low=rank.best_worst_low,
        high=rank.best_worst_high,
        used=rank.used,
        counted="rankings",
        method=ranks.method,
        seed=ranks.seed,
        draws=ranks.draws,
        warnings=rank.warnings,
        reading=rank.reading,
        details={"mean_rank": rank.mean_rank, "best": rank.best, "worst": rank.worst},
        label="Best less worst",
        is_aside=True,
    )


def _describe_agreement(rankings: pd.DataFrame, ranked: pd.DataFrame, *, seed: int, draws: int) -> list[Finding]:
    """Kendall's W of full rankings; of best-worst answers, alpha on which is best and which is worst."""
    is_full = rankings["asked"] == "ranking"
    findings = []
    if is_full.any():
        full = ranked[ranked["set"].isin(rankings["set"][is_full])]
        findings.append(_concordance_finding(kendall_w(full, entry="letter", seed=seed, draws=draws, **COLUMNS)))
    if not is_full.all():
        answers = ranked[ranked["set"].isin(rankings["set"][~is_full])]
        findings += [_ends_finding(answers, end, seed=seed, draws=draws) for end in ("best", "worst")]
    return findings


def _concordance_finding(concordance: Concordance) -> Finding:
    return Finding(
        name="kendall_w",
        subject="rankings",
        estimate=concordance.estimate,
        low=concordance.low,
        high=concordance.high,
        used=concordance.units_used,
        dropped=concordance.units_dropped,
        counted="sets",
        method=concordance.method,
        seed=concordance.seed,
        draws=concordance.draws,
        warnings=(*concordance.warnings, *filter(None, [concordance.reason])),
        reading=concordance.reading,
        details={
            "rank_correlation": concordance.rank_correlation,
            "rank_correlation_low": concordance.rank_correlation_low,
            "rank_correlation_high": concordance.rank_correlation_high,
            "rankings": concordance.rankings_used,
        },
        label="Kendall's W",
    )


def _ends_finding(answers: pd.DataFrame, end: str, *, seed: int, draws: int) -> Finding:
    """Nominal alpha on the letter that stands alone at this end."""
    rank = answers.groupby(["set", "worker"])["rank"].transform("min" if end == "best" else "max")
    chosen = answers[answers["rank"] == rank]
    counted = count_ratings(
        chosen, unit="set", rater="worker", value="letter", level="nominal", order=tuple(LETTERS), cluster="item"
    )
    return alpha_finding(resample(counted, seed=seed, draws=draws), subject=f"the {end} of a set")
