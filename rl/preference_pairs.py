"""Preference pairs for DPO: read from an export or from a file in TRL's explicit form, checked, and encoded."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from annotation.errors import InputError
from annotation.near_duplicates import cluster_prompts
from annotation.record_readers import read_preferences
from annotation.records import split_of_prompt
from rl.sequences import (
    Example,
    encode_prompt_texts,
    encode_response_texts,
    expect_fit,
    is_causal,
    sha256_of_examples,
)

KEYS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True, slots=True)
class PreferencePair:
    """Two completions of one prompt. where: what an error calls it."""

    prompt: str
    chosen: str
    rejected: str
    split: str
    where: str


@dataclass(frozen=True, slots=True)
class PreferencePairs:
    """What a source holds. without_label: its pairs that no majority decided, ties included, which are left out."""

    pairs: tuple[PreferencePair, ...]
    without_label: int = 0

    def split(self, name: str) -> tuple[PreferencePair, ...]:
        return tuple(pair for pair in self.pairs if pair.split == name)


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A pair as token ids; both examples have the same prompt. where: what an error calls it."""

    chosen: Example
    rejected: Example
    where: str

    @property
    def size(self) -> tuple[int, int]:
        """What its padding depends on: the longer response, then the prompt."""
        return max(len(self.chosen.response), len(self.rejected.response)), len(self.chosen.prompt)


@dataclass(frozen=True, slots=True)
class TrainingPairs:
    """What a run reads. left_out: how many pairs it does not, by reason."""

    train: tuple[EncodedPair, ...]
    validation: tuple[EncodedPair, ...]
    left_out: dict[str, int]

    def sha256(self) -> str:
        pairs = (*self.train, *self.validation)
        return sha256_of_examples(example for pair in pairs for example in (pair.chosen, pair.rejected))


def load_pairs(source: Path) -> PreferencePairs:
    """The pairs of an export folder, or of a JSON lines file of {"prompt", "chosen", "rejected"}; each one checked."""
    if source.is_dir():
        loaded = _load_export(source)
    elif source.is_file():
        loaded = _load_file(source)
    else:
        raise InputError(
            f"{source}: no such file or folder; expected an export made by export_judgments, "
            "or JSON lines with prompt, chosen and rejected."
        )
    if not loaded.pairs:
        kept = f" ({loaded.without_label} without a majority)" if loaded.without_label else ""
        raise InputError(f"{source} holds no preference pair{kept}; expected at least one a split.")
    for pair in loaded.pairs:
        _check_pair(pair)
    _expect_disjoint(loaded.pairs)
    return loaded


def _load_export(folder: Path) -> PreferencePairs:
    preferences = read_preferences(folder)
    pairs = tuple(
        PreferencePair(record.prompt, record.chosen, record.rejected, record.split, f"{folder}, pair {record.pair!r}")
        for record in preferences
        if record.chosen is not None and record.rejected is not None
    )
    return PreferencePairs(pairs, without_label=len(preferences) - len(pairs))


def _load_file(path: Path) -> PreferencePairs:
    """Split by prompt, near-duplicates together."""
    rows = [(_parse_row(row, where), where) for where, row in _read_rows(path)]
    clusters = cluster_prompts(row["prompt"] for row, _ in rows)
    return PreferencePairs(
        tuple(
            PreferencePair(**row, split=split_of_prompt(clusters.home_of(row["prompt"])), where=where)
            for row, where in rows
        )
    )


def _read_rows(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            where = f"{path}, line {number}"
            try:
                yield where, json.loads(line)
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise InputError(f"{where} is not valid JSON: {error}.") from None


def _parse_row(row: Any, where: str) -> dict[str, str]:
    if not isinstance(row, Mapping):
        raise InputError(f"{where}: expected an object with prompt, chosen and rejected, found {type(row).__name__}.")
    for key in KEYS:
        if key not in row:
            raise InputError(f"{where}: the key {key!r} is missing; expected prompt, chosen and rejected.")
        if not isinstance(row[key], str):
            raise InputError(f"{where}: {key}: expected text, found {str(row[key])[:60]!r}.")
    return {key: row[key] for key in KEYS}


def _check_pair(pair: PreferencePair) -> None:
    """A rejected completion may be empty: to end at once is something that people can reject."""
    for key in ("prompt", "chosen"):
        if not getattr(pair, key).strip():
            raise InputError(f"{pair.where}: {key} is empty; expected text.")
    if pair.chosen == pair.rejected:
        raise InputError(f"{pair.where}: chosen and rejected are the same text; expected two that differ.")


def _expect_disjoint(pairs: Sequence[PreferencePair]) -> None:
    home: dict[str, str] = {}
    for pair in pairs:
        if home.setdefault(pair.prompt, pair.split) != pair.split:
            raise InputError(
                f"{pair.where}: its prompt is in the {home[pair.prompt]} and the {pair.split} split; expected one."
            )


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[PreferencePair], *, causal: bool
) -> list[EncodedPair]:
    """Token ids of the pairs. Those whose texts differ but whose tokens do not (in spaces, say) are left out: their
    loss has no gradient."""
    if not pairs:
        return []
    prompts = encode_prompt_texts(tokenizer, [pair.prompt for pair in pairs])
    chosen, rejected = (
        encode_response_texts(tokenizer, [getattr(pair, side) for pair in pairs], causal=causal)
        for side in ("chosen", "rejected")
    )
    encoded = [
        EncodedPair(Example(prompt, better), Example(prompt, worse), pair.where)
        for prompt, better, worse, pair in zip(prompts, chosen, rejected, pairs, strict=True)
    ]
    return [pair for pair in encoded if pair.chosen != pair.rejected]


def expect_pairs_fit(model: PreTrainedModel, pairs: Sequence[EncodedPair]) -> None:
    """InputError for a pair that is longer than the model's window."""
    for pair in pairs:
        expect_fit(model, pair.chosen, f"{pair.where}, chosen")
        expect_fit(model, pair.rejected, f"{pair.where}, rejected")


def encode_splits(
    loaded: PreferencePairs, source: Path, models: Sequence[PreTrainedModel], tokenizer: PreTrainedTokenizerBase
) -> TrainingPairs:
    """The training and validation pairs as token ids, which all `models` read alike; InputError if a split has no
    usable pair or a pair is longer than a model's window."""
    encoded = {
        split: tuple(encode_pairs(tokenizer, loaded.split(split), causal=is_causal(models[0])))
        for split in ("train", "validation")
    }
    for split, pairs in encoded.items():
        if not pairs:
            raise InputError(
                f"{source} has no usable pair in its {split} split; expected some in train and validation."
            )
        for model in models:
            expect_pairs_fit(model, pairs)
    test = len(loaded.split("test"))
    left_out = {
        "without_label": loaded.without_label,
        "same_tokens": len(loaded.pairs) - test - sum(map(len, encoded.values())),
        "test_split": test,
    }
    return TrainingPairs(encoded["train"], encoded["validation"], left_out)
