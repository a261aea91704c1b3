"""A reward model's training as commands start it: its options, its pairs, and its run folder."""

import contextlib
import dataclasses
import json
import typing
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.run_folders import RunFolder, expect_no_run, open_run, write_json
from annotation.text_files import partial_path
from reward_models.config import Loss, MarginBy, Precision, RewardModelConfig
from reward_models.dataset import NearDuplicates, shuffle_votes, split_pairs
from reward_models.layouts import Layout
from reward_models.management.conclusion import TrainingData, conclude_training, expect_room
from reward_models.pair_sources import read_pairs
from reward_models.train import Training, prepare_training, run_training
from rl.fitting import refuse_changes
from rl.processes import is_main, join_processes, wait_for_all

FINISHED = "finished.json"  # in a partial run: the training is done, what comes after it is not
DEFAULTS = {field.name: field.default for field in dataclasses.fields(RewardModelConfig)}
NUMBERS = {
    "learning_rate": "of AdamW: 1e-4 for a T5 or LoRA, 1e-5 for all weights of a larger model, 6e-4 for a small one "
    "from scratch",
    "batch": "pairs a step",
    "microbatch": "pairs held in memory at a time (0: the batch)",
    "epochs": "at most",
    "patience": "epochs without a better validation loss before stopping",
    "dropout": "share of units",
    "margin": "nats that the scores of a unanimous pair must differ by, beyond its votes",
    "temperature_ratio": "the reward's temperature, as a share of the scores' standard deviation",
    "max_tokens": "of an input; long prompts lose their beginning, long completions are refused (0: the model's own)",
    "checkpoint_every": "steps",
    "seed": "draws batches, dropout and new weights",
}
OPEN_NUMBERS = {
    "centring": "weight of the square of the scores' sum (default: .01, but 0 for a likelihood)",
    "language_weight": "of the preferred completions' cross-entropy (default: .1 for a likelihood, 1 for verdicts "
    "in a decoder, else 0)",
}
CHOICES = {
    "layout": (Layout, "how the score is read (default: likelihood for an encoder-decoder, else scalar)"),
    "loss": (Loss, "on the difference of a pair's scores, or the paper's on each"),
    "margin_by": (MarginBy, "what a pair has of the margin: by its votes, or by how much better one was said to be"),
    "precision": (Precision, "auto: bfloat16 where the device has it"),
}


def add_training_options(parser: ArgumentParser) -> None:
    parser.add_argument("--base-model", required=True, help="folder or hub name of a model of any family")
    for name, (choices, text) in CHOICES.items():
        parser.add_argument(_flag(name), choices=typing.get_args(choices), default=DEFAULTS[name], help=text)
    for name, text in NUMBERS.items():
        parser.add_argument(_flag(name), type=type(DEFAULTS[name]), default=DEFAULTS[name], help=text)
    for name, text in OPEN_NUMBERS.items():
        parser.add_argument(_flag(name), type=float, help=text)
    parser.add_argument(
        "--lora", type=int, nargs="?", const=16, default=0, metavar="RANK", help="train low-rank additions (rank 16)"
    )
    parser.add_argument(
        "--near-duplicates",
        choices=typing.get_args(NearDuplicates),
        default="refuse",
        help="of prompts, in two splits that the data came with: refuse them, leave out their pairs in the earlier "
        "split, or allow them (default: %(default)s)",
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def read_config(options: Mapping[str, Any]) -> RewardModelConfig:
    chosen = {name: options[name] for name in ("base_model", *CHOICES, *NUMBERS, *OPEN_NUMBERS)}
    return RewardModelConfig(**chosen, lora_rank=options["lora"])


def read_data(
    pairs: str,
    config: RewardModelConfig,
    shuffle_seed: int | None = None,
    near_duplicates: NearDuplicates = "refuse",
) -> TrainingData:
    """The pairs to learn from; with a seed, those of a control whose votes say nothing.

    near_duplicates: what happens to prompts that are, across splits that the data came with.
    """
    source = read_pairs(pairs)
    if config.margin and config.margin_by == "strength" and not (source.degrees and shuffle_seed is None):
        where = pairs if shuffle_seed is None else "a control of shuffled votes"
        raise InputError(f"{where} does not say how much better a completion is; --margin-by strength needs that.")
    preferences = source.preferences if shuffle_seed is None else shuffle_votes(source.preferences, shuffle_seed)
    try:
        splits = split_pairs(preferences, "allow" if source.is_clustered else near_duplicates)
    except InputError as error:  # which knows the pairs, but not where they come from
        raise InputError(f"{pairs}: {error}") from None
    return TrainingData(
        pairs,
        source,
        dataclasses.replace(splits, degrees=source.degrees),
        is_control=shuffle_seed is not None,
        may_share_prompts=near_duplicates == "allow" and not source.is_clustered,
    )


def train_in_folder(
    config: RewardModelConfig, data: TrainingData, output: Path, recorded: Mapping[str, Any], *, resume: bool = False
) -> dict[str, Any]:
    """Train in the run folder `output`, evaluate, and write the model's card; the summary.

    recorded: what stands in the run's configuration beside the reward model's settings.
    """
    expect_no_run(output, resumable=True, resume=resume)
    join_processes()
    training = prepare_training(config, data.splits)  # before the folder: bad input leaves nothing behind
    expect_room(training.learner.model, data.source.preferences)
    with open_run_together(output, data, config, recorded, resume=resume) as folder:
        summary = train_once(training, folder)
        if not is_main():
            return {}
        resolved = training.config
        del training  # its optimiser takes memory that the evaluation may need
        concluded = conclude_training(output.name, data, resolved, summary, folder)
        (folder.path / FINISHED).unlink()
        return concluded


@contextlib.contextmanager
def open_run_together(
    output: Path, data: TrainingData, config: RewardModelConfig, recorded: Mapping[str, Any], *, resume: bool
) -> Iterator[RunFolder]:
    """A resumable run folder. Of several processes the first keeps it, the others only see it."""
    if not is_main():
        wait_for_all()
        yield RunFolder(partial_path(output))
        return
    # What comes from a hub has no path; its name stands in the configuration.
    inputs = [path for path in map(Path, (data.pairs, config.base_model)) if path.exists()]
    content = {**recorded, "reward_model": config}
    with open_run(output, config=content, inputs=inputs, seed=config.seed, resumable=True, resume=resume) as folder:
        wait_for_all()
        yield folder


def train_once(training: Training, folder: RunFolder) -> dict[str, Any]:
    """The training's summary. One that had finished when its run was interrupted is not done again."""
    done = folder.path / FINISHED
    if done.exists():
        refuse_changes(json.loads(done.read_text(encoding="utf-8")), training.must_match(), done)
        summary: dict[str, Any] = json.loads((folder.path / "summary.json").read_text(encoding="utf-8"))
        return summary
    summary = run_training(training, folder)
    if is_main():
        write_json(done, training.must_match())
    return summary
