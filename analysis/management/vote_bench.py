"""What strengths cost: counting votes, the fit, and its bootstrap, beside other packages on the same votes."""

import dataclasses
import importlib.util
import resource
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from analysis.bradley_terry import Ties, fit_votes
from analysis.management.agreement_bench import timed
from analysis.resampling import Floats
from analysis.strength_bootstrap import resample_strengths
from analysis.vote_counts import VoteCounts, count_votes
from analysis.win_rates import resample_win_rates

COLUMNS: dict[str, Any] = {"system_a": "system_a", "system_b": "system_b", "vote": "vote"}
VOTES_PER_ITEM = 5


@dataclasses.dataclass(frozen=True, slots=True)
class VoteBenchConfig:
    """votes between `systems`, five an item; draws of the bootstrap."""

    votes: int = 50_000
    systems: int = 20
    draws: int = 1000
    seed: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class VoteCase:
    """has_ties: whether votes have any. cluster: what the bootstrap draws, None for votes."""

    has_ties: bool
    ties: Ties
    cluster: str | None = None
    left: str | None = None


CASES: dict[str, VoteCase] = {
    "Bradley-Terry, votes drawn": VoteCase(False, "drop"),
    "Bradley-Terry, items drawn": VoteCase(False, "drop", "item"),
    "Davidson, items drawn": VoteCase(True, "davidson", "item"),
    "Davidson with the side, items drawn": VoteCase(True, "davidson", "item", "left"),
}


def bench_votes(config: VoteBenchConfig) -> dict[str, Any]:
    """CPU-seconds and seconds on the clock of each case and step, of peers, and the peak memory in MB.

    `largest_difference` is how far a peer's strengths lie from ours; a peer that is not installed is None.
    """
    results: dict[str, Any] = {name: time_case(case, config) for name, case in CASES.items()}
    results["win rates, items drawn"] = time_win_rates(config)
    results["peers"] = time_peers(config)
    results["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return results


def time_case(case: VoteCase, config: VoteBenchConfig) -> dict[str, dict[str, float]]:
    table = make_votes(config, has_ties=case.has_ties)
    counts, counting = timed(lambda: count_votes(table, cluster=case.cluster, left=case.left, **COLUMNS))
    _, fit = timed(lambda: fit_votes(counts, case.ties))
    _, bootstrap = timed(lambda: resample_strengths(counts, ties=case.ties, seed=config.seed, draws=config.draws))
    return {"count": counting, "fit": fit, "bootstrap": bootstrap}


def time_win_rates(config: VoteBenchConfig) -> dict[str, dict[str, float]]:
    counts = count_votes(make_votes(config, has_ties=True), cluster="item", **COLUMNS)
    _, bootstrap = timed(lambda: resample_win_rates(counts, ties="half", seed=config.seed, draws=config.draws))
    return {"bootstrap": bootstrap}


def make_votes(config: VoteBenchConfig, *, has_ties: bool) -> pd.DataFrame:
    """Votes by the model, strengths from -1 to 1; a fifth of even pairs are ties where there are ties."""
    generator = np.random.default_rng(config.seed)
    first = generator.integers(config.systems, size=config.votes)
    second = (first + generator.integers(1, config.systems, size=config.votes)) % config.systems
    strengths = np.linspace(-1, 1, config.systems)
    eta = strengths[second] - strengths[first]
    weights = np.stack([np.exp(-eta / 2), np.full(config.votes, 0.5 * has_ties), np.exp(eta / 2)])
    shares = np.cumsum(weights / weights.sum(axis=0), axis=0)
    return pd.DataFrame(
        {
            "system_a": first,
            "system_b": second,
            "vote": (generator.random(config.votes) > shares[:2]).sum(axis=0) - 1,
            "left": generator.choice(["a", "b"], size=config.votes),
            "item": np.arange(config.votes) // VOTES_PER_ITEM,
        }
    )


def time_peers(config: VoteBenchConfig) -> dict[str, dict[str, float] | None]:
    """One fit each of the votes without ties, and how far its strengths lie from ours."""
    table = make_votes(config, has_ties=False)
    ours = _strengths(count_votes(table, **COLUMNS))
    times: dict[str, dict[str, float] | None] = {}
    for name, (package, prepare) in PEERS.items():
        times[name] = None
        if importlib.util.find_spec(package):
            fit = prepare(table, config.systems)
            strengths, time = timed(fit)
            difference = float(np.abs(strengths - strengths.mean() - ours).max())
            times[name] = time | {"largest_difference": difference}
    return times


def _strengths(counts: VoteCounts) -> Floats:
    fit = fit_votes(counts, "drop")
    assert fit.parameters is not None, "the bench's systems all win and lose"
    return np.asarray(fit.contrasts @ fit.parameters[: fit.free])


def _fit_with_choix(algorithm: str) -> Callable[[pd.DataFrame, int], Callable[[], Floats]]:
    def prepare(table: pd.DataFrame, systems: int) -> Callable[[], Floats]:
        import choix

        winner = np.where(table["vote"] == 1, table["system_b"], table["system_a"])
        loser = np.where(table["vote"] == 1, table["system_a"], table["system_b"])
        pairs = list(zip(winner.tolist(), loser.tolist(), strict=True))
        return lambda: np.asarray(getattr(choix, algorithm)(systems, pairs))

    return prepare


def _fit_with_statsmodels(table: pd.DataFrame, systems: int) -> Callable[[], Floats]:
    import statsmodels.api as sm

    rows = np.arange(len(table))
    design = np.zeros((len(table), systems))
    design[rows, table["system_b"]] = 1
    design[rows, table["system_a"]] = -1
    won = (table["vote"] == 1).to_numpy(dtype=np.float64)
    return lambda: np.append(0.0, sm.Logit(won, design[:, 1:]).fit(disp=False).params)


PEERS: dict[str, tuple[str, Callable[[pd.DataFrame, int], Callable[[], Floats]]]] = {
    "choix, ilsr_pairwise": ("choix", _fit_with_choix("ilsr_pairwise")),
    "choix, opt_pairwise": ("choix", _fit_with_choix("opt_pairwise")),
    "statsmodels, Logit": ("statsmodels", _fit_with_statsmodels),
}
