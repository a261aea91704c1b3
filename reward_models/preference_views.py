"""Preferences in the forms that other trainers read (TRL's dataset formats, huggingface.co/docs/trl/dataset_formats).

Only pairs with a majority are in them: these forms have no word for a tie. The votes stay behind in the export.
"""

from collections.abc import Callable, Iterable, Iterator

from annotation.records import Preference

Row = dict[str, str | bool]
# Between the prompt and a completion, where one text holds both.
SEPARATOR = "\n\n"


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


VIEWS: dict[str, Callable[[Iterable[Preference]], Iterator[Row]]] = {
    "trl-explicit": explicit_rows,
    "trl-implicit": implicit_rows,
    "trl-unpaired": unpaired_rows,
}
