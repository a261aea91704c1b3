"""The reward model that a command's options name, alone or with others as one scorer."""

from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from annotation.errors import InputError
from reward_models.ensembles import PENALTY, Combination, Ensemble
from reward_models.scoring import Scorer, load_scorer


def add_model_options(parser: ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="a folder that train_reward_model wrote")
    parser.add_argument(
        "--with",
        type=Path,
        action="append",
        default=[],
        dest="others",
        metavar="MODEL",
        help="another of them, combined with it into one scorer; may be given more than once",
    )
    parser.add_argument(
        "--combine",
        choices=get_args(Combination),
        default="mean",
        help="with --with: the members' mean score, the worst of them, or the mean less --penalty times their variance",
    )
    parser.add_argument("--penalty", type=float, default=PENALTY, help="of --combine uncertainty")


def load_members(options: Mapping[str, Any], *, show_progress: bool = False) -> tuple[Scorer, ...]:
    """The scorer of each model that is named, the positional one first."""
    return tuple(load_scorer(folder, show_progress=show_progress) for folder in named_models(options))


def named_models(options: Mapping[str, Any]) -> list[Path]:
    return [options["model"], *options["others"]]


def combine_members(members: Sequence[Scorer], options: Mapping[str, Any]) -> Scorer | Ensemble:
    """One model as it is, in nats; several on one scale, where σ of the score is the reward."""
    ensemble = Ensemble(tuple(members), options["combine"], options["penalty"])
    return ensemble if len(members) > 1 else members[0]


def name_together(models: Sequence[Path], options: Mapping[str, Any]) -> str:
    """What a page calls what the options name."""
    names = " and ".join(model.name for model in models)
    return names if len(models) == 1 else f"the ensemble ({options['combine']}) of {names}"


def short_names(models: Sequence[Path]) -> list[str]:
    """As much of each path's end as tells it from the others: what a figure has room for."""
    for parts in range(1, max(len(model.parts) for model in models) + 1):
        names = ["/".join(model.parts[-parts:]) for model in models]
        if len(set(names)) == len(models):
            return names
    raise InputError(f"{models[-1]} is named twice; expected different models.")
