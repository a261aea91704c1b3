"""How a training ends: the model that it left is evaluated on the test split, and gets its card."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.record_readers import read_manifest
from annotation.records import Preference
from annotation.run_folders import RunFolder
from reward_models.config import RewardModelConfig
from reward_models.dataset import PairSplits, select_judgeable
from reward_models.management.cautions import caution_of_training
from reward_models.management.model_card import TrainedModel, write_card
from reward_models.management.model_evaluation import Evaluation, evaluate_in_folder, name_scorers, read_votes
from reward_models.model import PreferenceModel
from reward_models.pair_sources import EXPORT, PairSource
from reward_models.scoring import Scorer, load_scorer

EVALUATION = "evaluation"
NO_MAJORITY = "no pair of the test split has a majority of its votes"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What a training learns from. pairs: as given, a path or a hub name; splits: the usable pairs of `source`.

    is_control: whether the votes in `splits` were shuffled; those in `source` never are. may_share_prompts: whether
    near-duplicates in two splits were allowed.
    """

    pairs: str
    source: PairSource
    splits: PairSplits
    is_control: bool = False
    may_share_prompts: bool = False


def expect_room(model: PreferenceModel, preferences: Iterable[Preference]) -> None:
    """InputError for a completion that the evaluation could not read: before the training, not at its end.

    Of pairs without a vote for a side none is learned, but of what single workers reach they are a part.
    """
    tested, _ = select_judgeable(pair for pair in preferences if pair.split != "train")
    prompts = [pair.prompt for pair in tested]
    model.count_cut(prompts, [pair.completion_a for pair in tested])
    model.count_cut(prompts, [pair.completion_b for pair in tested])


def conclude_training(
    name: str, data: TrainingData, config: RewardModelConfig, summary: Mapping[str, Any], folder: RunFolder
) -> dict[str, Any]:
    """Write `evaluation/` and the card of `model/`; the summary with the evaluation's headlines under `test`.

    Without a majority on any test pair nothing can be measured: `test` then says so, and so does the card.
    """
    scorer = load_scorer(folder.path)  # from disk, so that what is evaluated is what others will load
    cautions = [each for each in [caution_of_training(summary)] if each]
    evaluation = evaluate_test_split(name, data, scorer, folder.path / EVALUATION, cautions)
    calibration = folder.path / EVALUATION / "figures" / "calibration.png" if evaluation else None
    trained = TrainedModel(
        name=name,
        model=scorer.model,
        config=config,
        pairs=data.pairs,
        data_layout=data.source.layout,
        splits=data.splits,
        summary=summary,
        evaluation=evaluation,
        manifest=read_manifest(Path(data.pairs)) if data.source.layout == EXPORT else {},
        is_control=data.is_control,
        may_share_prompts=data.may_share_prompts,
    )
    write_card(trained, folder.path / "model", calibration)
    concluded = {**summary, "test": evaluation.headlines if evaluation else {"pairs": 0, "reason": NO_MAJORITY}}
    folder.write_summary(concluded)
    return concluded


def evaluate_test_split(
    name: str, data: TrainingData, scorer: Scorer, folder: Path, cautions: Sequence[str] = ()
) -> Evaluation | None:
    """The files of `evaluate_reward_model --output` in `folder`; None if no test pair has a majority.

    On the votes as they were cast, also for a control that learned shuffled ones.
    """
    preferences = data.source.preferences
    judgeable, _ = select_judgeable(pair for pair in preferences if pair.split == "test")
    if not any(pair.label for pair in judgeable):
        return None
    shutil.rmtree(folder, ignore_errors=True)  # what an interrupted run had begun
    folder.mkdir()
    votes = read_votes(Path(data.pairs))
    return evaluate_in_folder(name_scorers(scorer), preferences, votes, folder, name=name, cautions=cautions)
