"""What a ranking says about the pairs of its set, as the comparisons that everything downstream reads."""

from annotation.rankings import order_pairs
from annotation.records import Comparison, Ranking


def comparisons_of_ranking(ranking: Ranking) -> list[Comparison]:
    """What a ranking says about each pair of its set: the better of the two, or a tie where the worker said so.

    Of a best-worst answer, pairs between the best and the worst are left out. `left` is what stood further up.
    """
    pairs = order_pairs(ranking.ranking, ranking.asked)
    return [_comparison_of_pair(ranking, one, other, choice) for (one, other), choice in pairs.items()]


def _comparison_of_pair(ranking: Ranking, one: str, other: str, choice: str) -> Comparison:
    first, second = ranking.letters.index(one), ranking.letters.index(other)
    return Comparison(
        campaign=ranking.campaign,
        hit=ranking.hit,
        item=ranking.item,
        pair=f"{ranking.set}:{one}-{other}",
        prompt=ranking.prompt,
        completion_a=ranking.completions[first],
        completion_b=ranking.completions[second],
        system_a=ranking.systems[first],
        system_b=ranking.systems[second],
        left="a" if ranking.shown.index(one) < ranking.shown.index(other) else "b",
        choice=choice,
        strength=None,
        worker=ranking.worker,
        assignment=ranking.assignment,
        kind=ranking.kind,
        excluded=ranking.excluded,
        active_seconds=ranking.active_seconds,
        submitted_on=ranking.submitted_on,
    )
