"""The demo's stages after the trainings: the votes and what they show. Each returns the numbers of the summary."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from analysis.intervals import paired_difference_interval
from annotation.record_readers import read_comparisons, read_preferences, read_ratings
from reward_models.management.evaluation import evaluate_on_votes, gold_score
from reward_models.scoring import Scorer, load_scorer
from rl.generate import Sample
from rl.management.demo.completions import (
    completions_of,
    coverage_scores,
    draw_candidates,
    judge_samples,
    mean_gold,
)
from rl.management.demo.measurements import (
    brief,
    correlate_with_people,
    gold_difference,
    measure_agreement,
    measure_contest,
    measure_gold,
    measure_power,
    measure_ratings,
    trace_gold,
)
from rl.management.demo.votes import (
    hold_campaign,
    open_campaign,
    pair_row,
    rating_rows,
    select_incomplete_pairs,
    select_pairs,
)
from rl.management.demo.workshop import Result, Workshop
from rl.metrics.meteor import meteor

FORCED_CHOICE = {"task": "commongen-pairwise", "allow_tie": False, "allow_both_bad": False}
WITH_TIES = {"task": "commongen-pairwise", "allow_tie": True, "allow_both_bad": False}
LIKERT = {"task": "commongen-likert"}
RATED_SYSTEMS = ("zero-shot", "supervised", "nlpo", "supervised+nlpo", "arm-c")
# Other workers in each campaign; the second vote asks people who took no part in the first.
SEEDS = {
    "first-vote": 1,
    "c-against-b": 2,
    "c-against-a": 3,
    "likert": 4,
    "your-turn-pairs": 5,
    "your-turn-ratings": 6,
}
VISITOR_ITEMS = 40


def hold_first_vote(shop: Workshop) -> Result:
    """Supervised against arm A on training prompts, forced choice as in the paper.

    alpha: on complete pairs, as the paper's; on all pairs it is higher, since broken sentences are easily agreed on.
    """
    experiment = shop.experiment
    supervised = completions_of(shop, "supervised", "train")
    tuned = completions_of(shop, "supervised+nlpo", "train")
    wanted, seed = experiment.first_vote, experiment.seed
    complete = select_pairs(supervised, tuned, wanted.pairs, seed)
    pairs = complete + select_incomplete_pairs(supervised, tuned, wanted.incomplete_pairs, seed)
    random.Random(f"order of pairs {seed}").shuffle(pairs)
    export = hold_campaign(shop, "first-vote", pairs, wanted, FORCED_CHOICE, SEEDS["first-vote"])
    comparisons = [vote for vote in read_comparisons(export) if vote.counts]
    names = {row["pair"] for row in complete}
    alpha = measure_agreement([vote for vote in comparisons if vote.pair in names], seed)
    lefts = np.mean([vote.choice == vote.left for vote in comparisons])
    for_a = np.mean([vote.choice == "a" for vote in comparisons])
    return {
        "pairs": len(pairs),
        "incomplete_pairs": len(pairs) - len(complete),
        "votes": len(comparisons),
        "workers": len({vote.worker for vote in comparisons}),
        "alpha": alpha,
        "alpha_of_all_pairs": measure_agreement(comparisons, seed),
        "share_of_votes_for_supervised": float(for_a),
        "share_of_votes_for_left": float(lefts),
        "line": f"{len(comparisons)} votes on {len(pairs)} pairs; alpha {_interval(alpha)}",
    }


def evaluate_reward_model(shop: Workshop) -> Result:
    """Accuracy and AUC beside their ceilings, and best-of-n by the model, coverage, likelihood and the oracle."""
    seed = shop.experiment.seed
    scorer = load_scorer(shop.folder / "reward-model")
    pairs = [pair for pair in read_preferences(shop.folder / "first-vote") if pair.split == "test"]
    votes = evaluate_on_votes(pairs, {"reward model": scorer, "gold ceiling": gold_score(shop.folder / "task")}, seed)
    best_of = compare_selectors(shop, scorer)
    gain = best_of["reward model less coverage"]
    return {
        "votes": votes,
        "best_of": best_of,
        "line": f"AUC {_interval(votes['reward model']['pooled_auc'])} (ceiling "
        f"{votes['gold ceiling']['pooled_auc']['estimate']:.3f}); best-of-n gold over coverage {_interval(gain, '+')}",
    }


def compare_selectors(shop: Workshop, scorer: Scorer) -> Result:
    """Gold of the candidate that each selector takes from n samples of the supervised policy; ties: the first."""
    samples, log_likelihood = draw_candidates(shop)
    scores = judge_samples(shop, samples)
    utility = np.array([score.utility for score in scores])
    coverage = coverage_scores(samples)
    preference = scorer([sample.prompt for sample in samples], [sample.completion for sample in samples])
    selectors = {
        "first sample": np.zeros(len(samples)),
        "coverage": coverage,
        "plain likelihood": log_likelihood,
        "reward model": preference,
        "reward of arm C without METEOR": expit((preference - scorer.mean) / scorer.temperature) / (1 - coverage),
        "oracle": utility,
    }
    size = shop.experiment.best_of.samples
    picked = {name: pick_best(values, size) for name, values in selectors.items()}
    gold = {name: mean_gold([scores[row] for row in rows]) for name, rows in picked.items()}
    gain = paired_difference_interval(utility[picked["coverage"]].tolist(), utility[picked["reward model"]].tolist())
    return {"n": size, "prompts": len(samples) // size, "gold": gold, "reward model less coverage": brief(gain)}


def pick_best(values: np.ndarray, size: int) -> np.ndarray:
    """The row with the highest value of each consecutive block of `size`."""
    return np.arange(0, len(values), size) + values.reshape(-1, size).argmax(axis=1)


def hold_second_vote(shop: Workshop) -> Result:
    """Arm C against arm B, the headline, and against arm A, the paper's comparison; ties allowed, new workers."""
    against_b = _hold_contest(shop, "c-against-b", "arm-b")
    against_a = _hold_contest(shop, "c-against-a", "supervised+nlpo")
    seed, vote = shop.experiment.seed, shop.experiment.second_vote
    headline = against_b["mean_vote"]
    return {
        "c_against_b": against_b,
        "c_against_a": against_a,
        "power_of_c_against_b": measure_power(against_b, vote.items, vote.raters_per_hit, seed),
        "line": f"C against B: {against_b['wins_b']} to {against_b['wins_a']}, {against_b['ties']} ties, mean vote "
        f"{_interval(headline, '+')}, p = {headline['p_value']:.2g}",
    }


