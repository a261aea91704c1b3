"""What the models and measures of workers cost: Dawid-Skene, MACE with its restarts, and a requester's table."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from analysis.dawid_skene import dawid_skene
from analysis.mace import RESTARTS, mace
from analysis.management.agreement_bench import timed
from analysis.worker_tables import measure_raters, prepare_ratings, tabulate_workers

COLUMNS: dict[str, Any] = {"unit": "hit", "worker": "worker", "value": "value"}
STEPS = 100


@dataclasses.dataclass(frozen=True, slots=True)
class BenchConfig:
    """labels of five workers a unit, in five categories; a worker has a hundred or more."""

    labels: int = 10_000
    seed: int = 0


def bench_workers(config: BenchConfig) -> dict[str, dict[str, float]]:
    """CPU-seconds and seconds on the clock of each step, from the long table; Dawid-Skene for a hundred EM steps."""
    table = make_ratings(config)
    steps = {
        f"dawid-skene, {STEPS} steps": lambda: dawid_skene(table, **COLUMNS, steps=STEPS, tolerance=-1),
        f"dawid-skene, one coin, {STEPS} steps": lambda: dawid_skene(
            table, **COLUMNS, model="one-coin", steps=STEPS, tolerance=-1
        ),
        f"mace, {RESTARTS} restarts, converged": lambda: mace(table, **COLUMNS, seed=config.seed),
        "measures and flags": lambda: tabulate_workers(measure_raters(prepare_ratings(table))),
    }
    return {name: timed(step)[1] for name, step in steps.items()}


def make_ratings(config: BenchConfig) -> pd.DataFrame:
    """Workers who know the value with a probability of their own, and answer at random otherwise."""
    generator = np.random.default_rng(config.seed)
    units, workers, each = config.labels // 5, max(10, config.labels // 100), 5
    truth = generator.integers(1, 6, size=units)
    trust = generator.beta(4, 1.5, size=workers)
    # Five neighbours of a random first worker, so that nobody meets a unit twice.
    worker = (generator.integers(workers, size=(units, 1)) + np.arange(each)) % workers
    knows = generator.random((units, each)) < trust[worker]
    value = np.where(knows, truth[:, None], generator.integers(1, 6, size=(units, each)))
    return pd.DataFrame(
        {
            "hit": np.repeat(np.arange(units), each),
            "item": np.repeat(np.arange(units) // 5, each),
            "worker": worker.ravel(),
            "value": value.ravel(),
            "question": "quality",
            "scale_min": 1,
            "scale_max": 5,
            "active_seconds": generator.lognormal(3, 0.5, units * each),
        }
    )
