"""The card of a trained reward model: README.md beside its weights, in the Hub's form.

Numbers come from the training's summary and from its evaluation, none from anywhere else.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.results import format_number
from annotation.records import SPLITS
from annotation.wording import count_nouns
from reward_models.config import RewardModelConfig
from reward_models.dataset import PairSplits, count_votes
from reward_models.management.cautions import caution_of_prompts, caution_of_training
from reward_models.management.evaluation_details import MODEL
from reward_models.management.evaluation_page import IN_NATS, MEASURES, SURER_MAJORITY, describe_lengths, write_measure
from reward_models.management.markdown import quote_markdown, write_table
from reward_models.management.model_card_metadata import describe_metadata, name_source, write_metadata
from reward_models.management.model_card_usage import WITH_PREFLOOP, write_usage
from reward_models.management.model_evaluation import Evaluation
from reward_models.model import PreferenceModel

CARD, CALIBRATION = "README.md", "calibration.png"
LAYOUTS = {
    "encoder": "prompt and completion in the encoder, log-odds of a good against a bad verdict at the decoder's start",
    "decoder": "the completion in the decoder, log-odds of a good against a bad verdict after its end",
    "decoder-mean": "the completion in the decoder, the mean over its tokens of the log-odds of a good against a bad "
    "verdict",
    "likelihood": "the scaled log-likelihood of the completion after the prompt",
    "scalar": "a linear head on the model's state after both texts",
}
LOSSES = {
    "bradley-terry": "cross-entropy of σ(s_a − s_b) against the smoothed share of votes for a (Bradley-Terry)",
    "classification": "cross-entropy of σ(s) of each completion against the smoothed share of votes for it",
}
MOST_SYSTEMS = 12  # that are named, and pairings of them with a row of their own
HIDDEN = ("base_model", "layout", "loss")  # settings that stand elsewhere in the card


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a card tells of.

    base_model in `config` and `pairs`: as they were given, a path or a hub name. summary: of the training. manifest:
    of the export, empty for other data. evaluation: None if the test split allows none. is_control: whether the votes
    were shuffled; may_share_prompts: whether near-duplicates in two splits were allowed.
    """

    name: str
    model: PreferenceModel
    config: RewardModelConfig
    pairs: str
    data_layout: str
    splits: PairSplits
    summary: Mapping[str, Any]
    evaluation: Evaluation | None
    manifest: Mapping[str, Any] = field(default_factory=dict)
    is_control: bool = False
    may_share_prompts: bool = False

    @property
    def is_simulated(self) -> bool:
        return bool(self.manifest.get("simulated"))


def write_card(trained: TrainedModel, folder: Path, calibration: Path | None = None) -> None:
    """README.md in the model's `folder`, and beside it the figure of its calibration, if there is one."""
    if calibration is not None:
        shutil.copyfile(calibration, folder / CALIBRATION)
    (folder / CARD).write_text(compose_card(trained), encoding="utf-8")


def compose_card(trained: TrainedModel) -> str:
    results = trained.evaluation.results if trained.evaluation else None
    metadata = describe_metadata(
        trained.name, trained.config.base_model, trained.pairs, results, is_simulated=trained.is_simulated
    )
    sections = {
        "How to use it": _describe_use(trained),
        "What it learned from": _describe_data(trained),
        "How it was trained": _describe_training(trained),
        "How good it is": _describe_evaluation(trained.evaluation),
        "What it is for": _list(INTENDED),
        "Limits": _list(_list_limits(trained)),
    }
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections.items())
    return f"{write_metadata(metadata)}\n# {quote_markdown(trained.name)}\n\n{_open_card(trained)}\n\n{body}\n"


def _open_card(trained: TrainedModel) -> str:
    base = quote_markdown(name_source(trained.config.base_model))
    notes = ""
    if trained.is_simulated:
        which = "some of the votes" if _count_people(trained.manifest) else "the votes"
        notes += f"> **Simulated votes.** Simulated workers cast {which} that this model learned; it says nothing sure "
        notes += "of what people prefer.\n\n"
    if trained.is_control:
        notes += (
            "> **A control.** Both sides' votes were exchanged in a random half of the pairs before training; this "
        )
        notes += "model is not meant to be used.\n\n"
    if caution := caution_of_training(trained.summary):
        notes += f"> **Untrained.** {caution}\n\n"
    learned = "learned nothing that helped from" if caution else "learned from"
    votes, pairs = count_votes(trained.splits.train), len(trained.splits.train)
    return (
        f"{notes}A reward model. It gives a prompt's completion a score s in nats, the higher the more it is expected "
        f"to be preferred; σ(s_a − s_b) is the share of votes that a is expected to get against b. It began as the "
        f"base model {base} and {learned} {count_nouns(votes, 'vote')} on {count_nouns(pairs, 'pair')} of completions "
        "by Prefloop's `train_reward_model`."
    )


