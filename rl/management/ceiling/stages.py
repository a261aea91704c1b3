"""The bench's stages: votes of simulated annotators, a reward model for each layout, and what each has reached."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analysis.intervals import paired_difference_interval
from annotation.record_readers import read_comparisons
from annotation.records import Comparison, Preference, aggregate_preferences
from reward_models.management.evaluation import evaluate_on_votes, gold_score
from reward_models.pair_sources import read_pairs
from reward_models.scoring import Scorer, load_scorer
from rl.generate import Sample, read_samples
from rl.management.ceiling.study import CeilingStudy
from rl.management.demo.completions import draw_completions, task_items
from rl.management.demo.measurements import brief
from rl.management.demo.training import SYSTEMS, resume_option, reward_model_options, unless_done
from rl.management.demo.votes import Rows, select_incomplete_pairs, select_pairs
from rl.management.demo.workshop import Command, Result, Workplace
from rl.management.overoptimisation.annotators import collect_votes, describe_votes, write_votes
from rl.tasks.commongen_mini.judge import load_judge

CAMPAIGN = "ceiling"
GOLD = "gold ceiling"
# Tell these draws of completions from one another.
FIRST, SECOND, CANDIDATES = 31, 32, 33
Shop = Workplace[CeilingStudy]


def hold_vote(shop: Shop) -> Result:
    """Two completions of the supervised policy for each training prompt become pairs, and are judged."""
    study, export = shop.experiment, shop.folder / "votes"
    judge = load_judge(shop.folder / "task")
    if not export.exists():
        first, second = (_draw(shop, "train", purpose) for purpose in (FIRST, SECOND))
        pairs = choose_pairs(first, second, study)
        votes = collect_votes(pairs, judge, study.annotators, study.seed)
        write_votes(votes, split_votes(votes, study), study.annotators, CAMPAIGN, export)
    return describe_votes(read_comparisons(export), judge, study.seed)


def _draw(shop: Shop, split: str, purpose: int, samples_per_item: int = 1, limit: int | None = None) -> list[Sample]:
    path = shop.folder / "samples" / f"{split}-{purpose}.jsonl"
    if not path.exists():
        decoder = shop.experiment.decoder(purpose, samples_per_item=samples_per_item)
        policy = shop.folder / SYSTEMS["supervised"]
        draw_completions(policy, task_items(shop, split, limit), "supervised", decoder, path)
    return read_samples(path)


def choose_pairs(first: Sequence[Sample], second: Sequence[Sample], study: CeilingStudy) -> Rows:
    """As many pairs as the study wants, of the two draws; which are to learn from is chance. No gold is used."""
    # An empty completion could not be shown.
    shown = [(a, b) for a, b in zip(first, second, strict=True) if a.completion and b.completion]
    first, second = [pair[0] for pair in shown], [pair[1] for pair in shown]
    incomplete = round(study.pairs * study.incomplete_share)
    pairs = select_pairs(first, second, study.pairs - incomplete, study.seed)
    pairs += select_incomplete_pairs(first, second, incomplete, study.seed)
    random.Random(f"order of pairs {study.seed}").shuffle(pairs)
    return pairs


def split_votes(votes: Sequence[Comparison], study: CeilingStudy) -> list[Preference]:
    """What the votes add up to, in the study's splits: so many pairs to learn from, the others held out."""
    preferences = aggregate_preferences(votes)
    return [replace(pair, split=_split(number, study)) for number, pair in enumerate(preferences)]


def _split(number: int, study: CeilingStudy) -> str:
    if number >= study.annotators.pairs:
        return "test"
    return "train" if number < study.annotators.pairs - study.validation_pairs else "validation"


def train_models(shop: Shop) -> Result:
    """A reward model for each layout, from the supervised policy and the same votes."""
    commands: dict[str, Command] = {}
    for model in shop.experiment.models:
        name = f"reward-models/{model.layout}"
        command: list[Any] = ["train_reward_model", shop.folder / "votes", "--base-model"]
        command += [shop.folder / SYSTEMS["supervised"], f"--seed={shop.experiment.seed}"]
        commands[name] = [*command, *reward_model_options(model), *resume_option(shop.folder / name)]
    shop.run_together(*unless_done(shop, commands))
    return {"models": list(commands)}


def measure_models(shop: Shop) -> Result:
    """Each on the held-out pairs beside the gold judge, and the gold of what it takes out of n samples."""
    folder = shop.folder / "reward-models"
    scorers = {model.layout: load_scorer(folder / model.layout) for model in shop.experiment.models}
    pairs = [pair for pair in read_pairs(shop.folder / "votes").preferences if pair.split == "test"]
    votes = evaluate_on_votes(pairs, {GOLD: gold_score(shop.folder / "task"), **scorers}, shop.experiment.seed)
    return {"votes": votes, "best_of": measure_best_of(shop, scorers)}


def measure_best_of(shop: Shop, scorers: dict[str, Scorer]) -> Result:
    """Gold of the candidate that each model takes, less that of the best candidate; prompts are the units."""
    study = shop.experiment
    samples = _draw(shop, "test", CANDIDATES, study.best_of.samples, study.best_of.prompts)
    judge = load_judge(shop.folder / "task")
    gold = np.array([judge(sample.prompt, sample.completion).utility for sample in samples])
    gold = gold.reshape(-1, study.best_of.samples)
    prompts, texts = [sample.prompt for sample in samples], [sample.completion for sample in samples]
    rows = np.arange(len(gold))
    best = gold.max(axis=1)
    found: Result = {"samples": study.best_of.samples, "prompts": len(gold)}
    found["gold"] = {"first sample": float(gold[:, 0].mean()), "oracle": float(best.mean())}
    found["oracle less"] = {}
    for name, scorer in scorers.items():
        taken = gold[rows, scorer(prompts, texts).reshape(gold.shape).argmax(axis=1)]
        found["gold"][name] = float(taken.mean())
        found["oracle less"][name] = brief(paired_difference_interval(taken.tolist(), best.tolist()))
    return found
