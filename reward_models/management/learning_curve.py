"""How much more would votes help? A reward model's learning curve, from its trainings to its page, in a run folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.record_readers import read_manifest
from reward_models.config import RewardModelConfig
from reward_models.dataset import select_judgeable
from reward_models.management.conclusion import NO_MAJORITY, TrainingData, expect_room
from reward_models.management.evaluation import blank_undefined, gold_score
from reward_models.management.learning_curve_measures import measure_outcomes
from reward_models.management.learning_curve_page import write_curve
from reward_models.management.learning_curve_trainings import SHARES, choose_sizes, train_sizes
from reward_models.management.model_evaluation import read_votes
from reward_models.management.training import open_run_together
from reward_models.pair_sources import EXPORT
from reward_models.train import prepare_training
from rl.processes import is_main, join_processes


@dataclass(frozen=True, slots=True)
class CurvePlan:
    """shares: of the train split's pairs; repeats: trainings a share, each on other pairs and with another seed.

    world: of commongen-mini, for its gold judge.
    """

    shares: Sequence[float] = SHARES
    repeats: int = 1
    world: Path | None = None


def measure_learning_curve(
    config: RewardModelConfig,
    data: TrainingData,
    plan: CurvePlan,
    output: Path,
    recorded: Mapping[str, Any],
    *,
    resume: bool = False,
) -> Mapping[str, Any]:
    """Train all sizes in the run folder `output` and write `results.json`, a table, a figure and a page; the results.

    Goes on where an interrupted curve stopped, within a training too. recorded: what stands in the run's configuration
    beside the plan and the reward model's settings.
    """
    join_processes()
    test, _ = select_judgeable(pair for pair in data.source.preferences if pair.split == "test")
    sizes = choose_sizes(plan.shares, len(data.splits.train))
    if plan.repeats < 1:
        raise InputError(f"--repeats: expected a number of at least 1, found {plan.repeats}.")
    if not any(pair.label for pair in test):
        raise InputError(f"{data.pairs}: {NO_MAJORITY}; expected some on which accuracy can be measured.")
    gold = gold_score(plan.world) if plan.world else None
    # Before the folder: bad input leaves nothing behind.
    model = prepare_training(config, data.splits).learner.model
    expect_room(model, data.source.preferences)
    layout = model.settings.layout
    del model  # it takes memory that the trainings may need
    planned = {**recorded, "shares": list(sizes), "repeats": plan.repeats, "world": plan.world}
    with open_run_together(output, data, config, planned, resume=resume) as folder:
        outcomes = train_sizes(config, data.splits, test, sizes, plan.repeats, folder.path)
        if not is_main():
            return {}
        results = measure_outcomes(outcomes, test, read_votes(Path(data.pairs)), gold=gold, seed=config.seed)
        manifest = read_manifest(Path(data.pairs)) if data.source.layout == EXPORT else {}
        results["epochs"], results["layout"] = config.epochs, layout
        results["simulated"] = bool(manifest.get("simulated"))
        results["may_share_prompts"] = data.may_share_prompts
        write_curve(results, folder.path)
        folder.write_summary(blank_undefined(results))
        return results
