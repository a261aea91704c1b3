"""Porter's suffix stripper as published: M. F. Porter, "An algorithm for suffix stripping", Program 14.3 (1980).

The paper's own notation: [C](VC)^m[V] is a word of measure m. A rule fires on the longest suffix that matches; if
its condition then fails, the step ends.
"""

from functools import lru_cache
from itertools import pairwise

Rules = tuple[tuple[str, str], ...]

STEP_2: Rules = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("abli", "able"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
)
STEP_3: Rules = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
STEP_4: Rules = tuple(
    (suffix, "")
    for suffix in (
        *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent"),
        *("ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize"),
    )
)


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of a lower-case word."""
    word = _step_1a(word)
    word = _step_1b(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"  # step 1c
    word = _replace_longest(word, STEP_2, least_measure=1)
    word = _replace_longest(word, STEP_3, least_measure=1)
    word = _replace_longest(word, STEP_4, least_measure=2)
    return _step_5(word)


def _step_1a(word: str) -> str:
    """Plurals."""
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _step_1b(word: str) -> str:
    """-eed, -ed, -ing."""
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        if word.endswith(suffix) and _has_vowel(word[: -len(suffix)]):
            return _mend(word[: -len(suffix)])
    return word


def _mend(word: str) -> str:
    """What -ed and -ing leave: conflat(e), hop(p), fil(e)."""
    if word.endswith(("at", "bl", "iz")):
        return word + "e"
    if _ends_double_consonant(word):
        return word if word[-1] in "lsz" else word[:-1]
    return word + "e" if _measure(word) == 1 and _ends_cvc(word) else word


def _step_5(word: str) -> str:
    """A final -e, and one of a final double l."""
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _ends_cvc(word[:-1])):
            word = word[:-1]
    return word[:-1] if word.endswith("ll") and _measure(word[:-1]) > 1 else word


def _replace_longest(word: str, rules: Rules, least_measure: int) -> str:
    suffix, replacement = max(
        ((suffix, replacement) for suffix, replacement in rules if word.endswith(suffix)),
        key=lambda rule: len(rule[0]),
        default=("", ""),
    )
    remainder = word[: len(word) - len(suffix)]
    if not suffix or _measure(remainder) < least_measure:
        return word
    if suffix == "ion" and not remainder.endswith(("s", "t")):
        return word
    return remainder + replacement


def _consonants(word: str) -> list[bool]:
    """Which letters are consonants; y is one at the start and after a vowel."""
    flags: list[bool] = []
    for letter in word:
        flags.append(not flags or not flags[-1] if letter == "y" else letter not in "aeiou")
    return flags


def _measure(word: str) -> int:
    flags = _consonants(word)
    return sum(not before and after for before, after in pairwise(flags))


def _has_vowel(word: str) -> bool:
    return not all(_consonants(word))


def _ends_double_consonant(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _consonants(word)[-1]


def _ends_cvc(word: str) -> bool:
    """The paper's *o: ends consonant, vowel, consonant, the last not w, x or y."""
    return _consonants(word)[-3:] == [True, False, True] and word[-1] not in "wxy"
