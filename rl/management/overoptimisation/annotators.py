"""The vote: pairs of the supervised policy's completions, judged by simulated annotators in this process.

No page is served: what is asked here is what noisy votes do to a reward model, not how they are collected.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annotation.errors import InputError
from annotation.record_files import describe_files, open_record_files, write_export
from annotation.record_readers import read_comparisons
from annotation.records import SCHEMA_VERSION, Comparison, Preference, aggregate_preferences
from annotation.run_folders import plain, write_json
from annotation.simulated_workers import GoldScore, SimulatedWorker, choose, make_worker
from rl.generate import Sample, read_samples
from rl.management.demo.completions import draw_completions, task_items
from rl.management.demo.measurements import measure_agreement
from rl.management.demo.training import SYSTEMS
from rl.management.demo.votes import pair_row
from rl.management.demo.workshop import Result, Workplace
from rl.management.overoptimisation.study import Annotators, Overoptimisation
from rl.tasks.commongen_mini.judge import load_judge

Judge = Callable[[str, str], GoldScore]
Row = dict[str, Any]
CAMPAIGN = "overoptimisation"
FORCED_CHOICE = ("left", "right")
DRAWS = 4  # of a prompt, of which two that differ make a pair
SPARE = 2  # prompts for each pair: a policy that is sure of itself often writes the same sentence
PURPOSE = 11  # tells this draw of completions from the others of the study


def hold_vote(shop: Workplace[Overoptimisation]) -> Result:
    """Draw pairs, have them judged, write the votes as an export's folder; what the votes are like."""
    study, export = shop.experiment, shop.folder / "votes"
    judge = load_judge(shop.folder / "task")
    if not export.exists():
        pairs = choose_pairs(draw_for_pairs(shop), study.annotators.pairs)
        votes = collect_votes(pairs, judge, study.annotators, study.seed)
        write_votes(votes, aggregate_preferences(votes), study.annotators, CAMPAIGN, export)
    return describe_votes(read_comparisons(export), judge, study.seed)


def draw_for_pairs(shop: Workplace[Overoptimisation]) -> list[Sample]:
    """Completions of the supervised policy for training prompts in a drawn order, a prompt's together."""
    study, path = shop.experiment, shop.folder / "samples" / "for-pairs.jsonl"
    if not path.exists():
        items = list(task_items(shop, "train"))
        random.Random(f"prompts of pairs {study.seed}").shuffle(items)
        decoder = study.decoder(PURPOSE, samples_per_item=DRAWS)
        wanted = items[: SPARE * study.annotators.pairs]
        draw_completions(shop.folder / SYSTEMS["supervised"], wanted, "supervised", decoder, path)
    return read_samples(path)


def choose_pairs(samples: Sequence[Sample], wanted: int) -> list[Row]:
    """A prompt's first completion and its first other one, for the first `wanted` prompts that have two different ones.

    No gold is used. InputError if there are fewer.
    """
    by_item: dict[str, dict[str, Sample]] = {}
    for sample in samples:
        if sample.completion:  # an empty one could not be shown
            by_item.setdefault(sample.item, {}).setdefault(sample.completion, sample)
    pairs = [list(texts.values())[:2] for texts in by_item.values() if len(texts) >= 2]
    if len(pairs) < wanted:
        raise InputError(
            f"annotators: pairs: {wanted} are wanted; only {len(pairs)} prompts have different completions."
        )
    return [pair_row(a, b) for a, b in pairs[:wanted]]


def collect_votes(pairs: Iterable[Row], judge: Judge, annotators: Annotators, seed: int) -> list[Comparison]:
    """Each pair's votes, by raters drawn from the crowd, the left side drawn for each of them."""
    crowd = [make_worker(annotators.crowd, seed, f"annotator-{number}") for number in range(annotators.workers)]
    votes = []
    for pair in pairs:
        raters = random.Random(f"raters {seed} {pair['pair']}").sample(crowd, annotators.raters_per_pair)
        votes += [cast_vote(pair, worker, judge, annotators, seed) for worker in raters]
    return votes


def cast_vote(pair: Row, worker: SimulatedWorker, judge: Judge, annotators: Annotators, seed: int) -> Comparison:
    """One worker's choice between the two completions."""
    left = random.Random(f"side {seed} {pair['pair']} {worker.handle}").choice("ab")
    sides = {"left": left, "right": "b" if left == "a" else "a"}
    golds = {side: judge(pair["prompt"], pair[f"completion_{letter}"]) for side, letter in sides.items()}
    chosen = choose(
        annotators.crowd, worker, pair["pair"], golds["left"], golds["right"], same_text=False, offered=FORCED_CHOICE
    )
    return Comparison(
        **pair,
        campaign=CAMPAIGN,
        hit=pair["pair"],
        left=left,
        choice=sides[chosen],
        strength=None,
        worker=worker.handle,
        assignment=f"{pair['pair']}-{worker.handle}",
        kind="work",
        excluded="",
        active_seconds=0.0,
        submitted_on="",
    )


def write_votes(
    votes: Sequence[Comparison],
    preferences: Sequence[Preference],
    annotators: Annotators,
    campaign: str,
    output: Path,
) -> None:
    """The votes and the preferences that they add up to, as `export_judgments` would have written them."""
    with write_export(output) as folder:
        with open_record_files(folder, (Comparison, Preference), "jsonl") as files:
            files["comparisons"].write(votes)
            files["preferences"].write(preferences)
        about = {"schema_version": SCHEMA_VERSION, "campaign": campaign, "simulated": plain(annotators)}
        write_json(folder / "manifest.json", about | {"files": describe_files(files)})


def describe_votes(votes: Sequence[Comparison], judge: Judge, seed: int) -> Result:
    """How many, how far the annotators agree, and how often they choose what the gold judge prefers."""
    alpha = measure_agreement(votes, seed)
    worths = [
        judge(vote.prompt, vote.completion_a).utility - judge(vote.prompt, vote.completion_b).utility for vote in votes
    ]
    agreeing = [(worth > 0) == (vote.choice == "a") for worth, vote in zip(worths, votes, strict=True) if worth]
    return {
        "pairs": len({vote.pair for vote in votes}),
        "votes": len(votes),
        "workers": len({vote.worker for vote in votes}),
        "alpha": alpha,
        "share_of_votes_for_left": float(np.mean([vote.choice == vote.left for vote in votes])),
        "share_of_votes_with_equal_gold": float(np.mean([worth == 0 for worth in worths])),
        "share_of_other_votes_for_the_better": float(np.mean(agreeing)) if agreeing else None,
        "line": f"{len(votes)} votes; alpha {alpha['estimate']:.3f}",
    }
