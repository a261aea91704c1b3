"""Comparisons by the two systems that they compare, all turned to one direction."""

import dataclasses
from typing import Any

import pandas as pd

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

    @property
    def names(self) -> dict[str, Any]:
        """What results are to call a and b."""
        return {"name_a": self.system_a, "name_b": self.system_b}


def add_votes(comparisons: pd.DataFrame) -> pd.DataFrame:
    """With a column `vote`: 1 for b, -1 for a, 0 for a tie or both bad."""
    return comparisons.assign(vote=comparisons["choice"].map(VOTES))


def are_sides_known(comparisons: pd.DataFrame) -> bool:
    """Whether `left` says of every vote which of the two was shown there; tables from elsewhere may not know."""
    return bool((comparisons["left"] != "").all())


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
        matchups.append(Matchup(system_a, system_b, add_votes(votes)))
    return matchups


def _turn(rows: pd.DataFrame) -> pd.DataFrame:
    """The same votes with a and b exchanged, in every column that has an a and a b."""
    other = {"a": "b", "b": "a", "tie": "tie", "both_bad": "both_bad", "": ""}
    exchanged = {"system_a": "system_b", "system_b": "system_a"}
    if "completion_a" in rows.columns:
        exchanged |= {"completion_a": "completion_b", "completion_b": "completion_a"}
    turned = {name: rows[source] for name, source in exchanged.items()}
    return rows.assign(choice=rows["choice"].map(other), left=rows["left"].map(other), **turned)
