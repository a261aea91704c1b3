"""The demo's three campaigns: what is put before the workers, and how it is served, judged and exported."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from annotation.errors import InputError
from annotation.run_folders import plain
from annotation.server import running_server
from rl.generate import Sample
from rl.management.demo.experiment import PAPER_PAIRS, Vote
from rl.management.demo.workshop import Workshop
from rl.metrics.coverage import base_forms, missing_concepts
from rl.metrics.meteor import split_words

Rows = list[dict[str, Any]]


def select_pairs(supervised: Sequence[Sample], tuned: Sequence[Sample], wanted: int, seed: int) -> Rows:
    """Pairs of completions for the same prompt, both with all concepts, as the paper has it.

    Those come first that use the concepts in different orders: two sentences that tell the same say nothing about
    people's preferences. No gold is used. InputError if fewer remain than the paper's 417 or `wanted`.
    """
    complete = [pair for pair in _differing(supervised, tuned) if not any(map(_misses_a_concept, pair))]
    least = min(PAPER_PAIRS, wanted)
    if len(complete) < least:
        raise InputError(f"only {len(complete)} pairs use all concepts; expected at least {least}.")
    random.Random(f"pairs {seed}").shuffle(complete)
    complete.sort(key=lambda pair: concept_order(pair[0]) == concept_order(pair[1]))  # stable: shuffled within
    return [pair_row(a, b) for a, b in complete[:wanted]]


def select_incomplete_pairs(supervised: Sequence[Sample], tuned: Sequence[Sample], wanted: int, seed: int) -> Rows:
    """Pairs of different completions of which one at least misses a concept; fewer than `wanted` if there are fewer.

    A reward model that has never heard what people say of incomplete and broken sentences overrates them.
    """
    incomplete = [pair for pair in _differing(supervised, tuned) if any(map(_misses_a_concept, pair))]
    random.Random(f"incomplete pairs {seed}").shuffle(incomplete)
    return [pair_row(a, b) for a, b in incomplete[:wanted]]


def _differing(supervised: Sequence[Sample], tuned: Sequence[Sample]) -> list[tuple[Sample, Sample]]:
    """The two systems' completions for each prompt, where they are not the same."""
    return [(a, b) for a, b in zip(supervised, tuned, strict=True) if a.completion != b.completion]


def _misses_a_concept(sample: Sample) -> bool:
    return bool(missing_concepts(sample.completion, sample.concepts))


def concept_order(sample: Sample) -> tuple[str, ...]:
    """The concepts in the order in which the completion uses them."""
    words = split_words(sample.completion)
    return tuple(concept for word in words for concept in sample.concepts if concept in base_forms(word))


def pair_row(a: Sample, b: Sample) -> dict[str, Any]:
    """A row of a pairwise items file."""
    return {
        "item": a.item,
        "pair": a.item,
        "prompt": a.prompt,
        "completion_a": a.completion,
        "completion_b": b.completion,
        "system_a": a.system,
        "system_b": b.system,
    }


def rating_rows(samples: Iterable[Sample]) -> Rows:
    """Rows of a Likert items file."""
    return [
        {"item": sample.item, "prompt": sample.prompt, "completion": sample.completion, "system": sample.system}
        for sample in samples
    ]


def hold_campaign(
    shop: Workshop, name: str, rows: Rows, vote: Vote, settings: Mapping[str, Any], seed_offset: int
) -> Path:
    """Create, serve, let simulated workers judge over HTTP, export; returns the export's folder.

    Picks up an interrupted campaign where it stopped. Another `seed_offset` makes other workers.
    """
    export = shop.folder / name
    if export.exists():
        return export
    files = open_campaign(shop, name, rows, vote, settings, seed_offset)
    with running_server(shop.database) as url:
        command = ["simulate_crowd", name, f"--workers={vote.workers}", "--url", url]
        seed = f"--seed={crowd_seed(shop, seed_offset)}"
        shop.run(*command, seed, "--world", shop.folder / "task", "--crowd", files / "crowd.yaml")
    shop.run("export_judgments", name, "--output", export)
    return export


def open_campaign(
    shop: Workshop, name: str, rows: Rows, vote: Vote, settings: Mapping[str, Any], seed_offset: int
) -> Path:
    """Create a campaign unless it is there; returns the folder of its configuration, items and crowd."""
    folder = shop.folder / "campaigns" / name
    seed = crowd_seed(shop, seed_offset)
    content = {"name": name, "raters_per_hit": vote.raters_per_hit, "seed": seed, **settings}
    _write_campaign_files(folder, content, rows, vote)
    shop.run("migrate", "--verbosity", "0")
    if not shop.succeeds("campaign_status", name):
        shop.run("create_campaign", folder / "campaign.yaml", "--items", folder / "items.jsonl")
    return folder


def crowd_seed(shop: Workshop, offset: int) -> int:
    return 1000 * shop.experiment.seed + offset


def _write_campaign_files(folder: Path, campaign: Mapping[str, Any], rows: Rows, vote: Vote) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "campaign.yaml").write_text(yaml.safe_dump(dict(campaign), sort_keys=False), encoding="utf-8")
    (folder / "items.jsonl").write_text(lines, encoding="utf-8")
    (folder / "crowd.yaml").write_text(yaml.safe_dump(plain(vote.crowd), sort_keys=False), encoding="utf-8")
