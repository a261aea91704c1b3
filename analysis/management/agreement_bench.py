"""What alpha costs: counting a long table, alpha of the counts, and its bootstrap, each timed apart; and a peer's."""

import dataclasses
import importlib.util
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.agreement import describe, resample
from analysis.agreement_breakdowns import alpha_without_each_rater
from analysis.rating_counts import Level, count_ratings

COLUMNS = {"unit": "unit", "rater": "rater", "value": "value"}
UNITS_PER_ITEM = 5  # systems
MOST_POINTS_OF_PEER = 20  # with 101 it takes more than 20 GB


@dataclasses.dataclass(frozen=True, slots=True)
class BenchConfig:
    """units, each with `raters` ratings; draws of the bootstrap."""

    units: int = 100_000
    raters: int = 5
    draws: int = 1000
    seed: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """points: values of the scale. cluster: what the bootstrap draws, None for units."""

    level: Level
    points: int
    cluster: str | None


CASES: Mapping[str, Case] = {
    "ordinal, 5 points, units drawn": Case("ordinal", 5, None),
    "ordinal, 5 points, items drawn": Case("ordinal", 5, "item"),
    "interval, 5 points, items drawn": Case("interval", 5, "item"),
    "nominal, 5 categories, items drawn": Case("nominal", 5, "item"),
    "interval, slider of 1,001, items drawn": Case("interval", 1001, "item"),
    "interval, slider of 1,001, units drawn": Case("interval", 1001, None),
    "ordinal, slider of 101, items drawn": Case("ordinal", 101, "item"),
}


def bench_agreement(config: BenchConfig) -> dict[str, Any]:
    """CPU-seconds and seconds on the clock of each case and step, and the peak memory of the process in MB."""
    results: dict[str, Any] = {name: time_case(case, config) for name, case in CASES.items()}
    table = make_ratings(config, 5)
    _, without = timed(lambda: alpha_without_each_rater(table, level="ordinal", **COLUMNS))
    results["without each rater, ordinal, 5 points"] = {"all": without}
    results["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return results


def time_case(case: Case, config: BenchConfig) -> dict[str, dict[str, float]]:
    table = make_ratings(config, case.points)
    counts, counting = timed(lambda: count_ratings(table, level=case.level, cluster=case.cluster, **COLUMNS))
    _, alpha = timed(lambda: describe(counts))
    _, bootstrap = timed(lambda: resample(counts, seed=config.seed, draws=config.draws))
    return {"count": counting, "alpha": alpha, "bootstrap": bootstrap} | time_peer(case, config, table)


def time_peer(case: Case, config: BenchConfig, table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Alpha by the package krippendorff, where it is installed: of a matrix, which is not counted in its time.

    It has no bootstrap, and of many values it would fill the memory.
    """
    if case.points > MOST_POINTS_OF_PEER or not importlib.util.find_spec("krippendorff"):
        return {}
    import krippendorff

    matrix = table["value"].to_numpy().reshape(config.units, config.raters).T
    _, alpha = timed(lambda: krippendorff.alpha(reliability_data=matrix, level_of_measurement=case.level))
    return {"alpha by krippendorff": alpha}


def make_ratings(config: BenchConfig, points: int) -> pd.DataFrame:
    """Ratings of units with effects of their own: alpha about one half. Every rater rates every unit."""
    generator = np.random.default_rng(config.seed)
    shape = (config.units, config.raters)
    latent = generator.normal(size=(config.units, 1)) + generator.normal(size=shape)
    values = np.clip(np.round((latent / 6 + 0.5) * (points - 1)), 0, points - 1)
    units = np.repeat(np.arange(config.units), config.raters)
    return pd.DataFrame(
        {
            "unit": units,
            "item": units // UNITS_PER_ITEM,
            "rater": np.tile(np.arange(config.raters), config.units),
            "value": values.ravel(),
        }
    )


def timed(step: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What the step returns, and its time; CPU-seconds say more than the clock where a machine is shared."""
    clock, cpu = time.perf_counter(), time.process_time()
    result = step()
    return result, {"cpu_seconds": time.process_time() - cpu, "seconds": time.perf_counter() - clock}
