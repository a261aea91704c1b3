"""The compact letter display: systems that share a letter do not differ significantly.

H.-P. Piepho (2004), "An Algorithm for a Letter-Based Representation of All-Pairwise Comparisons": insert and absorb,
then without the letters that say nothing new.
"""

import string
from collections.abc import Collection, Sequence

Pair = tuple[str, str]


def display_letters(names: Sequence[str], different: Collection[Pair]) -> dict[str, str]:
    """The letters of each name; `names` from best to worst, so that `a` begins with the best.

    Two names share a letter exactly where their pair is not among `different`.
    """
    columns = _drop_redundant(_insert_and_absorb(names, different))
    place = {name: index for index, name in enumerate(names)}
    columns.sort(key=lambda column: sorted(place[name] for name in column))
    return {name: "".join(_letter(index) for index, column in enumerate(columns) if name in column) for name in names}


def _insert_and_absorb(names: Sequence[str], different: Collection[Pair]) -> list[set[str]]:
    """Start with one column of all names; a column that holds a pair that differs becomes two, each without one."""
    columns = [set(names)]
    for first, second in different:
        kept = [column for column in columns if not {first, second} <= column]
        for column in columns:
            if {first, second} <= column:
                kept += [column - {first}, column - {second}]
        columns = _absorb(kept)
    return columns


def _absorb(columns: list[set[str]]) -> list[set[str]]:
    """Without columns that stand within another."""
    kept: list[set[str]] = []
    for column in sorted(columns, key=len, reverse=True):
        if not any(column <= other for other in kept):
            kept.append(column)
    return kept


def _drop_redundant(columns: list[set[str]]) -> list[set[str]]:
    """Without columns all of whose connections another column makes too."""
    kept = list(columns)
    for column in sorted(columns, key=lambda column: (len(column), sorted(column))):
        others = [other for other in kept if other is not column]
        if _covers(others, column):
            kept = others
    return kept


def _covers(columns: list[set[str]], column: set[str]) -> bool:
    """Whether each two of `column`, or its only one, share one of `columns`."""
    return all(any({one, two} <= other for other in columns) for one in column for two in column)


def _letter(index: int) -> str:
    """a to z, then A to Z, then numbers in brackets."""
    return string.ascii_letters[index] if index < len(string.ascii_letters) else f"({index})"
