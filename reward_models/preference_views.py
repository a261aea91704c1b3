"""Preferences in the layouts that others read; `pair_layouts.py` reads them back.

TRL's are described at huggingface.co/docs/trl/dataset_formats. Only pairs with a majority are in these: they have no
word for a tie. MultiPref's alone keeps every vote, and a tie; "both bad" is one there.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from annotation.records import Preference
from reward_models.pair_layouts import ASSISTANT, HUMAN, SEPARATOR

Row = dict[str, Any]


def explicit_rows(preferences: Iterable[Preference]) -> Iterator[Row]:
    """TRL's preference format with an explicit prompt: prompt, chosen, rejected."""
    for pair in preferences:
        if pair.chosen is not None and pair.rejected is not None:
            yield {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}


def implicit_rows(preferences: Iterable[Preference]) -> Iterator[Row]:
    """TRL's preference format with the prompt inside: chosen and rejected, which begin alike."""
    for row in explicit_rows(preferences):
        yield {key: f"{row['prompt']}{SEPARATOR}{row[key]}" for key in ("chosen", "rejected")}


def unpaired_rows(preferences: Iterable[Preference]) -> Iterator[Row]:
    """TRL's unpaired preference format: prompt, completion, and as label whether it was the preferred one."""
    for row in explicit_rows(preferences):
        yield {"prompt": row["prompt"], "completion": row["chosen"], "label": True}
        yield {"prompt": row["prompt"], "completion": row["rejected"], "label": False}


def hh_rows(preferences: Iterable[Preference]) -> Iterator[Row]:
    """Anthropic's transcripts, of one turn each."""
    for row in explicit_rows(preferences):
        yield {key: f"{HUMAN}{row['prompt']}{ASSISTANT}{row[key]}" for key in ("chosen", "rejected")}


def shp_rows(preferences: Iterable[Preference]) -> Iterator[Row]:
    """Stanford's: history and two answers; labels is 1 where A is preferred. The scores are votes here."""
    for pair in preferences:
        if pair.label:
            yield {
                "post_id": pair.pair,
                "history": pair.prompt,
                "human_ref_A": pair.completion_a,
                "human_ref_B": pair.completion_b,
                "labels": int(pair.label == "a"),
                "score_A": pair.votes_a,
                "score_B": pair.votes_b,
            }


def multipref_rows(preferences: Iterable[Preference]) -> Iterator[Row]:
    """MultiPref's: a row a comparison, with every vote on it."""
    for pair in preferences:
        votes = {
            "A-is-better": pair.votes_a,
            "B-is-better": pair.votes_b,
            "Tie": pair.votes_tie + pair.votes_both_bad,
        }
        yield {
            "comparison_id": pair.pair,
            "prompt_id": pair.item,
            "text": pair.prompt,
            "completion_a": pair.completion_a,
            "completion_b": pair.completion_b,
            "model_a": pair.system_a,
            "model_b": pair.system_b,
            "annotations": [{"overall_pref": said} for said, count in votes.items() for _ in range(count)],
        }


KEEPS_TIES = "multipref"
VIEWS: dict[str, Callable[[Iterable[Preference]], Iterator[Row]]] = {
    "trl-explicit": explicit_rows,
    "trl-implicit": implicit_rows,
    "trl-unpaired": unpaired_rows,
    "hh": hh_rows,
    "shp": shp_rows,
    KEEPS_TIES: multipref_rows,
}
