"""Scores of completions by a trained preference model, as a plain callable."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reward_models.model import PreferenceModel, load_model


@dataclass(frozen=True, slots=True)
class Scorer:
    """(prompts, completions, records) → logits; batched by length, and the same whatever the batch.

    σ((score − mean) / temperature) is the preference in (0, 1).
    """

    model: PreferenceModel
    batch: int = 256

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
        # Rows of similar length share a batch, so that little is padded.
        order = np.argsort([len(prompt) + len(text) for prompt, text in zip(prompts, completions, strict=True)])
        for start in range(0, len(order), self.batch):
            rows = order[start : start + self.batch]
            scores[rows] = self.model([prompts[row] for row in rows], [completions[row] for row in rows]).cpu().numpy()
        return scores


def load_scorer(folder: Path) -> Scorer:
    """The scorer of the model in `folder`, or in `folder/model` if that is a run of train_reward_model."""
    model = load_model(folder / "model" if (folder / "model").is_dir() else folder)
    return Scorer(model.eval().to("cuda" if torch.cuda.is_available() else "cpu"))
