"""What the bench found, from the files of its stages: curves, fits, and what ensembles gain over a single model."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.overoptimisation import Form, fit_overoptimisation
from analysis.resampling import Floats
from rl.management.demo.workshop import Result, Workplace
from rl.management.overoptimisation.best_of import Candidates, gold_gains, load_candidates
from rl.management.overoptimisation.nlpo import PENALTIES, Arm, read_trace
from rl.management.overoptimisation.rewards import ENSEMBLES, REWARDS, SINGLE
from rl.management.overoptimisation.study import Overoptimisation
from rl.management.overoptimisation.yardstick import make_yardstick, mean_over_prompts

SCALES = ("gold", "proxy")
UNIT = "standard deviations of the supervised policy's samples"
STAGES_QUOTED = ("task", "supervised", "votes", "reward-models", "best-of-n")
Row = dict[str, Any]


def gather_outcome(shop: Workplace[Overoptimisation]) -> Result:
    """Everything that results.json holds: no times, so that the same study writes the same bytes."""
    candidates = load_candidates(shop)
    stages = {name: shop.numbers(name) for name in STAGES_QUOTED}
    gains = {arm: measure_arm(shop, candidates, arm) for arm in _arms(shop)}
    curves = stages["best-of-n"].pop("curves")
    tuned = {
        penalty: {reward: _average_runs(gains, reward, penalty, shop) for reward in REWARDS} for penalty in PENALTIES
    }
    return {
        "simulated": True,
        "seed": shop.experiment.seed,
        "unit_of_gains": UNIT,
        "stages": stages,
        "best_of_n": curves,
        "nlpo": tuned,
        "fits": [*fit_best_of_n(curves), *fit_nlpo(gains)],
        "gains_over_the_single_model": compare_at_the_end(shop, candidates, gains),
    }


def _arms(shop: Workplace[Overoptimisation]) -> list[Arm]:
    runs = range(shop.experiment.nlpo.runs)
    return [Arm(reward, penalty, run) for penalty in PENALTIES for reward in REWARDS for run in runs]


def measure_arm(shop: Workplace[Overoptimisation], candidates: Candidates, arm: Arm) -> list[Row]:
    """The snapshots of an arm as gains (P,) over the supervised policy, prompt by prompt; it starts at 0."""
    prompts = len(candidates.gold)
    yardsticks = {
        "gold": make_yardstick(candidates.gold),
        "proxy": make_yardstick(candidates.proxy_of_run(arm.reward, arm.run)),
    }
    rows: list[Row] = [{"iteration": 0, "kl_nats": 0.0} | {scale: np.zeros(prompts) for scale in SCALES}]
    for row in read_trace(shop, arm):
        scores = {scale: yardsticks[scale].gain(np.array(row[scale])[:, None])[:, 0] for scale in SCALES}
        rows.append({"iteration": row["iteration"], "kl_nats": row["kl_nats"]} | scores)
    return rows


def _average_runs(
    gains: Mapping[Arm, list[Row]], reward: str, penalty: str, shop: Workplace[Overoptimisation]
) -> list[Row]:
    """A row for each snapshot, the runs averaged prompt by prompt; `runs` has them one by one."""
    traces = [rows for arm, rows in gains.items() if (arm.reward, arm.penalty) == (reward, penalty)]
    seed = shop.experiment.seed
    return [
        {
            "iteration": rows[0]["iteration"],
            "kl_nats": float(np.mean([row["kl_nats"] for row in rows])),
            **{scale: mean_over_prompts(np.mean([row[scale] for row in rows], axis=0), seed) for scale in SCALES},
            "runs": [
                {"kl_nats": row["kl_nats"], **{scale: float(row[scale].mean()) for scale in SCALES}} for row in rows
            ],
        }
        for rows in zip(*traces, strict=True)
    ]


def fit_best_of_n(curves: Mapping[str, Sequence[Row]]) -> list[Row]:
    return [
        _fit(
            [(row["kl_nats"], row[scale]["estimate"]) for row in curves[reward]],
            "best-of-n",
            {"method": "best-of-n", "penalty": "", "reward": reward, "scale": scale},
        )
        for reward in REWARDS
        for scale in SCALES
    ]


def fit_nlpo(gains: Mapping[Arm, list[Row]]) -> list[Row]:
    """One fit for all runs of a reward, each snapshot a point."""
    fits = []
    for penalty in PENALTIES:
        for reward in REWARDS:
            rows = [row for arm, run in gains.items() if (arm.reward, arm.penalty) == (reward, penalty) for row in run]
            for scale in SCALES:
                points = [(row["kl_nats"], float(row[scale].mean())) for row in rows]
                fits.append(
                    _fit(points, "rl", {"method": "nlpo", "penalty": penalty, "reward": reward, "scale": scale})
                )
    return fits


def _fit(points: Sequence[tuple[float, float]], form: Form, about: Mapping[str, str]) -> Row:
    """NaN becomes null: JSON knows no other way to say that there is no number."""
    distances = [math.sqrt(max(0.0, kl)) for kl, _ in points]
    fit = fit_overoptimisation(distances, [gain for _, gain in points], form)
    numbers = {name: getattr(fit, name) for name in ("alpha", "beta", "peak", "peak_gain", "residual")}
    plain = {name: None if math.isnan(value) else value for name, value in numbers.items()}
    return {
        **about,
        "form": fit.form,
        **plain,
        "points": fit.used,
        "furthest": max(distances),
        "notes": list(fit.warnings),
    }


def compare_at_the_end(
    shop: Workplace[Overoptimisation], candidates: Candidates, gains: Mapping[Arm, list[Row]]
) -> list[Row]:
    """Gold of each ensemble less that of the single model: at the largest n, and at the end of NLPO."""
    study, rows = shop.experiment, []
    largest = study.best_of_n.sizes[-1:]
    single = gold_gains(candidates, SINGLE, largest)[:, 0]
    for ensemble in ENSEMBLES:
        difference = gold_gains(candidates, ensemble, largest)[:, 0] - single
        rows.append(_gain_row("best-of-n", "", ensemble, [difference], study.seed))
    for penalty in PENALTIES:
        for ensemble in ENSEMBLES:
            differences = [
                gains[Arm(ensemble, penalty, run)][-1]["gold"] - gains[Arm(SINGLE, penalty, run)][-1]["gold"]
                for run in range(study.nlpo.runs)
            ]
            rows.append(_gain_row("nlpo", penalty, ensemble, differences, study.seed))
    return rows


def _gain_row(method: str, penalty: str, reward: str, differences: Sequence[Floats], seed: int) -> Row:
    """differences: (P,) of each run. The interval is over prompts; `by_run` shows what it leaves out."""
    interval = mean_over_prompts(np.mean(differences, axis=0), seed)
    by_run = [float(difference.mean()) for difference in differences]
    return {"method": method, "penalty": penalty, "reward": reward, **interval, "by_run": by_run}


def tabulate(outcome: Result) -> dict[str, pd.DataFrame]:
    """The tables that are written beside results.json."""
    curves = [
        {"reward": reward, "n": row["n"], "kl_nats": row["kl_nats"], **_columns(row)}
        for reward, rows in outcome["best_of_n"].items()
        for row in rows
    ]
    tuned = [
        {
            "penalty": penalty,
            "reward": reward,
            "iteration": row["iteration"],
            "kl_nats": row["kl_nats"],
            **_columns(row),
        }
        for penalty, rewards in outcome["nlpo"].items()
        for reward, rows in rewards.items()
        for row in rows
    ]
    runs = [
        {"penalty": penalty, "reward": reward, "iteration": row["iteration"], "run": number, **run}
        for penalty, rewards in outcome["nlpo"].items()
        for reward, rows in rewards.items()
        for row in rows
        for number, run in enumerate(row["runs"])
    ]
    tables = {"best_of_n": curves, "nlpo": tuned, "nlpo_runs": runs, "fits": outcome["fits"]}
    tables["gains"] = outcome["gains_over_the_single_model"]
    return {
        name: pd.DataFrame(rows).drop(columns=["notes", "by_run"], errors="ignore") for name, rows in tables.items()
    }


def _columns(row: Row) -> dict[str, float]:
    return {
        scale if key == "estimate" else f"{scale}_{key}": row[scale][key]
        for scale in ("proxy", "gold")
        for key in ("estimate", "low", "high")
    }
