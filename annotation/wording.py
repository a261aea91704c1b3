"""Numbers in sentences."""


def count_nouns(count: int, noun: str) -> str:
    """ "1 pair", "2,000 pairs": a noun whose plural ends in s."""
    return f"{count:,} {noun if count == 1 else f'{noun}s'}"
