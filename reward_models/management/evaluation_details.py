"""Where a reward model is right, what people themselves reach, and how far its probabilities can be believed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.pair_scores import compare_with_raters, evaluate_scorer, fit_temperature, tabulate_calibration
from analysis.resampling import bootstrap_estimate
from analysis.tables import cluster_codes
from annotation.records import Comparison, Preference
from reward_models.baselines import words_of
from reward_models.management.cautions import caution_of_prompts, caution_of_split
from reward_models.management.evaluation import Score, evaluate_on_votes, tabulate_scores

VOTES = {"a": 1.0, "b": -1.0, "tie": 0.0, "both_bad": 0.0}
MODEL = "reward model"


def evaluate_in_detail(
    preferences: Sequence[Preference],
    scorers: dict[str, Score],
    comparisons: Sequence[Comparison],
    split: str,
    seed: int,
    cautions: Sequence[str] = (),
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Everything that the page shows of one split, and its tables.

    cautions: about the model, beside those that are found here.
    """
    # The model reads each text once, however many of the tables it stands in.
    scorers = scorers | {MODEL: _remember(scorers[MODEL])}
    pairs = [pair for pair in preferences if pair.split == split]
    decided = [pair for pair in pairs if pair.label]
    measured = evaluate_on_votes(pairs, scorers, seed)
    scores, _ = tabulate_scores(decided, {MODEL: scorers[MODEL]})
    validation = [pair for pair in preferences if pair.split == "validation"]
    calibration, bins = calibrate(validation, scores, scorers[MODEL], seed)
    evaluation = {
        "split": split,
        "pairs": measured["pairs"],
        "prompts": measured["prompts"],
        "cautions": [
            each for each in (caution_of_split(split), *cautions, caution_of_prompts(measured["prompts"])) if each
        ],
        "scorers": {name: measured[name] for name in scorers},
        "differences": {name: entry for name, entry in measured.items() if " less " in name},
        "workers": compare_with_workers(comparisons, pairs, scorers[MODEL], seed),
        "lengths": compare_lengths(decided, scores, seed),
        "calibration": calibration,
    }
    return evaluation, {"breakdown": break_down(decided, scores, seed), "calibration": bins}


def _remember(score: Score) -> Score:
    """The same scorer, which is asked for each prompt and completion once."""
    known: dict[tuple[str, str], float] = {}

    def look_up(prompts: Sequence[str], completions: Sequence[str]) -> np.ndarray:
        texts = list(zip(prompts, completions, strict=True))
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            known.update(zip(new, score([text[0] for text in new], [text[1] for text in new]), strict=True))
        return np.array([known[text] for text in texts])

    return look_up


