"""Train a preference model on votes; several processes do what one does, and a resumed run what one in one go does."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.optim import AdamW
from tqdm import tqdm

from annotation.errors import InputError
from annotation.records import Preference
from annotation.run_folders import RunFolder, plain
from reward_models.checkpoints import load_base_model, save_model, sha256_of_weights
from reward_models.config import RewardModelConfig, check_config, resolve
from reward_models.dataset import PairSplits, cut_batches, sha256_of_pairs, vote_fraction
from reward_models.layouts import ScoreSettings
from reward_models.losses import pair_loss, score_pairs
from reward_models.low_rank import add_low_rank, merge_low_rank
from reward_models.model import PreferenceModel, has_bfloat16
from reward_models.scoring import cut_to_room, logits_at_a_place
from rl.fitting import drop_checkpoint, load_checkpoint, save_checkpoint, take_step
from rl.logbook import EVALUATIONS, append_row, rewind_logs
from rl.processes import (
    add_gradients,
    add_up,
    expect_alike,
    is_main,
    own_device,
    own_share,
    process_count,
    process_number,
)
from rl.trackers import TENSORBOARD_FOLDER, TensorBoard

LOG_EVERY = 10  # steps
READ_AT_ONCE = 128  # pairs, where nothing is learned
SCALES = (math.log(0.01), math.log(2.0))  # of the log-likelihood: what is sought between
Weights = dict[str, Tensor]


@dataclass(slots=True)
class Learner:
    """The model and all that changes in a run.

    finished: steps so far. best: the trained weights at the epoch of the least validation loss. recent: losses of the
    steps since the last logged row.
    """

    model: PreferenceModel
    optimiser: AdamW
    best: Weights
    finished: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    recent: list[float] = field(default_factory=list)

    def parts(self) -> dict[str, Any]:
        return {"model": self.model, "optimiser": self.optimiser}

    def position(self) -> dict[str, Any]:
        names = ("finished", "best", "best_loss", "best_epoch", "recent")
        return {name: getattr(self, name) for name in names} | {"settings": asdict(self.model.settings)}


def train_reward_model(
    config: RewardModelConfig, splits: PairSplits, folder: RunFolder, *, show_progress: bool = True
) -> dict[str, Any]:
    """Train on the train split, stop by the validation split's log loss; save the best epoch in `folder/model`.

    Goes on from the checkpoint in `folder`, if there is one. Of several processes the first writes.
    """
    return run_training(prepare_training(config, splits), folder, show_progress=show_progress)


@dataclass(frozen=True, slots=True)
class Training:
    """A training that can begin: nothing is written yet, and what could be wrong with its input has been found.

    config: with nothing left open. prompts_cut: how many lose their beginning, each once. base_sha256: of the weights
    that the training begins with.
    """

    config: RewardModelConfig
    splits: PairSplits
    learner: Learner
    prompts_cut: int
    base_sha256: str

    def must_match(self) -> dict[str, Any]:
        """What a resumed run has in common with the run that was interrupted."""
        return plain(self.config) | {"data_sha256": sha256_of_pairs(self.splits), "base_sha256": self.base_sha256}


def prepare_training(config: RewardModelConfig, splits: PairSplits) -> Training:
    check_config(config)
    torch.manual_seed(config.seed)  # a scalar head and low-rank additions are drawn
    model = load_base_model(config.base_model, config.layout, max_tokens=config.max_tokens)
    config = resolve(config, model.settings.layout)
    prompts_cut, base_sha256 = count_cut_prompts(model, splits), sha256_of_weights(model.network)
    prepare_model(model, config, splits)
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = AdamW(trained, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)
    return Training(config, splits, Learner(model, optimiser, best=trained_weights(model)), prompts_cut, base_sha256)


def count_cut_prompts(model: PreferenceModel, splits: PairSplits) -> int:
    """Distinct prompts that lose their beginning beside a completion; InputError for one that does not fit."""
    prompts, completions = splits.texts
    is_cut = model.texts.find_cut(prompts, completions)
    return len({prompt for prompt, cut in zip(prompts, is_cut, strict=True) if cut})


def run_training(training: Training, folder: RunFolder, *, show_progress: bool = True) -> dict[str, Any]:
    """All steps that are left; the summary."""
    restore(training, folder)
    with open_books(training, folder) as books:
        run_steps(training, books, show_progress)
    return finish(training, folder)


# Setting up


def prepare_model(model: PreferenceModel, config: RewardModelConfig, splits: PairSplits) -> None:
    """Bring a base model to this process's device, ready to be trained."""
    if config.lora_rank:
        add_low_rank(model.network, config.lora_rank)
    model.to(own_device("cuda" if torch.cuda.is_available() else "cpu"))
    model.reads_bfloat16 = config.precision == "bfloat16" or (config.precision == "auto" and has_bfloat16())
    set_dropout(model, config.dropout)
    if model.settings.layout == "likelihood":
        fit_likelihood(model, splits)


