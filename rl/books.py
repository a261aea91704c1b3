"""The books of a run: what every iteration leaves on disk, in the trackers and on the screen.

Of several processes the first keeps them; the others learn and write nothing.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from annotation.run_folders import RunFolder, open_run, plain
from annotation.text_files import partial_path
from rl.config import TrainingConfig, input_paths
from rl.fitting import CHECKPOINT
from rl.learner import Learner, restore_checkpoint, save_checkpoint
from rl.logbook import EVALUATIONS, read_rows, rewind_logs
from rl.monitor import find_warnings
from rl.policy import save_policy
from rl.processes import expect_alike, is_main, wait_for_all
from rl.rewards import Reward
from rl.tasks.items import Item
from rl.trackers import Trackers, open_trackers
from rl.validation import validate

Row = dict[str, Any]


@contextlib.contextmanager
def open_books(
    learner: Learner,
    config: TrainingConfig,
    items: Sequence[Item],
    reward: Reward,
    output: Path,
    *,
    resume: bool,
    device: str,
    show_progress: bool,
) -> Iterator["Books | ClosedBooks"]:
    """The books of the run in `output`, its learner restored if it is resumed; `output` appears when the block ends.

    items: for validation.
    """
    if not is_main():
        wait_for_all()
        restore_alike(learner, config, partial_path(output))
        yield ClosedBooks()
        return
    with open_run(
        output,
        config=config,
        inputs=input_paths(config),
        seed=config.seed,
        device=device,
        resumable=True,
        resume=resume,
    ) as run:
        wait_for_all()
        restore_alike(learner, config, run.path)
        rows = rewind_logs(run.path, learner.finished)
        with (
            open_trackers(config.tracking, run.path, output.name, plain(config), learner.finished) as trackers,
            make_bar(learner, config, show_progress) as bar,
        ):
            books = Books(learner, config, items, reward, run, trackers, rows, bar)
            if learner.finished == 0:
                books.evaluate()
            yield books


def restore_alike(learner: Learner, config: TrainingConfig, folder: Path) -> None:
    """The run's checkpoint, if it has got to one: in all processes, or InputError."""
    restore_checkpoint(learner, config, folder)
    expect_alike(learner.finished, f"iterations in {folder}; expected its checkpoint in all, on a disk that they share")


class ClosedBooks:
    """Of a process that keeps none."""

    def enter(self, row: Row) -> None:
        """Nothing: the first process enters it."""

    def close(self, write_report: Callable[[Path], None] | None) -> Row:
        return {}


@dataclass(frozen=True, slots=True)
class Books:
    """rows: the metrics so far, an iteration each."""

    learner: Learner
    config: TrainingConfig
    items: Sequence[Item]
    reward: Reward
    run: RunFolder
    trackers: Trackers
    rows: list[Row]
    bar: Any

    def enter(self, row: Row) -> None:
        """One iteration's row to the log, the trackers and the bar; then whatever is due after it."""
        self.rows.append(row)
        row["warnings"] = find_warnings(self.rows)
        self.run.log(row)
        self.trackers.log_metrics(row)
        self.show(row)
        finished = self.learner.finished
        if finished in self.config.snapshots:
            self.keep_policy(f"snapshots/iteration-{finished:03d}")
        if finished % self.config.evaluation.every == 0 or finished == self.config.iterations:
            self.evaluate()
        if finished % self.config.checkpoint_every == 0:
            save_checkpoint(self.learner, self.config, self.run.path)

    def evaluate(self) -> None:
        """Validate, and keep the policy in `best/` if it is the best so far by config.evaluation.best_by."""
        evaluation, samples = validate(self.learner, self.config, self.items, self.reward, self.run.path)
        self.trackers.log_evaluation(evaluation)
        self.trackers.log_samples(samples)
        score = evaluation["sampled"][self.config.evaluation.best_by]
        if self.learner.best_score is None or score > self.learner.best_score:
            self.learner.best_score = score
            self.keep_policy("best")

    def keep_policy(self, name: str) -> None:
        save_policy(self.learner.policy, self.learner.tokenizer, self.run.path / name)

    def show(self, row: Row) -> None:
        """The bar's figures, and each warning when it first appears."""
        self.bar.update()
        self.bar.set_postfix(
            reward=f"{row['reward']:.3f}",
            kl=f"{row['kl_exact']:.3f}",
            entropy=f"{row['entropy']:.2f}",
            length=f"{row['length_tokens']:.1f}",
            tokens_per_s=f"{row['tokens_per_s']:.0f}",
        )
        for warning in row["warnings"]:
            if len(self.rows) < 2 or warning not in self.rows[-2]["warnings"]:
                self.bar.write(f"iteration {row['iteration']}: {warning}")

    def close(self, write_report: Callable[[Path], None] | None) -> Row:
        """Save the policy, write summary and report, drop the checkpoint that nobody will resume."""
        self.keep_policy("policy")
        summary = summarise(self.config, self.rows, read_rows(self.run.path / EVALUATIONS))
        self.run.write_summary(summary)
        (self.run.path / CHECKPOINT).unlink(missing_ok=True)
        if write_report is not None:
            write_report(self.run.path)
        return summary


def make_bar(learner: Learner, config: TrainingConfig, show_progress: bool) -> tqdm:
    return tqdm(total=config.iterations, initial=learner.finished, desc=config.algorithm, disable=not show_progress)


def summarise(config: TrainingConfig, rows: Sequence[Row], evaluations: Sequence[Row]) -> Row:
    """The numbers that a reader wants first."""
    last = rows[-1]
    scores = [row["sampled"][config.evaluation.best_by] for row in evaluations]
    best = scores.index(max(scores))
    return {
        "algorithm": config.algorithm,
        "iterations": last["iteration"],
        "reward_first": rows[0]["reward"],
        "reward_last": last["reward"],
        "kl_exact": last["kl_exact"],
        "kl_exact_per_sequence": last["kl_exact_per_sequence"],
        "kl_coefficient": last["kl_coefficient"],
        "entropy": last["entropy"],
        "tokens_per_s": sum(row["tokens_per_s"] for row in rows) / len(rows),
        "validation_before": evaluations[0],
        "validation_after": evaluations[-1],
        "best": {
            "by": config.evaluation.best_by,
            "score": scores[best],
            "iteration": evaluations[best]["iteration"],
        },
        "warnings": sorted({warning for row in rows for warning in row["warnings"]}),
    }
