"""Made-up completions with a human mean and metrics of known worth."""

import numpy as np
import pandas as pd

COLUMNS = {"human": "human", "item": "item", "system": "system"}


def make_completions(
    *, items: int = 40, systems: int = 5, gain: float = 0.4, noise: tuple[float, ...] = (0.5, 1.5), seed: int = 0
) -> pd.DataFrame:
    """A row a completion: human (whole numbers, so with ties), good and poor (metrics with this noise)."""
    generator = np.random.default_rng(seed)
    quality = gain * np.arange(systems) + generator.normal(size=(items, systems)) + generator.normal(size=(items, 1))
    table = pd.DataFrame(
        {
            "item": np.repeat(np.arange(items), systems),
            "system": np.tile([f"system {letter}" for letter in "abcdefghijkl"[:systems]], items),
            "human": np.round(quality + generator.normal(0, 0.5, size=quality.shape)).ravel(),
        }
    )
    for name, spread in zip(("good", "poor"), noise, strict=True):
        table[name] = (quality + generator.normal(0, spread, size=quality.shape)).ravel().round(2)
    return table
