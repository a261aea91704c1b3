"""Live tracking of a run, beside its JSON lines: TensorBoard, and Weights & Biases where it is asked for.

The JSON lines stay the record; what is here can be thrown away. Both trackers get the same rows.
"""

import contextlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import yaml

from annotation.errors import InputError
from annotation.run_folders import plain, write_json

Row = Mapping[str, Any]

TENSORBOARD_FOLDER = "tensorboard"
EVENT_FILES = "events.out.tfevents."  # then the second, the host, the process and a counter
WANDB_RUN = "wandb-run.json"
STEP = "iteration"

# Both trackers fold curves by what stands before the slash; a name that is not here goes under run/.
TAGS = {
    "reward": "rollout/reward",
    "reward_sd": "rollout/reward_sd",
    "length_tokens": "rollout/length_tokens",
    "ended_share": "rollout/ended_share",
    "tokens": "rollout/tokens",
    "kl_exact": "kl/exact",
    "kl_exact_masked": "kl/exact_masked",
    "kl_exact_per_sequence": "kl/exact_per_sequence",
    "kl_sampled": "kl/sampled",
    "kl_coefficient": "kl/coefficient",
    "entropy": "entropy/unmasked",
    "entropy_masked": "entropy/masked",
    "support_mass": "mask/support_mass",
    "refreshed": "mask/refreshed",
    "policy_loss": "loss/policy",
    "value_loss": "loss/value",
    "explained_variance": "loss/explained_variance",
    "policy_gradient_norm": "gradient_norm/policy",
    "value_gradient_norm": "gradient_norm/value",
    "mean_ratio": "ratio/mean",
    "clip_fraction": "ratio/clip_fraction",
    "first_mean_ratio": "ratio/first_mean",
    "first_max_ratio_error": "ratio/first_max_error",
    "tokens_per_s": "time/tokens_per_s",
    "collect_s": "time/collect_s",
    "reward_s": "time/reward_s",
    "update_s": "time/update_s",
}


@dataclass(frozen=True, slots=True)
class TrackingConfig:
    """tensorboard: event files in the run folder. wandb_project: track at Weights & Biases too, in that project."""

    tensorboard: bool = True
    wandb_project: str | None = None


