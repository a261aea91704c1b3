"""The demo's trainings: the task, the supervised policy, the arms of RL and the reward model, by the real commands."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from annotation.text_files import partial_path
from rl.management.demo.experiment import RewardModelBudget, Study
from rl.management.demo.workshop import Command, Result, Workplace, Workshop
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


def build_task(shop: Workplace[Study]) -> Result:
    config = asdict(shop.experiment.task)
    sizes = [f"--{name}={config[name]}" for name in ("train", "validation", "test", "references")]
    flaw = [f"--flaw-share={config['flaw_share']}", f"--flawed-verbs={config['flawed_verbs']}"]
    seed = f"--seed={shop.experiment.seed}"
    shop.run_together(*unless_done(shop, {"task": ["build_task", TASK, *sizes, *flaw, seed]}))
    summary = read_summary(shop.folder / "task")
    return summary | {"line": f"{summary['train']} concept sets to train on, {summary['test']} to test"}


def train_supervised(shop: Workplace[Study]) -> Result:
    config = asdict(shop.experiment.supervised)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in config.items()]
    command: list[str | Path] = ["train_supervised", "--task", TASK, "--data", shop.folder / "task", *options]
    command += [f"--seed={shop.experiment.seed}", *resume_option(shop.folder / "supervised")]
    shop.run_together(*unless_done(shop, {"supervised": command}))
    summary = read_summary(shop.folder / "supervised")
    return summary | {"line": f"validation loss {summary['validation_loss']:.3f} nats a token"}


def tune_on_meteor(shop: Workshop) -> Result:
    """Arm A, supervised+NLPO with a METEOR reward: the first vote needs it."""
    shop.run_together(*unless_done(shop, {"arm-a": _arm_command(shop, "arm-a")}))
    return _describe_arms(shop, "arm-a")


def train_reward_model(shop: Workshop) -> Result:
    """The reward model on one core; on the other meanwhile the arms that need none: they ask nothing of the votes."""
    commands: dict[str, Command] = {"reward-model": reward_model_command(shop, "reward-model", shop.experiment.seed)}
    commands |= {arm: _arm_command(shop, arm) for arm in ("nlpo-from-zero-shot", "arm-b")}
    shop.run_together(*unless_done(shop, commands))
    summary = read_summary(shop.folder / "reward-model")
    return summary | {"line": f"best epoch {summary['best_epoch']}, on {summary['pairs']} pairs"}


def tune_on_preferences(shop: Workshop) -> Result:
    """Arm C, beside what B became: the same checkpoint, budget and seed; C alone has heard the votes."""
    shop.run_together(*unless_done(shop, {"arm-c": _arm_command(shop, "arm-c")}))
    return _describe_arms(shop, "nlpo-from-zero-shot", "arm-b", "arm-c")


def _arm_command(shop: Workshop, arm: str) -> Command:
    """The command of an arm: where it starts from and what it is rewarded for."""
    scorer = f"reward.preference_model={shop.folder / 'reward-model'}"
    start, *reward = {
        "arm-a": ["policy", "reward.name=meteor"],
        "nlpo-from-zero-shot": ["early", "reward.name=meteor"],
        "arm-b": ["policy", "reward.name=meteor_coverage"],
        "arm-c": ["policy", "reward.name=meteor_preference", scorer],
    }[arm]
    return tuning_command(shop, arm, [f"base_model={shop.folder / 'supervised' / start}", *reward])


def _describe_arms(shop: Workshop, *arms: str) -> Result:
    summaries = {name: read_summary(shop.folder / name) for name in arms}
    rewards = [f"{name} {row['reward_first']:.3f} → {row['reward_last']:.3f}" for name, row in summaries.items()]
    kept = ("reward_first", "reward_last", "kl_exact", "kl_exact_per_sequence", "entropy")
    numbers = {name: {key: row[key] for key in kept} for name, row in summaries.items()}
    return numbers | {"line": "reward: " + "; ".join(rewards)}


def unless_done(shop: Workplace[Study], commands: Mapping[str, Command]) -> list[Command]:
    """Each command with its folder as --output, but for those whose folder is there already."""
    return [
        [*row, "--output", shop.folder / name] for name, row in commands.items() if not (shop.folder / name).exists()
    ]


def tuning_command(shop: Workplace[Study], arm: str, settings: list[str]) -> Command:
    """The `train_policy` command of an arm, resuming if it was interrupted."""
    experiment = shop.experiment
    shared = [f"data={shop.folder / 'task'}", f"seed={experiment.seed}", *experiment.policy_set]
    laid_over = [word for setting in (*shared, *settings) for word in ("--set", setting)]
    return ["train_policy", experiment.policy_config, *laid_over, *resume_option(shop.folder / arm)]


def resume_option(output: Path) -> list[str]:
    """What a command that can be resumed needs to go on with the run that was interrupted in `output`, if one was."""
    return ["--resume"] if partial_path(output).exists() else []


def reward_model_command(shop: Workshop, name: str, seed: int) -> list[str | Path]:
    """The command of the reward model in the folder `name`, resuming if it was interrupted."""
    options = reward_model_options(shop.experiment.reward_model)
    pairs, base = shop.folder / "first-vote", shop.folder / "supervised" / "policy"
    resume = resume_option(shop.folder / name)
    return ["train_reward_model", pairs, "--base-model", base, f"--seed={seed}", *options, *resume]


def reward_model_options(budget: RewardModelBudget) -> list[str]:
    """Of `train_reward_model`."""
    return [f"--{key.replace('_', '-')}={value}" for key, value in asdict(budget).items()]
