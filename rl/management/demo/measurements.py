"""The demo's numbers: of the votes, the reward model, and the arms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from analysis.agreement import bootstrap_alpha
from analysis.anova import anova_one_way
from analysis.correlation import correlate
from analysis.groups import group_means
from analysis.intervals import paired_difference_interval
from analysis.post_hoc import tukey_hsd
from analysis.preferences import binomial_test, sign_flip_test, win_counts
from analysis.vote_power import sign_flip_power
from annotation.records import Comparison, Rating
from rl.generate import Sample, generate_samples
from rl.management.demo.completions import PURPOSES, completions_of, judge_samples, mean_gold, task_items
from rl.management.demo.workshop import Workshop
from rl.management.run_records import read_metrics
from rl.policy import load_policy

VOTES = {"a": -1.0, "b": 1.0, "tie": 0.0, "both_bad": 0.0}
POWER_SIMULATIONS = 400


def brief(result: Any) -> dict[str, Any]:
    """What a summary keeps of a statistic: the number, its interval, p and n."""
    content = asdict(result)
    kept = ("estimate", "statistic", "low", "high", "p_value", "used", "units_used", "eta_squared", "reason")
    return {key: content[key] for key in kept if content.get(key) not in (None, "")}


def measure_agreement(comparisons: Sequence[Comparison], seed: int) -> dict[str, Any]:
    """Krippendorff's alpha on a/b, never on left/right, with items resampled; ties are missing answers."""
    rows = [(vote.pair, vote.item, vote.worker, vote.choice) for vote in comparisons if vote.choice in ("a", "b")]
    table = pd.DataFrame(rows, columns=["pair", "item", "worker", "choice"])
    alpha = bootstrap_alpha(
        table, unit="pair", rater="worker", value="choice", level="nominal", cluster="item", seed=seed
    )
    return brief(alpha)


def measure_contest(
    comparisons: Sequence[Comparison], identical_items: Sequence[str], raters_per_hit: int, seed: int
) -> dict[str, Any]:
    """One system against another: positive is for b. An item with two identical completions counts as ties."""
    rows = [(vote.item, VOTES[vote.choice]) for vote in comparisons]
    rows += [(item, 0.0) for item in identical_items for _ in range(raters_per_hit)]
    table = pd.DataFrame(rows, columns=["item", "vote"])
    counts = win_counts(table, vote="vote")
    flip = sign_flip_test(table, unit="item", vote="vote", seed=seed)
    return {
        "wins_b": counts.wins_b,
        "wins_a": counts.wins_a,
        "ties": counts.ties,
        "identical_items": len(identical_items),
        "mean_vote": brief(flip),
        "binomial_paper_protocol": brief(binomial_test(counts)),
        "agreement": measure_agreement(comparisons, seed),
    }


def measure_power(contest: Mapping[str, Any], items: int, raters_per_hit: int, seed: int) -> dict[str, float]:
    """The sign-flip test's power at this size, by simulation, for several true mean votes.

    With the observed share of ties, and the observed alpha as the correlation of two votes on an item.
    """
    votes = contest["wins_a"] + contest["wins_b"] + contest["ties"]
    alpha = contest["agreement"]["estimate"]
    correlation = min(0.95, max(0.0, alpha)) if math.isfinite(alpha) else 0.0
    return {
        f"{mean_vote:.2f}": sign_flip_power(
            units=items,
            votes_per_unit=raters_per_hit,
            mean_vote=mean_vote,
            seed=seed,
            correlation=correlation,
            tie_share=contest["ties"] / votes,
            simulations=POWER_SIMULATIONS,
        ).estimate
        for mean_vote in (0.02, 0.05, 0.1)
    }


def measure_gold(shop: Workshop, systems: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Mean gold of each system on all test prompts, sampled and greedy."""
    return {
        system: {
            kind: mean_gold(judge_samples(shop, completions_of(shop, system, "test", is_greedy=kind == "greedy")))
            for kind in ("sampled", "greedy")
        }
        for system in systems
    }


def gold_difference(shop: Workshop, first: str, second: str, *, is_greedy: bool) -> dict[str, Any]:
    """Gold of `second` less that of `first` on the same test prompts."""

    def utilities(system: str) -> list[float]:
        samples = completions_of(shop, system, "test", is_greedy=is_greedy)
        return [score.utility for score in judge_samples(shop, samples)]

    return brief(paired_difference_interval(utilities(first), utilities(second)))


def trace_gold(shop: Workshop, arm: str, system: str) -> list[dict[str, float]]:
    """Gold against KL along a run: the start, its snapshots and its end, on test prompts that no training saw."""
    items = task_items(shop, "test", shop.experiment.trajectory_items)
    decoder = shop.experiment.decoder(PURPOSES["trajectory"])
    run = shop.folder / arm
    rows = read_metrics(run)
    kl_before = {row["iteration"]: row["kl_exact_per_sequence"] for row in rows}
    points = [(0, shop.folder / "supervised" / "policy")]
    points += [(int(folder.name.rpartition("-")[2]), folder) for folder in sorted((run / "snapshots").glob("*"))]
    points.append((len(rows), run / "policy"))
    trace = []
    for iteration, policy in points:
        model, tokenizer = load_policy(policy)
        samples = generate_samples(model, tokenizer, items, system, decoder, show_progress=False)
        gold = mean_gold(judge_samples(shop, samples))
        # A row's KL is that of the policy which sampled it, so the policy after iteration n is in row n + 1.
        kl = 0.0 if iteration == 0 else kl_before.get(iteration + 1, kl_before[len(rows)])
        trace.append({"iteration": iteration, "kl_nats_per_sequence": kl} | gold)
    return trace


def measure_ratings(ratings: Sequence[Rating], seed: int) -> dict[str, Any]:
    """Alpha, means, one-way ANOVA and Tukey HSD for each question."""
    table = pd.DataFrame([asdict(rating) for rating in ratings])
    table["unit"] = table["item"] + " · " + table["system"]
    return {question: _measure_question(rows, seed) for question, rows in table.groupby("question")}


def _measure_question(rows: pd.DataFrame, seed: int) -> dict[str, Any]:
    agreement = {
        level: brief(
            bootstrap_alpha(rows, unit="unit", rater="worker", value="value", level=level, cluster="item", seed=seed)
        )
        for level in ("ordinal", "interval")
    }
    means = group_means(rows, group="system", value="value", cluster="item", seed=seed)
    tukey = tukey_hsd(rows, group="system", value="value")
    return {
        "agreement": agreement,
        "means": {system: brief(mean) for system, mean in means.items()},
        "anova_paper_protocol": brief(anova_one_way(rows, group="system", value="value")),
        "tukey_paper_protocol": [asdict(pair) for pair in tukey.pairs],
    }


def correlate_with_people(
    ratings: Sequence[Rating], samples: Sequence[Sample], scores: Mapping[str, np.ndarray], seed: int
) -> dict[str, Any]:
    """Segment-level correlation of each automatic score with the mean human rating of quality."""
    table = pd.DataFrame([asdict(rating) for rating in ratings if rating.question == "quality"])
    human = table.groupby(["item", "system"])["value"].mean()
    segments = pd.DataFrame(
        {"item": [sample.item for sample in samples], "system": [sample.system for sample in samples], **scores}
    )
    segments["human"] = [human.loc[key] for key in zip(segments["item"], segments["system"], strict=True)]
    return {
        name: {
            coefficient: brief(
                correlate(segments, metric=name, human="human", coefficient=coefficient, cluster="item", seed=seed)
            )
            for coefficient in ("pearson", "spearman", "kendall")
        }
        for name in scores
    }