def trained_weights(model: PreferenceModel) -> Weights:
    return {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}


def set_dropout(model: torch.nn.Module, share: float) -> None:
    """Of all units. Attention's own dropout, where a family has it as a number and not as a module, follows only if the
    base model has it on: pretrained T5s do, a Llama does not."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = share
        for name, own in vars(module).items():
            if "dropout" in name and isinstance(own, float) and own > 0:
                setattr(module, name, share)


def fit_likelihood(model: PreferenceModel, splits: PairSplits) -> None:
    """Make the untrained log-likelihood a score: the scale at which its differences explain the train pairs' votes
    best, and the offset that gives the validation pairs the mean 0.

    A nat of likelihood is far from a nat of preference: taken for one, it is so sure of itself that its gradient says
    little but that.
    """
    model.settings = replace(model.settings, likelihood_scale=1.0, likelihood_offset=0.0)
    scores_a, scores_b = score_all(model, splits.train)
    difference = (scores_a - scores_b).double().cpu()
    targets = torch.tensor([vote_fraction(pair) for pair in splits.train], dtype=torch.double)

    def loss_at(log_scale: float) -> float:
        return float(F.binary_cross_entropy_with_logits(math.exp(log_scale) * difference, targets))

    found = minimize_scalar(loss_at, bounds=SCALES, method="bounded")
    model.settings = replace(model.settings, likelihood_scale=math.exp(found.x))
    mean = float(torch.cat(score_all(model, splits.validation)).mean())
    model.settings = replace(model.settings, likelihood_offset=-mean)


def restore(training: Training, folder: RunFolder) -> None:
    """Go on from the run's checkpoint, if it has got to one."""
    learner = training.learner
    position = load_checkpoint(folder.path, training.must_match(), learner.parts()) or {}
    if position:  # fitted on the first start's device, whose sums another's may not repeat
        learner.model.settings = ScoreSettings(**position.pop("settings"))
    for name, value in position.items():
        setattr(learner, name, value)
    expect_alike(learner.finished, f"steps in {folder.path}; expected its checkpoint in all, on a disk that they share")
    if is_main():
        rewind_logs(folder.path, learner.finished, counter="step")


# Steps


