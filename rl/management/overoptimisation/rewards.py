"""What is compared: a single reward model and ensembles of all of them, as scorers and as settings of a training."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from scipy.special import expit

from analysis.resampling import Floats
from annotation.record_readers import read_preferences
from reward_models.ensembles import CalibratedScorer, Combination, Ensemble
from reward_models.management.evaluation import evaluate_on_votes, gold_score
from reward_models.scoring import load_scorer
from rl.management.demo.training import resume_option, reward_model_options, unless_done
from rl.management.demo.workshop import Command, Result, Workplace
from rl.management.overoptimisation.study import Overoptimisation

SINGLE = "single"
ENSEMBLES: tuple[Combination, ...] = ("mean", "worst", "uncertainty")
REWARDS = (SINGLE, *ENSEMBLES)
NAMES: Mapping[str, str] = {
    SINGLE: "single model",
    "mean": "ensemble: mean",
    "worst": "ensemble: worst case",
    "uncertainty": "ensemble: uncertainty-penalised",
}


def member_folders(shop: Workplace[Overoptimisation]) -> list[Path]:
    return [shop.folder / "reward-models" / f"member-{number}" for number in range(shop.experiment.reward_models.count)]


def train_members(shop: Workplace[Overoptimisation]) -> Result:
    """Every member on the same votes, from the supervised policy, with other batches and other dropout."""
    commands = {
        str(folder.relative_to(shop.folder)): member_command(shop, folder, number)
        for number, folder in enumerate(member_folders(shop))
    }
    shop.run_together(*unless_done(shop, commands))
    return evaluate_members(shop)


def member_command(shop: Workplace[Overoptimisation], folder: Path, number: int) -> Command:
    """The command that trains member `number`, resuming if it was interrupted."""
    study, wanted = shop.experiment, shop.experiment.reward_models
    options = reward_model_options(wanted.training)
    base, seed = shop.folder / "supervised" / "policy", f"--seed={1000 * study.seed + number}"
    command: list[str | Path] = ["train_reward_model", shop.folder / "votes", "--base-model", base, seed]
    return [*command, *options, *resume_option(folder)]


def evaluate_members(shop: Workplace[Overoptimisation]) -> Result:
    """Pair accuracy and AUC of members and ensembles on the votes of test prompts, beside the gold judge's."""
    members = load_members(shop)
    scorers = {f"member {number}": member for number, member in enumerate(members)}
    ensembles = {NAMES[name]: make_scorer(shop, members, name, 0) for name in ENSEMBLES}
    gold = gold_score(shop.folder / "task")
    pairs = [pair for pair in read_preferences(shop.folder / "votes") if pair.split == "test"]
    report = evaluate_on_votes(pairs, {"gold ceiling": gold} | scorers | ensembles, shop.experiment.seed)
    kept = ("gold ceiling", *scorers, *ensembles)
    accuracies = {name: report[name]["pair_accuracy"]["estimate"] for name in kept}
    single = sum(accuracies[name] for name in scorers) / len(scorers)
    return {
        "test_pairs": report["pairs"],
        "scorers": {name: {key: report[name][key] for key in ("pair_accuracy", "pooled_auc")} for name in kept},
        "mean_accuracy_of_a_member": single,
        "line": f"pair accuracy of a member {single:.3f}, of their mean {accuracies[NAMES['mean']]:.3f}",
    }


def load_members(shop: Workplace[Overoptimisation]) -> list[CalibratedScorer]:
    return [load_scorer(folder) for folder in member_folders(shop)]


def make_scorer(
    shop: Workplace[Overoptimisation], members: Sequence[CalibratedScorer], reward: str, run: int
) -> Ensemble:
    """The scorer that `reward` names; a single model is one of the members, another in each run."""
    if reward == SINGLE:
        return Ensemble((members[run],))
    return Ensemble(tuple(members), _combination(reward), shop.experiment.reward_models.penalty)


def _combination(reward: str) -> Combination:
    return next(name for name in ENSEMBLES if name == reward)


def reward_settings(shop: Workplace[Overoptimisation], reward: str, run: int) -> list[str]:
    """The settings of train_policy that pay a policy the same."""
    folders = member_folders(shop)
    if reward == SINGLE:
        return ["reward.name=preference", f"reward.preference_model={folders[run]}"]
    paths = json.dumps([str(folder) for folder in folders])
    penalty = f"reward.ensemble_penalty={shop.experiment.reward_models.penalty}"
    return ["reward.name=preference", f"reward.preference_models={paths}", f"reward.ensemble={reward}", penalty]


def pay(scores: Floats) -> Floats:
    """The proxy: what a policy is paid for scores on the members' common scale, σ of them, in (0, 1)."""
    paid: Floats = expit(scores)
    return paid
