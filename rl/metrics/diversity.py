"""Distinct-n, after Li et al. 2016 (arXiv 1510.03055): different n-grams over all n-grams of the texts."""

from collections.abc import Sequence

from rl.metrics.meteor import split_words


def distinct(texts: Sequence[str], n: int) -> float:
    """0 to 1; 0 where no text has n words."""
    grams = [gram for text in texts for gram in zip(*(split_words(text)[start:] for start in range(n)), strict=False)]
    return len(set(grams)) / len(grams) if grams else 0.0