def run_steps(training: Training, books: "Books", show_progress: bool) -> None:
    """All steps that are left, with a validation after each epoch; ends early when it gets no better."""
    config, splits, learner = training.config, training.splits, training.learner
    an_epoch = -(-len(splits.train) // config.batch)
    total = config.epochs * an_epoch
    if learner.finished == 0:
        validate(learner, splits, 0, books)
    batches = islice(draw_batches(len(splits.train), config), learner.finished, None)
    shown = show_progress and is_main()
    with tqdm(total=total, initial=learner.finished, desc="reward model", unit="step", disable=not shown) as bar:
        for rows in batches:
            epoch = learner.finished // an_epoch + 1
            if epoch - 1 - learner.best_epoch >= config.patience:
                break  # asked before a step and not after one, so that a resumed run stops too
            row = fit_batch(learner, config, splits, rows, total)
            bar.update()
            if learner.finished % an_epoch == 0:
                row["validation_log_loss"] = validate(learner, splits, epoch, books)
            books.enter(row | {"epoch": epoch}, learner.recent, bar)
            if learner.finished % config.checkpoint_every == 0 and is_main():
                save_checkpoint(books.folder.path, training.must_match(), learner.parts(), learner.position())


def draw_batches(size: int, config: RewardModelConfig) -> Iterator[list[int]]:
    """Rows of each step's pairs over all epochs, each in a new order: a function of the seed."""
    for epoch in range(config.epochs):
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
        for rows in torch.randperm(size, generator=generator).split(config.batch):
            yield rows.tolist()


def fit_batch(
    learner: Learner, config: RewardModelConfig, splits: PairSplits, rows: Sequence[int], total: int
) -> dict[str, float]:
    """One step on the train pairs at `rows`; where it stands in the run, its rate, and its gradient's norm."""
    # Dropout's noise is keyed by step and process, so that a resumed run draws the same.
    torch.manual_seed((config.seed * 1_000_003 + learner.finished) * process_count() + process_number())
    learner.model.train()
    loss = accumulate_gradient(learner.model, config, splits, rows)
    learning_rate = config.learning_rate * learning_rate_factor(learner.finished, total, config)
    norm = take_step(
        learner.model,
        learner.optimiser,
        loss=loss,
        learning_rate=learning_rate,
        gradient_norm=config.gradient_norm,
        where=f"step {learner.finished + 1}",
    )
    learner.finished += 1
    learner.recent.append(loss)
    return {"step": learner.finished, "learning_rate": learning_rate, "gradient_norm": norm}


def accumulate_gradient(
    model: PreferenceModel, config: RewardModelConfig, splits: PairSplits, rows: Sequence[int]
) -> float:
    """Leave the gradient of the mean loss over `rows` in the model, in every process; that loss."""
    model.zero_grad(set_to_none=True)
    loss = torch.zeros((), device=model.network.device)
    for part in microbatches(own_share(rows), splits.train, config.microbatch or config.batch):
        pairs = [splits.train[row] for row in part]
        # Shares of the whole batch, not means of parts: parts may differ in size.
        share = pair_loss(model, pairs, config, splits.degrees) * (len(pairs) / len(rows))
        share.backward()
        loss += share.detach()
    add_gradients(model.parameters())
    return float(add_up(loss))


def microbatches(rows: Sequence[int], pairs: Sequence[Preference], size: int) -> Iterator[Sequence[int]]:
    """`rows`, `size` at a time; where that is several times, those of like length together, to save padding."""
    if len(rows) <= size:
        return cut_batches(rows, size) if rows else iter(())
    return cut_batches(sorted(rows, key=lambda row: len(pairs[row].completion_a) + len(pairs[row].completion_b)), size)


def learning_rate_factor(step: int, steps: int, config: RewardModelConfig) -> float:
    """Linear warm-up, then linear decay to zero at the last of `steps`."""
    warmup = (step + 1) / config.warmup_steps if config.warmup_steps else 1.0
    return min(1.0, warmup, (steps - step) / max(1, steps - config.warmup_steps))


# Validation


def validate(learner: Learner, splits: PairSplits, epoch: int, books: "Books") -> float:
    """The validation pairs' log loss; keeps the weights if it is the least so far."""
    figures = measure_pairs(learner.model, splits.validation)
    if not math.isfinite(figures["log_loss"]):
        raise InputError(f"step {learner.finished}: the validation loss is not a finite number; lower the rate.")
    books.evaluate({"step": learner.finished, "epoch": epoch} | figures)
    if figures["log_loss"] < learner.best_loss:
        learner.best_loss, learner.best_epoch = figures["log_loss"], epoch
        learner.best = trained_weights(learner.model)
    return figures["log_loss"]


def measure_pairs(model: PreferenceModel, pairs: Sequence[Preference]) -> dict[str, float]:
    """log_loss: mean cross-entropy in nats of σ(s_a − s_b) against the vote fractions; accuracy: on pairs with a
    majority, equal scores half. Each process reads its share."""
    own = own_share(pairs)
    scores_a, scores_b = score_all(model, own) if own else (torch.zeros(0), torch.zeros(0))
    difference = (scores_a - scores_b).double().cpu()
    targets = torch.tensor([vote_fraction(pair) for pair in own], dtype=torch.double)
    losses = F.binary_cross_entropy_with_logits(difference, targets, reduction="sum")
    sides = torch.tensor([(pair.label == "a") - (pair.label == "b") for pair in own], dtype=torch.double)
    right = (sides != 0) * (1 + sides * difference.sign()) / 2
    parts = torch.stack([losses, right.sum(), (sides != 0).sum().double()])
    sums = add_up(parts.to(model.network.device))  # several GPUs add up what lies on them alone
    return {"log_loss": float(sums[0]) / len(pairs), "accuracy": float(sums[1] / sums[2].clamp(min=1))}


@torch.no_grad()
def score_all(model: PreferenceModel, pairs: Sequence[Preference]) -> tuple[Tensor, Tensor]:
    """Scores (N,) of the a completions and of the b completions, those of like length read together."""
    model.eval()
    order = sorted(range(len(pairs)), key=lambda row: len(pairs[row].completion_a) + len(pairs[row].completion_b))
    batches = cut_to_room(order, pair_spans(model, pairs), READ_AT_ONCE, logits_at_a_place(model), rows=2)
    parts = [score_pairs(model, [pairs[row] for row in rows]) for rows in batches]
    place = torch.tensor(order).argsort()
    scores_a, scores_b = (torch.cat(side)[place] for side in zip(*parts, strict=True))
    return scores_a, scores_b


def pair_spans(model: PreferenceModel, pairs: Sequence[Preference]) -> list[tuple[int, int]] | None:
    """As `PreferenceModel.spans`, of both completions of each pair together."""
    prompts = [pair.prompt for pair in pairs]
    spans_a = model.spans(prompts, [pair.completion_a for pair in pairs])
    spans_b = model.spans(prompts, [pair.completion_b for pair in pairs])
    if spans_a is None or spans_b is None:
        return None
    return [(min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(spans_a, spans_b, strict=True)]


# What is left on disk


@dataclass(frozen=True, slots=True)
class Books:
    """The rows of a run; of several processes the first keeps them. board: TensorBoard, in that process."""

    folder: RunFolder
    board: TensorBoard | None

    def enter(self, row: dict[str, Any], recent: list[float], bar: Any) -> None:
        """Log the steps since the last row, every ten and at the end of an epoch."""
        if row["step"] % LOG_EVERY and "validation_log_loss" not in row:
            return
        row["train_loss"] = sum(recent) / len(recent)
        recent.clear()
        bar.set_postfix({"loss": f"{row['train_loss']:.3f}"}, refresh=False)
        if self.board is not None:
            self.folder.log(row)
            scalars = {f"train/{name}": value for name, value in row.items() if name not in ("step", "epoch")}
            self.board.log_scalars(row["step"], scalars)

    def evaluate(self, row: dict[str, Any]) -> None:
        if self.board is not None:
            append_row(self.folder.path / EVALUATIONS, row)
            self.board.log_scalars(row["step"], {f"validation/{name}": row[name] for name in ("log_loss", "accuracy")})


@contextlib.contextmanager
def open_books(training: Training, folder: RunFolder) -> Iterator[Books]:
    board = None
    if is_main():
        finished = training.learner.finished
        board = TensorBoard(folder.path / TENSORBOARD_FOLDER, plain(training.config), finished)
    try:
        yield Books(folder, board)
    finally:
        if board is not None:
            board.close(failed=False)


def finish(training: Training, folder: RunFolder) -> dict[str, Any]:
    """The best weights as a plain model with its calibration; the summary; no checkpoint that nobody will resume."""
    config, splits, learner, model = training.config, training.splits, training.learner, training.learner.model
    model.load_state_dict(learner.best, strict=False)
    if config.lora_rank:
        merge_low_rank(model.network)
    calibrate_score(model, splits.validation, config.temperature_ratio)
    summary = {
        "pairs": len(splits.train),
        "pairs_left_out": splits.left_out,
        "prompts_cut": training.prompts_cut,
        "layout": model.settings.layout,
        "max_tokens": model.settings.max_tokens,
        **({"likelihood_scale": model.settings.likelihood_scale} if model.settings.layout == "likelihood" else {}),
        "precision": "bfloat16" if model.reads_bfloat16 else "float32",
        "steps": learner.finished,
        "best_epoch": learner.best_epoch,
        "validation_log_loss": learner.best_loss,
    }
    if is_main():
        save_model(model, folder.path / "model")
        folder.write_summary(summary)
        drop_checkpoint(folder.path)
    return summary


def calibrate_score(model: PreferenceModel, pairs: Sequence[Preference], temperature_ratio: float) -> None:
    """Set the mean and temperature with which the score becomes a reward, from the completions of `pairs`."""
    scores = torch.cat(score_all(model, pairs))
    temperature = max(float(scores.std()) * temperature_ratio, 1e-6)
    model.settings = replace(model.settings, mean=float(scores.mean()), temperature=temperature)
