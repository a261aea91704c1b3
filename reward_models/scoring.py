"""Scores of completions by a trained preference model, as a plain callable."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from annotation.errors import InputError
from reward_models.checkpoints import load_model
from reward_models.model import PreferenceModel, has_bfloat16

WHOLE_VOCABULARY = 2**26  # logits that are held at a time where all of them are read: 256 MiB


@dataclass(frozen=True, slots=True)
class Scorer:
    """(prompts, completions, records) → scores; batched by length, and the same whatever the batch.

    σ((score − mean) / temperature) is the preference in (0, 1).
    """

    model: PreferenceModel
    batch: int = 256
    show_progress: bool = False

    @property
    def mean(self) -> float:
        return self.model.settings.mean

    @property
    def temperature(self) -> float:
        return self.model.settings.temperature

    @torch.no_grad()
    def __call__(self, prompts: Sequence[str], completions: Sequence[str], records: Sequence[Any] = ()) -> np.ndarray:
        """Scores in nats, one for each completion; `records` are accepted as every reward takes them, and not used."""
        scores = np.zeros(len(completions))
        batches = list(self._batches(prompts, completions))
        for rows in tqdm(batches, "scores", unit="batch", disable=not self.show_progress):
            read = self.model([prompts[row] for row in rows], [completions[row] for row in rows])
            scores[rows] = read.cpu().numpy()
        if not np.isfinite(scores).all():
            text = completions[int(np.flatnonzero(~np.isfinite(scores))[0])]
            raise InputError(f"the completion {text[:60]!r} has no finite score; expected a model whose weights are.")
        return scores

    def _batches(self, prompts: Sequence[str], completions: Sequence[str]) -> Iterator[np.ndarray]:
        """Rows of similar length together, so that little is padded."""
        order = self._order_by_length([len(text) for text in prompts], [len(text) for text in completions])
        spans = self.model.spans(prompts, completions)
        return map(np.array, cut_to_room(order.tolist(), spans, self.batch, logits_at_a_place(self.model)))

    def _order_by_length(self, prompts: Sequence[int], completions: Sequence[int]) -> np.ndarray:
        """Where both texts stand in one input, by their sum. In two inputs a sum says little of either: rows are banded
        by the completion, and lie in each band by the prompt."""
        if self.model.texts.room.is_shared:
            return np.argsort(np.add(prompts, completions), kind="stable")
        by_completion = np.argsort(completions, kind="stable")
        bands = max(1, round((len(by_completion) / self.batch) ** 0.5))
        place = np.empty(len(by_completion), dtype=int)
        place[by_completion] = np.arange(len(by_completion)) * bands // max(1, len(by_completion))
        return np.lexsort((np.asarray(prompts), place))


def cut_to_room(
    order: Sequence[int], spans: Sequence[tuple[int, int]] | None, most: int, logits: int, rows: int = 1
) -> Iterator[list[int]]:
    """`order`, `most` at a time, or fewer where the logits of the whole vocabulary would not fit.

    spans: as `PreferenceModel.spans` has them; a batch holds all its rows' logits from the first place of any to the
    last. logits: at a place; rows: of the model's input for each entry of `order`.
    """
    batch: list[int] = []
    begin = end = 0
    for row in order:
        first, last = spans[row] if spans else (0, 0)
        begin, end = (min(begin, first), max(end, last)) if batch else (first, last)
        if batch and (len(batch) == most or (len(batch) + 1) * rows * (end - begin) * logits > WHOLE_VOCABULARY):
            yield batch
            batch, begin, end = [], first, last
        batch.append(row)
    if batch:
        yield batch


def logits_at_a_place(model: PreferenceModel) -> int:
    """Entries of the vocabulary, where all of them are read."""
    return int(model.network.get_output_embeddings().weight.shape[0]) if model.settings.layout == "likelihood" else 0


def load_scorer(folder: Path, *, show_progress: bool = False) -> Scorer:
    """The scorer of the model in `folder`, or in `folder/model` if that is a run of train_reward_model.

    Reads in bfloat16 where the device has it.
    """
    model = load_model(folder / "model" if (folder / "model").is_dir() else folder)
    model.reads_bfloat16 = has_bfloat16()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Scorer(model.eval().to(device), show_progress=show_progress)