def break_down(pairs: Sequence[Preference], scores: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Pair accuracy of the model by vote margin, by length gap and by the two systems: a row a part.

    scores: of `tabulate_scores`, a row for each of `pairs`.
    """
    gaps = np.array([len(words_of(pair.chosen or "")) - len(words_of(pair.rejected or "")) for pair in pairs])
    parts = {
        "vote margin": np.array([_name_margin(pair.margin) for pair in pairs]),
        "chosen is": np.select([gaps > 0, gaps < 0], ["longer", "shorter"], "as long"),
        "systems": np.array([" and ".join(sorted((pair.system_a, pair.system_b))) for pair in pairs]),
    }
    rows = []
    for by, names in parts.items():
        for name in np.unique(names):
            inside = scores[names == name]
            accuracy = evaluate_scorer(inside, label="is_a", logit=MODEL, cluster="prompt", seed=seed)["pair_accuracy"]
            shares = {"accuracy": accuracy.estimate, "low": accuracy.low, "high": accuracy.high}
            rows.append({"by": by, "part": name, **shares, "pairs": len(inside)})
    return pd.DataFrame(rows)


def compare_lengths(pairs: Sequence[Preference], scores: pd.DataFrame, seed: int) -> dict[str, Any]:
    """How often the voters' majority, and the model, prefer the longer of two completions, in words; the model's equal
    scores half. Pairs of equal length do not count; empty if all are.

    scores: of `tabulate_scores`, a row for each of `pairs`.
    """
    gaps = np.array([len(words_of(pair.completion_a)) - len(words_of(pair.completion_b)) for pair in pairs])
    differs = gaps != 0
    if not differs.any():
        return {}
    toward_longer = np.sign(gaps[differs])
    voters = (1 + toward_longer * (2 * scores["is_a"].to_numpy()[differs] - 1)) / 2
    model = (1 + toward_longer * np.sign(scores[MODEL].to_numpy()[differs])) / 2
    clusters, _ = cluster_codes(scores[differs], "prompt")
    found = {
        name: bootstrap_estimate(
            lambda weights, shares=shares: weights @ shares / weights.sum(axis=1),  # type: ignore[misc]
            clusters,
            method="share of pairs in which the longer one is preferred",
            seed=seed,
        )
        for name, shares in {"voters": voters, "model": model, "difference": model - voters}.items()
    }
    return {
        name: {key: getattr(share, key) for key in ("estimate", "low", "high", "used")} for name, share in found.items()
    }


def _name_margin(margin: float) -> str:
    if margin == 1:
        return "unanimous"
    return "above a half" if margin > 0.5 else "a half or less"


def compare_with_workers(
    comparisons: Sequence[Comparison], pairs: Sequence[Preference], scorer: Score, seed: int
) -> dict[str, Any]:
    """How often one worker, and the model, prefer what the pair's other workers prefer; empty without single votes."""
    votes = tabulate_votes(comparisons, pairs, scorer)
    return compare_votes(votes, seed) if len(votes) else {}


def tabulate_votes(comparisons: Sequence[Comparison], pairs: Sequence[Preference], scorer: Score) -> pd.DataFrame:
    """A row a counting vote on one of `pairs`: the vote, above 0 for a, and the scorer's difference on the pair."""
    scores, _ = tabulate_scores(pairs, {MODEL: scorer})
    of_pair = dict(zip([pair.pair for pair in pairs], scores[MODEL], strict=True))
    rows = [
        (each.pair, each.prompt, VOTES[each.choice], of_pair[each.pair])
        for each in comparisons
        if each.counts and each.pair in of_pair
    ]
    return pd.DataFrame(rows, columns=["pair", "prompt", "vote", "score"])


def compare_votes(votes: pd.DataFrame, seed: int) -> dict[str, Any]:
    """What `compare_with_workers` says of a table of votes."""
    compared = compare_with_raters(votes, unit="pair", vote="vote", score="score", cluster="prompt", seed=seed)
    return {
        name: {key: getattr(found, key) for key in ("estimate", "low", "high", "used", "dropped")}
        for name, found in compared.items()
    }


def calibrate(
    validation: Sequence[Preference], scores: pd.DataFrame, scorer: Score, seed: int
) -> tuple[dict[str, Any], pd.DataFrame]:
    """The temperature that validation pairs ask for, log loss and calibration error on the evaluated pairs with and
    without it, and the calibration table as it is.
    """
    decided = [pair for pair in validation if pair.label]
    table = tabulate_calibration(scores, label="is_a", logit=MODEL)
    if not decided:
        return {}, table
    of_validation, _ = tabulate_scores(decided, {MODEL: scorer})
    temperature = fit_temperature(of_validation, label="is_a", logit=MODEL)
    scaled = scores.assign(scaled=scores[MODEL] / temperature)
    found = {"temperature": temperature, "validation_pairs": len(decided)}
    for name, logit in (("as_trained", MODEL), ("scaled", "scaled")):
        measured = evaluate_scorer(scaled, label="is_a", logit=logit, cluster="prompt", seed=seed)
        found |= {f"{score}_{name}": measured[score].estimate for score in ("log_loss", "calibration_error")}
    return found, table
