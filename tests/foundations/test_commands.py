"""What all commands of the pipeline share: how they print, ask for help and seeds, and stop."""

import io
from argparse import ArgumentParser
from typing import Any

import pytest
from django.core.management import CommandError

from annotation.management.command import PipelineCommand, seed
from annotation.management.results import describe_result


class Example(PipelineCommand):
    help = "An example."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=seed, default=7, help="of the draws")
        parser.add_argument("--name", help="of nothing")
        parser.add_argument("--resume", action="store_true", help="go on")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        raise KeyboardInterrupt


def parse(*words: str) -> Any:
    return Example().create_parser("manage.py", "example").parse_args(list(words))


def test_help_says_each_default_that_says_something() -> None:
    text = Example().create_parser("manage.py", "example").format_help()
    assert "of the draws (default: 7)" in text
    assert "of nothing\n" in text and "go on\n" in text


@pytest.mark.parametrize("word", ["-1", "4294967296", "99999999999999999999", "1.5", "x", ""])
def test_a_seed_that_not_every_generator_takes_is_refused(word: str) -> None:
    with pytest.raises(CommandError, match="argument --seed: expected a whole number from 0 to 4,294,967,295, found"):
        parse("--seed", word)


def test_every_other_seed_is_taken() -> None:
    assert (parse("--seed", "0").seed, parse("--seed", "4294967295").seed) == (0, 2**32 - 1)


def test_an_interrupted_command_says_how_it_goes_on() -> None:
    with pytest.raises(CommandError, match=r"^interrupted; the same command with --resume continues it\.$") as raised:
        Example(stdout=io.StringIO()).handle(**vars(parse()))
    assert raised.value.returncode == 130


def test_results_are_lines_that_a_person_reads() -> None:
    result = {
        "pairs": 37,
        "votes": 264.0,
        "accuracy": {"estimate": 0.6486486486, "low": 0.5132, "high": 0.8108, "used": 1000},
        "p": 1.34e-14,
        "shares": [0.25, 2],
        "test": {"reason": "too few", "inner": {"x": 0.05}},
        "left_out": {},
        "warnings": [],
        "best": None,
    }
    assert describe_result(result) == [
        "pairs: 37",
        "votes: 264",
        "accuracy: 0.649 [0.513, 0.811]",
        "p: 1.34e-14",
        "shares: 0.250, 2",
        "test:",
        "  reason: too few",
        "  inner:",
        "    x: 0.05",
        "best: none",
    ]


def test_a_result_without_an_interval_says_so() -> None:
    assert describe_result({"accuracy": {"estimate": 0.5, "low": None, "high": None}}) == [
        "accuracy: 0.500 (no interval)"
    ]