def _hold_contest(shop: Workshop, name: str, rival: str) -> Result:
    vote = shop.experiment.second_vote
    pairs = list(zip(completions_of(shop, rival, "test"), completions_of(shop, "arm-c", "test"), strict=True))[
        : vote.items
    ]
    rows = [pair_row(a, b) for a, b in pairs if a.completion != b.completion]
    identical = [a.item for a, b in pairs if a.completion == b.completion]
    export = hold_campaign(shop, name, rows, vote, WITH_TIES, SEEDS[name])
    comparisons = [comparison for comparison in read_comparisons(export) if comparison.counts]
    return measure_contest(comparisons, identical, vote.raters_per_hit, shop.experiment.seed)


def judge_arms(shop: Workshop) -> Result:
    """Gold scores of all systems, C's difference from B and A, and gold against KL along each run."""
    systems = ("zero-shot", "supervised", "nlpo", "supervised+nlpo", "arm-b", "arm-c")
    differences: dict[str, Any] = {}
    for name, rival in (("c_less_b", "arm-b"), ("c_less_a", "supervised+nlpo")):
        for kind in ("sampled", "greedy"):
            differences[f"{name}_{kind}"] = gold_difference(shop, rival, "arm-c", is_greedy=kind == "greedy")
    arms = {"arm-a": "supervised+nlpo", "arm-b": "arm-b", "arm-c": "arm-c"}
    return {
        "gold": measure_gold(shop, systems),
        "differences": differences,
        "gold_along_runs": {arm: trace_gold(shop, arm, system) for arm, system in arms.items()},
        "line": f"gold of C less B: sampled {_interval(differences['c_less_b_sampled'], '+')}, "
        f"greedy {_interval(differences['c_less_b_greedy'], '+')}",
    }


def hold_likert_campaign(shop: Workshop) -> Result:
    """Five systems rated for quality and fluency; METEOR and the reward model beside the human means."""
    vote, seed = shop.experiment.likert, shop.experiment.seed
    samples = [sample for system in RATED_SYSTEMS for sample in completions_of(shop, system, "test")[: vote.items]]
    # An empty completion cannot be shown; it stays out and is counted.
    shown = [sample for sample in samples if sample.completion]
    export = hold_campaign(shop, "likert", rating_rows(shown), vote, LIKERT, SEEDS["likert"])
    ratings = [rating for rating in read_ratings(export) if rating.counts]
    questions = measure_ratings(ratings, seed)
    quality = questions["quality"]
    return {
        "ratings": len(ratings),
        "workers": len({rating.worker for rating in ratings}),
        "empty_completions_left_out": len(samples) - len(shown),
        "questions": questions,
        "correlation_with_people": correlate_with_people(ratings, shown, _automatic_scores(shop, shown), seed),
        "line": f"quality: alpha (ordinal) {_interval(quality['agreement']['ordinal'])}, ANOVA "
        f"p = {quality['anova_paper_protocol']['p_value']:.2g}",
    }


def open_campaigns_for_visitors(shop: Workshop) -> Result:
    """Two small campaigns that stay open, so that whoever runs `make serve` finds something to judge."""
    vote = shop.experiment.second_vote
    rest = slice(vote.items, vote.items + VISITOR_ITEMS)
    rivals = completions_of(shop, "arm-b", "test")[rest]
    tuned = completions_of(shop, "arm-c", "test")[rest]
    pairs = [pair_row(a, b) for a, b in zip(rivals, tuned, strict=True) if a.completion != b.completion]
    shown = [sample for sample in (*rivals, *tuned) if sample.completion]
    open_campaign(shop, "your-turn-pairs", pairs, vote, WITH_TIES, SEEDS["your-turn-pairs"])
    open_campaign(shop, "your-turn-ratings", rating_rows(shown), vote, LIKERT, SEEDS["your-turn-ratings"])
    return {"line": "`make serve` opens them, with the progress of all others"}


def _automatic_scores(shop: Workshop, samples: Sequence[Sample]) -> dict[str, np.ndarray]:
    scorer = load_scorer(shop.folder / "reward-model")
    return {
        "METEOR": np.array([meteor(sample.completion, sample.references) for sample in samples]),
        "reward model": scorer([sample.prompt for sample in samples], [sample.completion for sample in samples]),
    }


def _interval(result: dict[str, Any], sign: str = "") -> str:
    return f"{result['estimate']:{sign}.3f} [{result['low']:{sign}.3f}, {result['high']:{sign}.3f}]"
