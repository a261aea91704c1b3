"""The sampler's settings as command-line options, alike wherever completions are drawn."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from rl.sampling import Sampler, check_sampler


def add_sampler_options(parser: ArgumentParser) -> None:
    parser.add_argument("--temperature", type=float, default=1.0, help="of sampled completions")
    parser.add_argument("--top-k", type=int, default=0, help="draw from so many most likely tokens; 0 for all")
    parser.add_argument("--top-p", type=float, default=1.0, help="draw from the fewest tokens with more mass than this")
    parser.add_argument("--min-length", type=int, default=0, help="least tokens of a completion, also of a greedy one")


def read_sampler(options: Mapping[str, Any]) -> Sampler:
    """InputError for a value that no sampler could use."""
    sampler = Sampler(options["temperature"], options["top_k"], options["top_p"], options["min_length"])
    check_sampler(sampler, lambda name: "--" + name.replace("_", "-"))
    return sampler