class Tracker(Protocol):
    """One place that rows go to; `step` is the iteration."""

    def log_scalars(self, step: int, scalars: Mapping[str, float]) -> None: ...

    def log_texts(self, step: int, texts: Mapping[str, str]) -> None: ...

    def log_table(self, step: int, name: str, rows: Sequence[Row]) -> None: ...

    def close(self, *, failed: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Trackers:
    """All trackers of a run; each row goes to every one of them, and is on disk or sent off when the call returns."""

    trackers: tuple[Tracker, ...]

    def log_metrics(self, row: Row) -> None:
        """A row of `metrics.jsonl`."""
        for tracker in self.trackers:
            tracker.log_scalars(row[STEP], metric_scalars(row))
            tracker.log_texts(row[STEP], metric_texts(row))

    def log_evaluation(self, row: Row) -> None:
        """A row of `evaluations.jsonl`."""
        for tracker in self.trackers:
            tracker.log_scalars(row[STEP], evaluation_scalars(row))

    def log_samples(self, rows: Sequence[Row]) -> None:
        """The rows of `samples.jsonl` that belong to one evaluation."""
        for tracker in self.trackers if rows else ():
            shown = [{name: text for name, text in row.items() if name != STEP} for row in rows]
            tracker.log_table(rows[0][STEP], "samples", shown)


def metric_scalars(row: Row) -> dict[str, float]:
    """The numbers of a metrics row by tag; true counts as 1."""
    numbers = {name: entry for name, entry in row.items() if isinstance(entry, int | float) and name != STEP}
    return {TAGS.get(name, f"run/{name}"): float(number) for name, number in numbers.items()}


def metric_texts(row: Row) -> dict[str, str]:
    """The sentences of a metrics row, such as its warnings; an empty list leaves nothing."""
    lists = {name: entry for name, entry in row.items() if isinstance(entry, list | tuple) and entry}
    return {f"run/{name}": "\n\n".join(map(str, entries)) for name, entries in lists.items()}


def evaluation_scalars(row: Row) -> dict[str, float]:
    """eval/{decoding}/{metric}."""
    return {
        f"eval/{decoding}/{metric}": float(value)
        for decoding, metrics in row.items()
        if decoding != STEP
        for metric, value in metrics.items()
    }


def check_tracking(config: TrackingConfig) -> None:
    """InputError, before a run has begun, if what it asks for is not installed."""
    if config.wandb_project is not None:
        _import_wandb()


@contextlib.contextmanager
def open_trackers(
    config: TrackingConfig, folder: Path, run_name: str, settings: Mapping[str, Any], first_iteration: int
) -> Iterator[Trackers]:
    """The trackers of the run in `folder`, closed when the block ends, however it ends.

    settings: the resolved configuration. first_iteration: how many iterations a resumed run has behind it; what was
    tracked of later ones is run again, so it is hidden or not sent twice.
    """
    trackers: list[Tracker] = []
    failed = True
    try:
        if config.tensorboard:
            trackers.append(TensorBoard(folder / TENSORBOARD_FOLDER, settings, first_iteration))
        if config.wandb_project is not None:
            trackers.append(WeightsAndBiases(config.wandb_project, folder, run_name, settings, first_iteration))
        yield Trackers(tuple(trackers))
        failed = False
    finally:
        for tracker in trackers:
            tracker.close(failed=failed)


class TensorBoard:
    """Event files of torch's writer, flushed after every call: a run that is killed loses nothing."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], first_iteration: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes a second to import

        # TensorBoard hides what earlier files hold from this step on. A run that starts over hides its step 0 too.
        purge_step = first_iteration + 1 if first_iteration else 0
        _wait_for_a_later_second(folder)
        self.writer = SummaryWriter(str(folder), purge_step=purge_step)
        if first_iteration == 0:
            content = yaml.safe_dump(plain(settings), sort_keys=False, allow_unicode=True)
            self.log_texts(0, {"config": f"```\n{content}```"})

    def log_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        for tag, value in scalars.items():
            self.writer.add_scalar(tag, value, step)
        self.writer.flush()

    def log_texts(self, step: int, texts: Mapping[str, str]) -> None:
        for tag, text in texts.items():
            self.writer.add_text(tag, text, step)
        self.writer.flush()

    def log_table(self, step: int, name: str, rows: Sequence[Row]) -> None:
        self.log_texts(step, {name: markdown_table(rows)})

    def close(self, *, failed: bool) -> None:
        self.writer.close()


def _wait_for_a_later_second(folder: Path) -> None:
    """TensorBoard reads event files in the order of their names, which begin with the second they were opened in.

    Of two from one second, a run that resumes at once could come first, and hide itself instead of what it replaces.
    """
    seconds = [int(path.name.split(".")[3]) for path in folder.glob(f"{EVENT_FILES}*")]
    while int(time.time()) in seconds:
        time.sleep(0.02)


def markdown_table(rows: Sequence[Row]) -> str:
    """Rows of equal keys as a Markdown table; no text breaks out of its cell."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row[column]) for column in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: Any) -> str:
    return " ".join(str(text).split()).replace("\\", "\\\\").replace("|", "\\|")


class WeightsAndBiases:
    """A run at Weights & Biases. WANDB_MODE=offline keeps it on this machine, in the run folder's `wandb`."""

    def __init__(
        self, project: str, folder: Path, run_name: str, settings: Mapping[str, Any], first_iteration: int
    ) -> None:
        self.wandb = _import_wandb()
        try:
            self.run = self.wandb.init(
                project=project,
                id=_run_id(folder, first_iteration),
                name=run_name,
                dir=str(folder),
                config=plain(settings),
                resume="allow",
                # What the run prints is its user's; the JSON lines are what is tracked.
                settings=self.wandb.Settings(console="off"),
            )
        except self.wandb.Error as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise InputError(
                f"Weights & Biases could not be started: {reason}; expected a login, or WANDB_MODE=offline."
            ) from error

    def log_scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        self._log(step, scalars)

    def log_texts(self, step: int, texts: Mapping[str, str]) -> None:
        self._log(step, texts)

    def log_table(self, step: int, name: str, rows: Sequence[Row]) -> None:
        columns = list(rows[0])
        table = self.wandb.Table(columns=columns, data=[[row[column] for column in columns] for row in rows])
        self._log(step, {name: table})

    def _log(self, step: int, entries: Mapping[str, Any]) -> None:
        # Steps that a resumed run repeats are not taken again; they would be the same, as runs resume bit for bit.
        if entries:
            self.run.log(dict(entries), step=step)

    def close(self, *, failed: bool) -> None:
        self.run.finish(exit_code=int(failed))


def _run_id(folder: Path, first_iteration: int) -> str:
    """The id by which a resumed run goes on at Weights & Biases; a run that starts over is a new one there."""
    path = folder / WANDB_RUN
    if first_iteration == 0 or not path.exists():
        write_json(path, {"id": uuid.uuid4().hex[:12]})
    return str(json.loads(path.read_text(encoding="utf-8"))["id"])


def _import_wandb() -> ModuleType:
    try:
        import wandb
    except ModuleNotFoundError as error:
        if error.name != "wandb":
            raise
        raise InputError(
            "wandb_project is set, but the package wandb is not installed; expected `pip install wandb` first."
        ) from None
    module: ModuleType = wandb
    return module
