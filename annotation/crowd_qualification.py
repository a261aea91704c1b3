"""Simulated workers at a qualification test: they answer what the gold score says, without the noise of their work.

A test says who has understood the instructions, which simulated workers have by construction; who of them is careless
shows in their work.
"""

import math
from collections.abc import Callable, Mapping, Sequence

from annotation.errors import InputError
from annotation.qualification import LETTERS, SIDES
from annotation.simulated_workers import GoldScore, gold_component

KNOWN_QUESTIONS = ("quality", "fluency")


def answer_test(
    texts: Mapping[str, str], radios: Mapping[str, Sequence[str]], judge: Callable[[str, str], GoldScore]
) -> dict[str, str]:
    """The answers to a test's page by field, from its texts by place and the radio values of each field.

    InputError names a question that no gold score answers.
    """
    return {field: _answer(field, options, texts, judge) for field, options in radios.items()}


def _answer(
    field: str, options: Sequence[str], texts: Mapping[str, str], judge: Callable[[str, str], GoldScore]
) -> str:
    number, _, question = field.partition(".")
    shown = [texts[f"{number}.{letter}"] for letter in LETTERS if f"{number}.{letter}" in texts]
    golds = [judge(texts[f"{number}.prompt"], text) for text in shown if f"{number}.prompt" in texts]
    if tuple(options) == SIDES and len(golds) == 2:
        return "a" if golds[0].utility > golds[1].utility else "b"
    if question in KNOWN_QUESTIONS and len(golds) == 1:
        lowest, highest = int(options[0]), int(options[-1])
        return str(math.floor(lowest + (highest - lowest) * gold_component(question, golds[0]) + 0.5))
    raise InputError(
        f"simulated workers cannot answer {question!r} of the qualification test; they know which of two texts is "
        f"better, and {' and '.join(KNOWN_QUESTIONS)} of one."
    )
