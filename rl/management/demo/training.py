"""The demo's trainings: the task, the supervised policy, the arms of RL and the reward model, by the real commands."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rl.management.demo.workshop import Command, Result, Workshop
from rl.management.run_records import read_summary

TASK = "commongen-mini"
# What a row of a table calls each policy; workers never see it.
SYSTEMS = {
    "zero-shot": "supervised/early",
    "supervised": "supervised/policy",
    "nlpo": "nlpo-from-zero-shot/policy",
    "supervised+nlpo": "arm-a/policy",
    "arm-b": "arm-b/policy",
    "arm-c": "arm-c/policy",
}


def build_task(shop: Workshop) -> Result:
    config = asdict(shop.experiment.task)
    sizes = [f"--{name}={config[name]}" for name in ("train", "validation", "test", "references")]
    flaw = [f"--flaw-share={config['flaw_share']}", f"--flawed-verbs={config['flawed_verbs']}"]
    seed = f"--seed={shop.experiment.seed}"
    run_unless_done(shop, shop.folder / "task", ["build_task", TASK, *sizes, *flaw, seed])
    summary = read_summary(shop.folder / "task")
    return summary | {"line": f"{summary['train']} concept sets to train on, {summary['test']} to test"}


def train_supervised(shop: Workshop) -> Result:
    config = asdict(shop.experiment.supervised)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in config.items()]
    command: list[str | Path] = ["train_supervised", "--task", TASK, "--data", shop.folder / "task", *options]
    output = shop.folder / "supervised"
    run_unless_done(shop, output, [*command, f"--seed={shop.experiment.seed}", *resume_option(output)])
    summary = read_summary(output)
    return summary | {"line": f"validation loss {summary['validation_loss']:.3f} nats a token"}


def tune_on_meteor(shop: Workshop) -> Result:
    """Arm A, supervised+NLPO with a METEOR reward, and NLPO from the zero-shot checkpoint."""
    return _tune_arms(
        shop,
        {
            "arm-a": ["base_model=" + str(shop.folder / "supervised" / "policy"), "reward.name=meteor"],
            "nlpo-from-zero-shot": ["base_model=" + str(shop.folder / "supervised" / "early"), "reward.name=meteor"],
        },
    )


def tune_on_preferences(shop: Workshop) -> Result:
    """Arms B and C: the same checkpoint, budget and seed; C alone has heard the votes."""
    base = "base_model=" + str(shop.folder / "supervised" / "policy")
    scorer = "reward.preference_model=" + str(shop.folder / "reward-model")
    return _tune_arms(
        shop,
        {"arm-b": [base, "reward.name=meteor_coverage"], "arm-c": [base, "reward.name=meteor_preference", scorer]},
    )


def _tune_arms(shop: Workshop, arms: dict[str, list[str]]) -> Result:
    commands = [tuning_command(shop, name, settings) for name, settings in arms.items()]
    shop.run_together(*[command for command in commands if command])
    summaries = {name: read_summary(shop.folder / name) for name in arms}
    rewards = [f"{name} {row['reward_first']:.3f} → {row['reward_last']:.3f}" for name, row in summaries.items()]
    kept = ("reward_first", "reward_last", "kl_exact", "kl_exact_per_sequence", "entropy")
    numbers = {name: {key: row[key] for key in kept} for name, row in summaries.items()}
    return numbers | {"line": "reward: " + "; ".join(rewards)}


def tuning_command(shop: Workshop, arm: str, settings: list[str]) -> Command:
    """The `train_policy` command of an arm; empty if it has finished, resuming if it was interrupted."""
    output = shop.folder / arm
    if output.exists():
        return []
    experiment = shop.experiment
    shared = [f"data={shop.folder / 'task'}", f"seed={experiment.seed}", *experiment.policy_set]
    laid_over = [word for setting in (*shared, *settings) for word in ("--set", setting)]
    return ["train_policy", experiment.policy_config, *laid_over, "--output", output, *resume_option(output)]


def resume_option(output: Path) -> list[str]:
    """What a command that can be resumed needs to go on with the run that was interrupted in `output`, if one was."""
    return ["--resume"] if output.with_name(output.name + ".partial").exists() else []


def train_reward_model(shop: Workshop) -> Result:
    command = reward_model_command(shop, seed=shop.experiment.seed)
    run_unless_done(shop, shop.folder / "reward-model", command)
    summary = read_summary(shop.folder / "reward-model")
    return summary | {"line": f"best epoch {summary['best_epoch']}, on {summary['pairs']} pairs"}


def reward_model_command(shop: Workshop, seed: int) -> list[str | Path]:
    options = [f"--{name.replace('_', '-')}={value}" for name, value in asdict(shop.experiment.reward_model).items()]
    base = shop.folder / "supervised" / "policy"
    return ["train_reward_model", shop.folder / "first-vote", "--base-model", base, f"--seed={seed}", *options]


def run_unless_done(shop: Workshop, output: Path, command: Sequence[str | Path]) -> None:
    if not output.exists():
        shop.run(*command, "--output", output)
