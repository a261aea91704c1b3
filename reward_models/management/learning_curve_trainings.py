"""The trainings of a learning curve: on growing parts of the votes, each tested on the same pairs."""

import dataclasses
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from annotation.errors import InputError
from annotation.records import Preference
from annotation.run_folders import RunFolder, plain, write_json
from annotation.wording import count_nouns
from reward_models.config import RewardModelConfig
from reward_models.dataset import PairSplits, count_votes, sha256_of_pairs
from reward_models.management.evaluation import Score
from reward_models.scoring import load_scorer
from reward_models.train import train_reward_model
from rl.fitting import refuse_changes
from rl.processes import is_main

SHARES = (0.05, 0.1, 0.25, 0.5, 1.0)
TRAININGS, OUTCOME = "trainings", "outcome.json"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One training of the curve. pairs, votes: that it learned from; scores: of the test pairs' completions a and b."""

    share: float
    repeat: int
    seed: int
    pairs: int
    votes: int
    steps: int
    best_epoch: int
    scores_a: list[float]
    scores_b: list[float]


def choose_sizes(shares: Sequence[float], pairs: int) -> dict[float, int]:
    """How many of `pairs` each share takes, in rising order; InputError unless they are two different sizes or more."""
    for share in shares:
        if not 0 < share <= 1:
            raise InputError(f"--shares: expected shares above 0 and up to 1, found {share:g}.")
    sizes = {share: max(1, round(share * pairs)) for share in sorted(set(shares))}
    if len(sizes) < 2 or len(set(sizes.values())) < len(sizes):
        found = ", ".join(f"{share:g} ({count_nouns(size, 'pair')})" for share, size in sizes.items())
        raise InputError(f"--shares: expected at least two, of different numbers of pairs, found {found}.")
    return sizes


def draw_subset(pairs: Sequence[Preference], size: int, seed: int) -> tuple[Preference, ...]:
    """`size` of `pairs` in their order. Those of a smaller size are among those of a larger one."""
    rows = list(range(len(pairs)))
    random.Random(f"learning curve {seed}").shuffle(rows)
    return tuple(pairs[row] for row in sorted(rows[:size]))


def train_sizes(
    config: RewardModelConfig,
    splits: PairSplits,
    test: Sequence[Preference],
    sizes: dict[float, int],
    repeats: int,
    folder: Path,
) -> list[Outcome]:
    """Train each size `repeats` times, with the seeds from the configuration's on; what is done already is read.

    Of several processes the first alone has outcomes.
    """
    planned = [(share, size, repeat) for share, size in sizes.items() for repeat in range(repeats)]
    outcomes = []
    for share, size, repeat in tqdm(planned, "learning curve", unit="training", disable=not is_main()):
        seeded = dataclasses.replace(config, seed=config.seed + repeat)
        part = dataclasses.replace(splits, train=draw_subset(splits.train, size, seeded.seed))
        place = folder / TRAININGS / f"{size}-pairs-{repeat + 1}"
        outcomes.append(train_part(seeded, part, test, share, repeat, place))
    return [outcome for outcome in outcomes if outcome]


def train_part(
    config: RewardModelConfig, splits: PairSplits, test: Sequence[Preference], share: float, repeat: int, folder: Path
) -> Outcome | None:
    """Train in `folder` and score the test pairs; its logs and the outcome stay, its weights do not."""
    path = folder / OUTCOME
    digests = {"data_sha256": sha256_of_pairs(splits), "test_sha256": sha256_of_pairs(PairSplits(tuple(test), (), ()))}
    made_with = plain(config) | digests
    if path.exists():
        saved = json.loads(path.read_text(encoding="utf-8"))
        refuse_changes(saved["made_with"], made_with, path)
        return Outcome(**saved["outcome"]) if is_main() else None
    folder.mkdir(parents=True, exist_ok=True)
    summary = train_reward_model(config, splits, RunFolder(folder))
    if not is_main():
        return None
    outcome = Outcome(
        share=share,
        repeat=repeat,
        seed=config.seed,
        pairs=len(splits.train),
        votes=count_votes(splits.train),
        steps=summary["steps"],
        best_epoch=summary["best_epoch"],
        **score_sides(load_scorer(folder), test),
    )
    scratch = path.with_suffix(".partial")
    write_json(scratch, {"made_with": made_with, "outcome": outcome})
    scratch.replace(path)  # a kill while writing leaves none
    shutil.rmtree(folder / "model")
    return outcome


def score_sides(scorer: Score, pairs: Sequence[Preference]) -> dict[str, list[float]]:
    prompts = [pair.prompt for pair in pairs]
    return {
        "scores_a": scorer(prompts, [pair.completion_a for pair in pairs]).tolist(),
        "scores_b": scorer(prompts, [pair.completion_b for pair in pairs]).tolist(),
    }


def recall_scores(outcome: Outcome, pairs: Sequence[Preference]) -> Score:
    """The scorer of a model that is gone, for the completions of the pairs that it scored."""
    known = {(pair.prompt, pair.completion_a): score for pair, score in zip(pairs, outcome.scores_a, strict=True)}
    known |= {(pair.prompt, pair.completion_b): score for pair, score in zip(pairs, outcome.scores_b, strict=True)}
    return lambda prompts, completions: np.array([known[text] for text in zip(prompts, completions, strict=True)])
