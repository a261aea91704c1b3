"""Controls: what the demo must not find. Votes without a signal, and a world without a flaw."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.intervals import mean_interval
from analysis.pair_scores import roc_auc
from annotation.records import read_preferences
from annotation.run_folders import write_json
from reward_models.dataset import shuffle_votes
from reward_models.management.evaluation import tabulate_scores
from reward_models.scoring import load_scorer
from rl.generate import generate_samples
from rl.management.demo import training
from rl.management.demo.completions import PURPOSES, completions_of, judge_samples, task_items
from rl.management.demo.experiment import Experiment
from rl.management.demo.loop import STAGES, run_demo
from rl.management.demo.measurements import brief
from rl.management.demo.training import tuning_command
from rl.management.demo.workshop import Command, Result, Workshop, open_workshop
from rl.policy import load_policy

SHUFFLED_MODELS = 20
SHUFFLED_POLICIES = 5
LEFT_OUT = ("reward-model-evaluation", "likert", "your-turn")
NEGATIVE_STAGES = tuple(name for name, _, _ in STAGES if name not in LEFT_OUT)


def run_controls(folder: Path, experiment: Experiment, say: Callable[[str], None]) -> Result:
    """Run the controls of a finished demo in `folder/controls`, then write the report again, with them."""
    shop = open_workshop(folder, experiment, say)
    results = {
        "shuffled_votes": _once(shop, "shuffled-votes", _train_on_shuffled_votes),
        "shuffled_policies": _once(shop, "shuffled-policies", _tune_on_shuffled_votes),
        "negative_world": _once(shop, "negative-world", _run_negative_world),
    }
    write_json(folder / "controls" / "results.json", results)
    run_demo(folder, experiment, lambda _: None)
    return {"controls": results}


def _once(shop: Workshop, stage: str, work: Callable[[Workshop], Result]) -> Result:
    shop.run_stage(f"control-{stage}", f"Control: {stage.replace('-', ' ')}", work)
    result = shop.result(f"control-{stage}")
    return {key: value for key, value in result.items() if key not in ("seconds", "line")}


def _shuffled_model(shop: Workshop, number: int) -> Path:
    return shop.folder / "controls" / f"shuffled-reward-model-{number:02d}"


def _train_on_shuffled_votes(shop: Workshop) -> Result:
    """Reward models on votes whose sides were exchanged at random, tested on votes shuffled alike: AUC about .5."""
    commands = []
    for number in range(SHUFFLED_MODELS):
        output = _shuffled_model(shop, number)
        command = training.reward_model_command(shop, seed=number)
        if not output.exists():
            commands.append([*command, f"--shuffle-votes={number}", "--output", output])
    _run_in_twos(shop, commands)
    preferences = read_preferences(shop.folder / "first-vote")
    aucs = []
    for number in range(SHUFFLED_MODELS):
        shuffled = [pair for pair in shuffle_votes(preferences, number) if pair.split == "test" and pair.label]
        _, texts = tabulate_scores(shuffled, {"score": load_scorer(_shuffled_model(shop, number))})
        labels, scores = texts["is_chosen"].to_numpy(), texts["score"].to_numpy()
        aucs.append(float(roc_auc(np.ones((1, len(labels))), labels, scores)[0]))
    error = float(np.std(aucs, ddof=1) / np.sqrt(len(aucs)))
    return {
        "models": len(aucs),
        "mean_auc": float(np.mean(aucs)),
        "standard_error": error,
        "within_two_standard_errors_of_chance": abs(float(np.mean(aucs)) - 0.5) <= 2 * error,
        "aucs": aucs,
        "line": f"mean AUC {np.mean(aucs):.3f} ± {error:.3f} over {len(aucs)} models",
    }


def _tune_on_shuffled_votes(shop: Workshop) -> Result:
    """Policies tuned as arm C on reward models that know nothing: no better than arm B in gold."""
    base = "base_model=" + str(shop.folder / "supervised" / "policy")
    arms = [f"controls/shuffled-policy-{number:02d}" for number in range(SHUFFLED_POLICIES)]
    commands = [
        tuning_command(
            shop,
            arm,
            [base, "reward.name=meteor_preference", f"reward.preference_model={_shuffled_model(shop, number)}"],
        )
        for number, arm in enumerate(arms)
    ]
    _run_in_twos(shop, [command for command in commands if command])
    gold_b = [score.utility for score in judge_samples(shop, completions_of(shop, "arm-b", "test"))]
    differences = [_mean_gold_of(shop, shop.folder / arm / "policy") - float(np.mean(gold_b)) for arm in arms]
    interval = brief(mean_interval(differences))
    return {
        "policies": len(arms),
        "gold_less_arm_b": differences,
        "mean": interval,
        "interval_contains_zero": interval["low"] <= 0 <= interval["high"],
        "line": f"gold less arm B: {interval['estimate']:+.3f} [{interval['low']:+.3f}, {interval['high']:+.3f}]",
    }


def _mean_gold_of(shop: Workshop, policy: Path) -> float:
    model, tokenizer = load_policy(policy)
    decoder = shop.experiment.decoder(PURPOSES["test"])
    samples = generate_samples(model, tokenizer, task_items(shop, "test"), "shuffled", decoder, show_progress=False)
    return float(np.mean([score.utility for score in judge_samples(shop, samples)]))


def _run_in_twos(shop: Workshop, commands: Sequence[Command]) -> None:
    for start in range(0, len(commands), 2):
        shop.run_together(*commands[start : start + 2])


def _run_negative_world(shop: Workshop) -> Result:
    """The same experiment in a world without flaws: votes have nothing to teach, so C must not beat B."""
    experiment = replace(shop.experiment, task=replace(shop.experiment.task, flaw_share=0.0))
    world = open_workshop(shop.folder / "controls" / "negative-world", experiment, shop.say)
    for name, title, work in STAGES:
        if name in NEGATIVE_STAGES:
            world.run_stage(name, title, work)
    vote = world.result("second-vote")["c_against_b"]
    differences = world.result("gold")["differences"]
    gold = {kind: differences[f"c_less_b_{kind}"] for kind in ("sampled", "greedy")}
    won = vote["mean_vote"]["p_value"] < 0.05 and vote["mean_vote"]["estimate"] > 0
    return {
        "second_vote_c_against_b": vote,
        "gold_c_less_b": gold,
        "c_beats_b_in_the_vote": won,
        "c_beats_b_in_gold": {kind: row["low"] > 0 for kind, row in gold.items()},
        "line": f"C against B {vote['wins_b']} to {vote['wins_a']}, p = {vote['mean_vote']['p_value']:.2g}",
    }
