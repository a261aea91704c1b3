"""What a ranking says about the pairs of its set, as the comparisons that everything downstream reads."""

import itertools
from collections.abc import Mapping

from annotation.records import Comparison, Ranking


def comparisons_of_ranking(ranking: Ranking) -> list[Comparison]:
    """What a ranking says about each pair of its set: the better of the two, or a tie where the worker said so.

    Of a best-worst answer, pairs between the best and the worst are left out. `left` is what stood further up.
    """
    places = {letter: place for place, group in enumerate(ranking.groups) for letter in group}
    return [
        _comparison_of_pair(ranking, one, other, places)
        for one, other in itertools.combinations(ranking.letters, 2)
        if ranking.asked != "best_worst" or places[one] != places[other]
    ]


def _comparison_of_pair(ranking: Ranking, one: str, other: str, places: Mapping[str, int]) -> Comparison:
    first, second = ranking.letters.index(one), ranking.letters.index(other)
    choice = "tie" if places[one] == places[other] else "a" if places[one] < places[other] else "b"
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
