"""The whole loop: votes become a reward model, a better policy, and a second vote that proves it."""

import time
from collections.abc import Callable
from pathlib import Path

import torch

from annotation.run_folders import describe_environment, write_json
from rl.management.demo import stages, training
from rl.management.demo.experiment import Experiment
from rl.management.demo.report import write_demo_report
from rl.management.demo.workshop import THREADS, Result, Workshop, open_workshop

STAGES: tuple[tuple[str, str, Callable[[Workshop], Result]], ...] = (
    ("task", "The task: a world, its concept sets, and a corpus that has learned to err", training.build_task),
    ("supervised", "a. Supervised policy: a small T5 from scratch imitates the corpus", training.train_supervised),
    ("tuned-on-meteor", "b. NLPO on METEOR: arm A", training.tune_on_meteor),
    ("first-vote", "c, d. First vote: Supervised or arm A? Export, and agreement", stages.hold_first_vote),
    ("reward-model", "e. Reward model: T5 learns the votes; meanwhile, what needs none", training.train_reward_model),
    ("reward-model-evaluation", "e. What the reward model knows: AUC, best-of-n", stages.evaluate_reward_model),
    ("tuned-on-preferences", "f. Arms B (coverage) and C (coverage and preferences)", training.tune_on_preferences),
    ("second-vote", "g. Second vote: C against B, C against A", stages.hold_second_vote),
    ("gold", "g. Gold scores, and gold against KL along each run", stages.judge_arms),
    ("likert", "h. Likert campaign over five systems", stages.hold_likert_campaign),
    ("your-turn", "i. Two open campaigns for you", stages.open_campaigns_for_visitors),
)


def run_demo(folder: Path, experiment: Experiment, say: Callable[[str], None]) -> Result:
    """Run all stages that are not done yet; writes `summary.json` and `report.html` and returns the headlines."""
    torch.set_num_threads(THREADS)
    shop = open_workshop(folder, experiment, say)
    started = time.monotonic()
    for name, title, work in STAGES:
        shop.run_stage(name, title, work)
    results, seconds = write_outcome(shop)
    return summarise(folder, results, sum(seconds.values()), time.monotonic() - started)


def write_outcome(shop: Workshop) -> tuple[dict[str, Result], dict[str, float]]:
    """Write `summary.json`, `environment.json` and `report.html` of a finished demo; its results, seconds by stage."""
    results = {name: shop.result(name) for name, _, _ in STAGES}
    seconds = {name: result.pop("seconds") for name, result in results.items()}
    for result in results.values():
        result.pop("line", None)
    # No times and no ids, so that the same seed writes the same bytes; those are in environment.json.
    seed = shop.experiment.seed
    write_json(shop.folder / "summary.json", {"seed": seed, "simulated_workers": True} | results)
    environment = describe_environment(seed=seed, device="cpu")
    write_json(shop.folder / "environment.json", environment | {"seconds_by_stage": seconds})
    write_demo_report(shop, results, seconds)
    return results, seconds


def summarise(folder: Path, results: dict[str, Result], seconds: float, now: float) -> Result:
    """The numbers that the command prints last."""
    differences = results["gold"]["differences"]
    headline = results["second-vote"]["c_against_b"]
    return {
        "best_of_n_gold_over_coverage": results["reward-model-evaluation"]["best_of"]["reward model less coverage"],
        "gold_c_less_b_sampled": differences["c_less_b_sampled"],
        "gold_c_less_b_greedy": differences["c_less_b_greedy"],
        "second_vote_c_against_b": {key: headline[key] for key in ("wins_b", "wins_a", "ties", "mean_vote")},
        "seconds": {"all_stages": round(seconds, 1), "this_time": round(now, 1)},
        "report": folder / "report.html",
        "summary": folder / "summary.json",
    }
