"""Controls: what the demo must not find. Votes without a signal, and a world without a flaw."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.intervals import mean_interval
from analysis.pair_scores import roc_auc
from annotation.record_readers import read_preferences
from annotation.records import Preference
from annotation.run_folders import write_json
from reward_models.dataset import shuffle_votes
from reward_models.management.evaluation import tabulate_scores
from reward_models.scoring import load_scorer
from rl.generate import generate_samples
from rl.management.demo import training
from rl.management.demo.completions import PURPOSES, completions_of, judge_samples, mean_gold, task_items
from rl.management.demo.experiment import Experiment
from rl.management.demo.loop import STAGES, write_outcome
from rl.management.demo.measurements import brief
from rl.management.demo.workshop import Result, Workshop, open_workshop
from rl.policy import load_policy

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
    partial = folder / "controls" / "results.json.partial"
    write_json(partial, results)
    partial.rename(folder / "controls" / "results.json")
    write_outcome(shop)
    return {"controls": results}


def _once(shop: Workshop, stage: str, work: Callable[[Workshop], Result]) -> Result:
    shop.run_stage(f"control-{stage}", f"Control: {stage.replace('-', ' ')}", work)
    return shop.numbers(f"control-{stage}")


def _shuffled_model(number: int) -> str:
    return f"controls/shuffled-reward-model-{number:02d}"


def _train_on_shuffled_votes(shop: Workshop) -> Result:
    """Reward models on votes whose sides were exchanged at random, tested on votes exchanged alike."""
    numbers = range(shop.experiment.controls.shuffled_models)
    commands = {
        name: [*training.reward_model_command(shop, name, seed=number), f"--shuffle-votes={number}"]
        for number, name in enumerate(map(_shuffled_model, numbers))
    }
    shop.run_together(*training.unless_done(shop, commands))
    preferences = read_preferences(shop.folder / "first-vote")
    return judge_aucs([_auc_on_shuffled_votes(shop, preferences, number) for number in numbers])


def _auc_on_shuffled_votes(shop: Workshop, preferences: Sequence[Preference], number: int) -> float:
    shuffled = [pair for pair in shuffle_votes(preferences, number) if pair.split == "test" and pair.label]
    _, texts = tabulate_scores(shuffled, {"score": load_scorer(shop.folder / _shuffled_model(number))})
    labels, scores = texts["is_chosen"].to_numpy(), texts["score"].to_numpy()
    return float(roc_auc(np.ones((1, len(labels))), labels, scores)[0])


def judge_aucs(aucs: Sequence[float]) -> Result:
    """Whether models that had nothing to learn rank by chance: their mean AUC within two standard errors of .5."""
    mean, error = float(np.mean(aucs)), float(np.std(aucs, ddof=1) / np.sqrt(len(aucs)))
    return {
        "models": len(aucs),
        "mean_auc": mean,
        "standard_error": error,
        "within_two_standard_errors_of_chance": abs(mean - 0.5) <= 2 * error,
        "aucs": list(aucs),
        "line": f"mean AUC {mean:.3f} ± {error:.3f} over {len(aucs)} models",
    }


def _tune_on_shuffled_votes(shop: Workshop) -> Result:
    """Policies tuned as arm C was, on reward models that heard nothing."""
    arms = [f"controls/shuffled-policy-{number:02d}" for number in range(shop.experiment.controls.shuffled_policies)]
    base = "base_model=" + str(shop.folder / "supervised" / "policy")
    commands = {}
    for number, arm in enumerate(arms):
        scorer = f"reward.preference_model={shop.folder / _shuffled_model(number)}"
        commands[arm] = training.tuning_command(shop, arm, [base, "reward.name=meteor_preference", scorer])
    shop.run_together(*training.unless_done(shop, commands))
    gold_b, gold_c = (
        mean_gold(judge_samples(shop, completions_of(shop, arm, "test")))["utility"] for arm in ("arm-b", "arm-c")
    )
    return judge_gold_of_policies([_mean_gold_of(shop, shop.folder / arm / "policy") for arm in arms], gold_b, gold_c)


def judge_gold_of_policies(gold: Sequence[float], gold_b: float, gold_c: float) -> Result:
    """What hearing the votes adds: arm C's gold less that of policies that heard shuffled ones.

    They may well differ from arm B. A likelihood is one before any vote, and it knows what the corpus seldom says; a
    verdict knows nothing, and there the difference should be 0.
    """
    less_b, added = (
        brief(mean_interval([own - gold_b for own in gold])),
        brief(mean_interval([gold_c - own for own in gold])),
    )
    return {
        "policies": len(gold),
        "gold": list(gold),
        "gold_less_arm_b": less_b,
        "arm_c_less_them": added,
        "votes_add_something": added["low"] > 0,
        "line": f"arm C's gold less theirs: {added['estimate']:+.3f} [{added['low']:+.3f}, {added['high']:+.3f}]",
    }


def _mean_gold_of(shop: Workshop, policy: Path) -> float:
    model, tokenizer = load_policy(policy)
    decoder = shop.experiment.decoder(PURPOSES["test"])
    samples = generate_samples(model, tokenizer, task_items(shop, "test"), "shuffled", decoder, show_progress=False)
    return mean_gold(judge_samples(shop, samples))["utility"]


def _run_negative_world(shop: Workshop) -> Result:
    """The same experiment in a world without flaws: votes have nothing to teach, so C must not beat B."""
    experiment = replace(shop.experiment, task=replace(shop.experiment.task, flaw_share=0.0))
    world = open_workshop(shop.folder / "controls" / "negative-world", experiment, shop.say)
    for name, title, work in STAGES:
        if name in NEGATIVE_STAGES:
            world.run_stage(name, title, work)
    return judge_negative_world(world.result("second-vote")["c_against_b"], world.result("gold")["differences"])


def judge_negative_world(vote: Mapping[str, Any], differences: Mapping[str, Any]) -> Result:
    """Whether C beats B where it should not: by the vote (p below .05), and in gold (interval above 0)."""
    gold = {kind: differences[f"c_less_b_{kind}"] for kind in ("sampled", "greedy")}
    mean_vote = vote["mean_vote"]
    return {
        "second_vote_c_against_b": vote,
        "gold_c_less_b": gold,
        "c_beats_b_in_the_vote": mean_vote["p_value"] < 0.05 and mean_vote["estimate"] > 0,
        "c_beats_b_in_gold": {kind: row["low"] > 0 for kind, row in gold.items()},
        "line": f"C against B {vote['wins_b']} to {vote['wins_a']}, p = {mean_vote['p_value']:.2g}",
    }
