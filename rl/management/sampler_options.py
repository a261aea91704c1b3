"""The sampler's settings as command-line options, alike wherever completions are drawn."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from annotation.errors import InputError
from rl.sampling import Sampler


def add_sampler_options(parser: ArgumentParser) -> None:
    parser.add_argument("--temperature", type=float, default=1.0, help="of sampled completions")
    parser.add_argument("--top-k", type=int, default=0, help="draw from so many most likely tokens; 0 for all")
    parser.add_argument("--top-p", type=float, default=1.0, help="draw from the fewest tokens with more mass than this")
    parser.add_argument("--min-length", type=int, default=0, help="least tokens of a completion, also of a greedy one")


def read_sampler(options: Mapping[str, Any]) -> Sampler:
    """InputError for a value that no sampler could use."""
    sampler = Sampler(options["temperature"], options["top_k"], options["top_p"], options["min_length"])
    _expect(sampler.temperature > 0, "--temperature", sampler.temperature, "a number above 0")
    _expect(sampler.top_k >= 0, "--top-k", sampler.top_k, "a number of at least 0")
    _expect(0 < sampler.top_p <= 1, "--top-p", sampler.top_p, "a number above 0, at most 1")
    _expect(sampler.min_length >= 0, "--min-length", sampler.min_length, "a number of at least 0")
    return sampler


def _expect(holds: bool, name: str, value: float, expectation: str) -> None:
    if not holds:
        raise InputError(f"{name}: expected {expectation}, found {value}.")
