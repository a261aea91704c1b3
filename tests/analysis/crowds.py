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


def make_ratings_of_crowd(
    *, items: int = 40, workers: int = 10, each: int = 4, severity: float = 0.0, seed: int = 0
) -> pd.DataFrame:
    """Ratings 1 to 5 of two systems an item by honest workers, `each` a unit, in `seconds`; a row a rating."""
    generator = np.random.default_rng(seed)
    of_worker = generator.normal(0, severity, size=workers)
    rows = []
    for item in range(items):
        quality = generator.normal(0, 0.8)
        for system in "st":
            worth = 3 + quality + generator.normal(0, 0.7)
            for worker in generator.choice(workers, size=each, replace=False):
                value = np.clip(np.round(worth + of_worker[worker] + generator.normal(0, 0.7)), 1, 5)
                seconds = float(np.exp(generator.normal(3, 0.5)))
                rows.append((f"item {item}", system, f"{item} {system}", f"worker {worker:02d}", int(value), seconds))
    return pd.DataFrame(rows, columns=["item", "system", "unit", "worker", "value", "seconds"])


def make_votes_of_crowd(*, pairs: int = 60, workers: int = 10, each: int = 3, seed: int = 0) -> pd.DataFrame:
    """Votes a or b of honest workers, sides at random; a row a vote."""
    generator = np.random.default_rng(seed)
    rows = []
    for pair in range(pairs):
        leaning = generator.normal(0, 1.5)
        for worker in generator.choice(workers, size=each, replace=False):
            choice = "ab"[int(leaning + generator.logistic() > 0)]
            rows.append((f"pair {pair}", f"worker {worker:02d}", "ab"[int(generator.integers(2))], choice))
    return pd.DataFrame(rows, columns=["pair", "worker", "left", "choice"])
