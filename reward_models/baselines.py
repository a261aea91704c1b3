"""Scores that know nothing of quality: what a reward model must beat before it has learned anything else."""

import re
from collections.abc import Sequence

import numpy as np

WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    return WORD.findall(text.casefold())


def score_length(prompts: Sequence[str], completions: Sequence[str]) -> np.ndarray:
    """Words of each completion: the longer, the better."""
    return np.array([float(len(words_of(text))) for text in completions])


def score_overlap(prompts: Sequence[str], completions: Sequence[str]) -> np.ndarray:
    """The share of the prompt's distinct words that the completion repeats; 0 for a prompt without words."""
    scores = []
    for prompt, text in zip(prompts, completions, strict=True):
        asked = set(words_of(prompt))
        scores.append(len(asked & set(words_of(text))) / max(1, len(asked)))
    return np.array(scores)
