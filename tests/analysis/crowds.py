"""Made-up crowds whose truth is known: answers of workers who know, and of workers who only fill in."""

import numpy as np
import pandas as pd


def make_answers(
    *, units: int = 200, each: int = 5, categories: int = 4, trust: tuple[float, ...] = (), seed: int = 0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Answers (unit, worker, answer) of `each` workers a unit, and the true category of each unit.

    trust: each worker's probability of knowing; who does not know answers at random.
    """
    generator = np.random.default_rng(seed)
    trust = trust or (0.9,) * 6 + (0.6,) * 4 + (0.0,) * 2
    truth = generator.integers(categories, size=units)
    workers = np.concatenate([generator.choice(len(trust), size=each, replace=False) for _ in range(units)])
    unit = np.repeat(np.arange(units), each)
    knows = generator.random(len(unit)) < np.asarray(trust)[workers]
    answer = np.where(knows, truth[unit], generator.integers(categories, size=len(unit)))
    return pd.DataFrame({"unit": unit, "worker": workers, "answer": answer}), truth