# How to use it


def _describe_use(trained: TrainedModel) -> str:
    settings = trained.model.settings
    return (
        f"With Prefloop:\n\n```python\n{WITH_PREFLOOP}```\n\nWith transformers alone, a text at a time:\n\n"
        f"```python\n{write_usage(trained.model)}```\n\n"
        f"A completion must fit whole into {settings.max_tokens:,} tokens; a prompt that does not fit beside it loses "
        "its beginning, which Prefloop does by itself. As a reward between 0 and 1 take σ((s − m) / t) with "
        f"m = {_exact(settings.mean)}, the mean of the scores on the validation split, and "
        f"t = {_exact(settings.temperature)}, a share of their spread. How the score is read also stands in "
        "`preference_model.json`."
    )


def _exact(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


# What it learned from


def _describe_data(trained: TrainedModel) -> str:
    splits, summary = trained.splits, trained.summary
    by_split = dict(zip(SPLITS, (splits.train, splits.validation, splits.test), strict=True))
    rows = [
        (split, f"{len(pairs):,}", f"{count_votes(pairs):,}", f"{sum(bool(pair.label) for pair in pairs):,}")
        for split, pairs in by_split.items()
    ]
    facts = [
        f"Pairs: {quote_markdown(name_source(trained.pairs))}, layout {trained.data_layout}. No prompt is in two "
        f"splits; near-duplicates {'may be' if trained.may_share_prompts else 'are not either'}.",
        *_describe_campaign(trained.manifest),
        *(f"Pairs left out: {count:,}, {reason}." for reason, count in splits.left_out.items()),
        _describe_cuts(summary["prompts_cut"], len({pair.prompt for pairs in by_split.values() for pair in pairs})),
    ]
    return f"{write_table(('split', 'pairs', 'votes', 'pairs with a majority'), rows)}\n\n{_list(facts)}"


def _describe_cuts(cut: int, prompts: int) -> str:
    if not cut:
        return "Every prompt was read whole."
    return f"Prompts that lost their beginning, for want of room beside a completion: {cut:,} of {prompts:,}."


def _describe_campaign(manifest: Mapping[str, Any]) -> list[str]:
    facts = []
    if "campaign" in manifest:
        facts.append(f"Campaign: {quote_markdown(str(manifest['campaign']))}{_count_workers(manifest)}.")
    agreement = manifest.get("agreement", {})
    for question in manifest.get("questions", ()):
        asked = quote_markdown(str(question.get("text") or question["name"]))
        share = agreement.get(question["name"])
        said = "" if share is None else f" Two workers who judged the same answered alike in {share:.1%}."
        facts.append(f"Asked: “{asked}”{said}")
    return facts


def _count_workers(manifest: Mapping[str, Any]) -> str:
    workers = manifest.get("counts", {}).get("workers")
    if not workers:
        return ""
    if not manifest.get("simulated"):
        return f", judged by {count_nouns(workers, 'worker')}"
    people = _count_people(manifest)
    beside = f" and {people:,} {'person' if people == 1 else 'people'}" if people else ""
    return f", judged by {count_nouns(workers - people, 'simulated worker')}{beside}"


def _count_people(manifest: Mapping[str, Any]) -> int:
    """Workers who were not simulated; 0 where an export does not say where its workers came from."""
    by_source = manifest.get("counts", {}).get("workers_by_source", {})
    return sum(count for source, count in by_source.items() if source != "simulation")


# How it was trained


def _describe_training(trained: TrainedModel) -> str:
    config, summary = trained.config, trained.summary
    layout = trained.model.settings.layout
    weights = f"low-rank additions of rank {config.lora_rank}, merged" if config.lora_rank else "all weights"
    facts = [
        f"Base model: {quote_markdown(name_source(config.base_model))}, {trained.model.family}; {weights} trained.",
        f"Score, layout `{layout}`: {LAYOUTS[layout]}.",
        f"Loss: {LOSSES[config.loss]}.",
        f"{count_nouns(summary['steps'], 'step')} in {summary['precision']}; the weights are those "
        f"{_name_epoch(summary)}, which had the least log loss against the shares of votes on the validation split: "
        f"{format_number(summary['validation_log_loss'])} nats.",
    ]
    names = [name for name in RewardModelConfig.__slots__ if name not in HIDDEN]
    settings = write_table(("setting", "value"), [(f"`{name}`", str(getattr(config, name))) for name in names])
    return f"{_list(facts)}\n\n{settings}"


def _name_epoch(summary: Mapping[str, Any]) -> str:
    return f"of epoch {summary['best_epoch']}" if summary["best_epoch"] else "from before the first epoch"


# How good it is


def _describe_evaluation(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "Not evaluated: no pair of the test split has a majority of its votes."
    results = evaluation.results
    parts = [
        f"On {count_nouns(results['pairs'], 'pair')} with a majority from the {results['split']} split, whose prompts "
        "it has not seen; in brackets 95% bootstrap intervals over prompts.",
        caution_of_prompts(results["prompts"]),
        _tabulate_scorers(results),
        _describe_workers(results["workers"]),
        _tabulate_parts(evaluation),
        describe_lengths(results["lengths"]) if results["lengths"] else "",
        f"Of pairs to which it gives a probability, how many were decided so:\n\n![Calibration]({CALIBRATION})",
        _tabulate_calibration(evaluation),
        _describe_temperature(results["calibration"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _tabulate_scorers(results: Mapping[str, Any]) -> str:
    rows = []
    for name, measures in results["scorers"].items():
        shown = [write_measure(measures[key]) if name == MODEL or key not in IN_NATS else "—" for key in MEASURES]
        rows.append((quote_markdown(name), *shown))
    return write_table(("scorer", *MEASURES.values()), rows)


def _describe_workers(workers: Mapping[str, Any]) -> str:
    if not workers:
        return ""
    rater, scorer, gap = (write_measure(workers[name]) for name in ("rater", "scorer", "difference"))
    return (
        f"Held against the other workers of a pair, a single worker agrees with their majority in {rater} and the "
        f"model in {scorer}, half where they are divided; the difference is {gap}."
    )


def _tabulate_parts(evaluation: Evaluation) -> str:
    table = evaluation.tables["breakdown"]
    systems = table[table["by"] == "systems"]
    left_out = systems.sort_values("pairs", ascending=False, kind="stable").index[MOST_SYSTEMS:]
    rows = [
        (
            f"{row.by}: {quote_markdown(str(row.part))}",
            write_measure(row._asdict(), "accuracy"),
            f"{row.pairs:,}",
        )
        for row in table.drop(left_out).itertuples()
    ]
    note = (
        f"\n\nLeft out: {count_nouns(len(left_out), 'more pairing')} of systems, of fewer pairs each."
        if len(left_out)
        else ""
    )
    return write_table(("part", MEASURES["pair_accuracy"], "pairs"), rows) + note


def _tabulate_calibration(evaluation: Evaluation) -> str:
    rows = [
        (
            format_number(row.predicted),
            write_measure(row._asdict(), "observed"),
            f"{row.pairs:,}",
        )
        for row in evaluation.tables["calibration"].itertuples()
    ]
    return write_table(("mean probability of a", "share decided for a, Wilson interval", "pairs"), rows)


def _describe_temperature(calibration: Mapping[str, Any]) -> str:
    if not calibration:
        return ""
    loss, scaled = (format_number(calibration[f"log_loss_{name}"]) for name in ("as_trained", "scaled"))
    validation = count_nouns(calibration["validation_pairs"], "validation pair")
    return (
        f"On {validation} with a majority the temperature of least log loss is "
        f"{format_number(calibration['temperature'], 2)}: scores divided by it would have a log loss of {scaled} nats "
        f"instead of {loss}. They are left as they are. {SURER_MAJORITY}"
    )


# What it is for, and its limits

INTENDED = (
    "As a reward in reinforcement learning, or to choose the best of several completions, for prompts and completions "
    "like those it learned from.",
    "To compare completions of the same prompt. Scores of different prompts are comparable only as far as the pooled "
    "AUC says.",
)


def _list_limits(trained: TrainedModel) -> list[str]:
    pairs = (*trained.splits.train, *trained.splits.validation)
    systems = sorted({system for pair in pairs for system in (pair.system_a, pair.system_b) if system})
    limits = [
        "It learned from the prompts, completions and voters above. Other kinds of prompts, other languages and longer "
        "texts are outside of what was measured here.",
        "It predicts votes. Where voters cannot see a flaw (a wrong fact, harm done elsewhere), it has not learned to.",
        "A policy that is tuned against it for long finds texts that it overrates: watch another measure than this.",
    ]
    if systems:
        named = ", ".join(map(quote_markdown, systems[:MOST_SYSTEMS]))
        named += f" and {len(systems) - MOST_SYSTEMS:,} others" if len(systems) > MOST_SYSTEMS else ""
        limits.insert(
            1, f"The completions were written by {named}; those of other systems may look unlike any of them."
        )
    if trained.evaluation and trained.evaluation.results["lengths"]:
        lengths = trained.evaluation.results["lengths"]
        model, voters = (f"{lengths[name]['estimate']:.1%}" for name in ("model", "voters"))
        limits.append(
            f"Length: it prefers the longer completion in {model} of test pairs of unequal length, voters in {voters}."
        )
    if trained.may_share_prompts:
        limits.append(
            "Near-duplicates of test prompts may be among those it learned from, so its measures may flatter it."
        )
    if trained.summary["prompts_cut"]:
        limits.append("It has seen some prompts without their beginning.")
    return limits


def _list(entries: Sequence[str]) -> str:
    return "\n".join(f"- {entry}" for entry in entries)
