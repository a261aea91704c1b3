"""The controls as a section of the demo's report."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from analysis.report import Paragraph, Section, Table
from analysis.results import format_interval, format_number, format_p


def describe_controls(path: Path) -> Section:
    """The controls as a section of the demo's report."""
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    models, policies, world = (results[key] for key in ("shuffled_votes", "shuffled_policies", "negative_world"))
    vote = world["second_vote_c_against_b"]
    rows = (
        (
            f"{models['models']} reward models on shuffled votes: mean AUC on shuffled test votes",
            f"{format_number(models['mean_auc'])} ± {format_number(models['standard_error'])} (standard error)",
            "within two standard errors of .5",
            _verdict(models["within_two_standard_errors_of_chance"]),
        ),
        (
            f"{policies['policies']} policies tuned on them: arm C's gold less theirs",
            f"{format_number(policies['arm_c_less_them']['estimate'])} {_interval(policies['arm_c_less_them'])}",
            "the interval is above 0",
            _verdict(policies["votes_add_something"]),
        ),
        (
            "The same policies: gold less arm B, which a likelihood may reach without any vote",
            f"{format_number(policies['gold_less_arm_b']['estimate'])} {_interval(policies['gold_less_arm_b'])}",
            "nothing: it says what the votes did not do",
            "",
        ),
        (
            "A world without flaws: second vote, C against B",
            f"{vote['wins_b']} : {vote['wins_a']}, {vote['ties']} ties, {format_p(vote['mean_vote']['p_value'])}",
            "C does not win",
            _verdict(not world["c_beats_b_in_the_vote"]),
        ),
        *(
            (
                f"A world without flaws: gold of C less B, {kind}",
                f"{format_number(row['estimate'])} {_interval(row)}",
                "the interval is not above 0",
                _verdict(not world["c_beats_b_in_gold"][kind]),
            )
            for kind, row in world["gold_c_less_b"].items()
        ),
    )
    text = "Where there is nothing to learn, nothing must be found: votes with their sides exchanged at random, and a "
    text += "world whose corpus has no flaw. Policies that heard shuffled votes may gain on arm B, as the likelihood "
    text += "of what the corpus says is a reward before any vote; what the votes did is arm C's lead over them."
    return Section("Controls", (Paragraph(text), Table(("control", "found", "expected", "held"), rows)))


def _verdict(held: bool) -> str:
    return "yes" if held else "no"


def _interval(row: Mapping[str, Any]) -> str:
    return format_interval(row["low"], row["high"])
