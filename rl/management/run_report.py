"""The page of one RL run: what it was, how it went, what to look for in each curve, and what the policy writes now."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.narrow_drawing import show_figure
from analysis.report import (
    Bullets,
    Details,
    KeyNumber,
    LabelledText,
    Note,
    Paragraph,
    Part,
    Report,
    Section,
    SideBySide,
    Table,
    write_report,
)
from analysis.results import format_number
from annotation.run_folders import plain
from rl.management import run_curves as curves
from rl.management.run_curves import Curve
from rl.management.run_records import PolicyRun, is_number, read_policy_run
from rl.management.run_words import DECODINGS, algorithm_name, decoding_name, metric_name, reward_name, short_number

STAGES = {"collect_s": "collect", "reward_s": "reward", "update_s": "update"}
HEADLINE_METRICS = ("reward", "meteor")
WORDS = (
    "Reinforcement learning goes round in iterations. In each, the policy (the language model) writes a response to "
    "every prompt of a batch, each response gets a reward, and an update makes well-rewarded tokens likelier.",
    "The reference is the policy that the penalty holds on to, usually the one that training started from. KL, in "
    "nats, says how far the policy has moved from it: 0 is nowhere.",
    "β is the price of that distance: reward − β · log-ratio is what is learned from.",
    "NLPO lets the policy draw only from the tokens that an older copy of it, the masking policy, finds likely; "
    "“masked” numbers belong to that restricted policy. Greedy takes the likeliest token each time.",
    "Each row of the rollout is measured before that iteration's update; evaluations are made after it, on validation "
    "prompts that are never trained on.",
)


def write_run_report(folder: Path) -> None:
    """Write `report.html` into the run folder `folder`, which may be partial; InputError if it is no RL run."""
    run = read_policy_run(folder)
    partial = folder / "report.html.partial"
    write_report(build_report(run), partial)
    partial.rename(folder / "report.html")


def build_report(run: PolicyRun) -> Report:
    """The page from the run's rows; what the run has not measured is left out."""
    sections = [
        describe_warnings(run),
        Section("Reward", tuple(show(curves.reward(run), curves.reward_against_kl(run)))),
        describe_validation(run),
        Section("Distance from the reference", tuple(describe_distance(run))),
        Section("What it writes", tuple(show(curves.entropy(run), curves.length(run)))),
        Section("The update", tuple(show(curves.ratios(run), curves.values(run)))),
        Section("The mask", tuple(show(curves.support_mass(run)))),
        show_samples(run),
        describe_time(run),
        describe_configuration(run),
    ]
    algorithm = algorithm_name(run)
    return Report(
        title=f"{algorithm} on {run.setting('task')}",
        kicker=f"Prefloop training run · {run.name} · seed {run.setting('seed')}",
        lead=lead(run),
        key_numbers=tuple(key_numbers(run)),
        sections=tuple(section for section in sections if section.parts),
        footer="Every number is in metrics.jsonl and evaluations.jsonl beside this page; manage.py report_run writes "
        "the page again.",
    )


def lead(run: PolicyRun) -> str:
    done, planned = run.iterations[-1], run.setting("iterations")
    reward = run.column("reward")
    state = f"{done} iterations" if done == planned else f"{done} of {planned} iterations so far"
    rewarded_by = reward_name(str(run.setting("reward.name")))
    sentence = (
        f"{state} of {run.setting('prompts')} prompts, rewarded by {rewarded_by}. The mean reward went "
        f"from {short_number(reward[0])} to {short_number(reward[-1])}"
    )
    if not run.has("kl_exact_per_sequence"):
        return sentence + "."
    distance = short_number(run.column("kl_exact_per_sequence")[-1])
    return f"{sentence}, and the policy moved {distance} nats a response away from its reference."


def key_numbers(run: PolicyRun) -> Iterator[KeyNumber]:
    """First and last of what matters; nothing for what was not measured."""
    yield KeyNumber(short_number(run.column("reward")[-1]), "reward, last iteration", _first(run, "reward"))
    yield from _validation_numbers(run)
    labels = {
        "kl_exact": ("exact KL, nats a token", "policy to reference, unmasked"),
        "kl_exact_per_sequence": ("exact KL, nats a response", "policy to reference, unmasked"),
        "entropy": ("entropy, nats a token", _first(run, "entropy")),
        "length_tokens": ("response length, tokens", _first(run, "length_tokens")),
    }
    for measure, (label, detail) in labels.items():
        if run.has(measure):
            yield KeyNumber(short_number(run.column(measure)[-1]), label, detail)
    if run.has("tokens_per_s"):
        speed = run.column("tokens_per_s")
        yield KeyNumber(short_number(sum(speed) / len(speed)), "response tokens a second", "mean over iterations")


def _first(run: PolicyRun, measure: str) -> str:
    return f"first iteration {short_number(run.column(measure)[0])}" if run.has(measure) else ""


def _validation_numbers(run: PolicyRun) -> Iterator[KeyNumber]:
    """The headline metric at the last evaluation, sampled and greedy, with the highest and the first beside it."""
    metric = headline_metric(run)
    for decoding in ("sampled", "greedy"):
        points = curves.evaluation_points(run, decoding, metric) if metric else []
        if points:
            best = max(points, key=lambda point: point[1])
            detail = f"before {short_number(points[0][1])}, best {short_number(best[1])} at iteration {best[0]}"
            label = f"validation {metric_name(metric or '')}, {decoding_name(decoding)}"
            yield KeyNumber(short_number(points[-1][1]), label, detail)


def headline_metric(run: PolicyRun) -> str | None:
    """The metric that stands for validation: the reward itself where it was evaluated."""
    names = curves.evaluation_metrics(run)
    return next((name for name in (*HEADLINE_METRICS, *names) if name in names), None)


def show(*drawn: Curve | None) -> Iterator[Part]:
    for curve in drawn:
        if curve is not None:
            yield show_figure(curve.figure, curve.caption, curve.title)


def describe_warnings(run: PolicyRun) -> Section:
    """Each warning once, with the iterations it stood at; then what the words on this page mean."""
    parts: list[Part] = []
    for warning, iterations in collect_warnings(run).items():
        symptom, _, cause = warning.partition(": ")
        cause = cause or "see the curves below."
        where = f"{iterations[0]}" if len(iterations) == 1 else f"{iterations[0]} to {iterations[-1]}"
        title = symptom[:1].upper() + symptom[1:].rstrip(".") + "."
        parts.append(Note(f"{cause[:1].upper()}{cause[1:]} (Iteration {where}.)", title))
    if not parts:
        text = (
            "No warning: the entropy did not collapse, the mean log-ratio to the reference did not stay negative, "
            "rewards differed, and responses were not empty."
        )
        parts.append(Paragraph(text))
    return Section("Warnings", (*parts, Details("The words on this page", (Bullets(WORDS),))))


def collect_warnings(run: PolicyRun) -> dict[str, list[int]]:
    """Warnings with their iterations. Sentences that differ in numbers alone are one warning, in its last wording."""
    found: dict[str, tuple[str, list[int]]] = {}
    for row in run.metrics:
        for warning in row.get("warnings", ()):
            kind = re.sub(r"\d[\d.,]*", "#", warning)
            _, iterations = found.get(kind, ("", []))
            found[kind] = (warning, [*iterations, int(row["iteration"])])
    return dict(found.values())


def describe_validation(run: PolicyRun) -> Section:
    rows = []
    for metric in curves.evaluation_metrics(run):
        for decoding in curves.evaluation_decodings(run):
            points = curves.evaluation_points(run, decoding, metric)
            if points:
                first, last = points[0][1], points[-1][1]
                best = max(points, key=lambda point: point[1])
                change = format_number(last - first).lstrip()
                signed = change if change.startswith("−") else f"+{change}"
                numbers = (format_number(first), format_number(last), signed, format_number(best[1]), str(best[0]))
                rows.append((metric_name(metric), decoding_name(decoding), *numbers))
    columns = ("metric", "decoding", "first", "last", "change", "highest", "at iteration")
    table = [Details("All validation numbers", (Table(columns, tuple(rows)),))] if rows else []
    return Section("Validation", (*show(curves.validation(run)), *table))


def describe_distance(run: PolicyRun) -> Iterator[Part]:
    yield from show(curves.divergence(run))
    coefficients = [value for value in run.column("kl_coefficient") if is_number(value)]
    if len(set(coefficients)) > 1:
        yield from show(curves.coefficient(run))
    elif coefficients:
        yield Paragraph(f"The penalty's weight β stayed at {short_number(coefficients[0])}.")


def show_samples(run: PolicyRun) -> Section:
    """For each shown prompt: before, half-way, and at the last evaluation. Other decodings open on a click."""
    decodings = [name for name in DECODINGS if any(name in row for row in run.samples)]
    if not decodings:
        return Section("Completions", ())
    text = (
        f"The first validation prompts, nothing was picked; {decoding_name(decodings[0])}, with the same random "
        "numbers each time, so that a difference is the policy's. Look for texts that keep answering the prompt: the "
        "same phrase under every prompt, or words strung together for the metric, are what a mean hides."
    )
    rest = [Details(f"The same prompts, {decoding_name(name)}", tuple(_compare(run, name))) for name in decodings[1:]]
    return Section("Completions", (Paragraph(text), *_compare(run, decodings[0]), *rest))


def _compare(run: PolicyRun, decoding: str) -> Iterator[SideBySide]:
    by_item: dict[str, list[Mapping[str, Any]]] = {}
    for row in run.samples:
        if decoding in row:
            by_item.setdefault(row["item"], []).append(row)
    for rows in by_item.values():
        chosen = [rows[place] for place in sorted({0, len(rows) // 2, len(rows) - 1})]
        texts = [
            LabelledText(_when(row["iteration"]), row[decoding] if row[decoding].strip() else "(empty)")
            for row in chosen
        ]
        yield SideBySide(rows[0]["prompt"], tuple(texts))


def _when(iteration: int) -> str:
    return "before training" if iteration == 0 else f"after iteration {iteration}"


def describe_time(run: PolicyRun) -> Section:
    measured = {column: name for column, name in STAGES.items() if run.has(column)}
    if not measured:
        return Section("Where the time went", ())
    totals = {name: sum(run.column(column)) for column, name in measured.items()}
    total = sum(totals.values())
    rows = [(name, f"{seconds:.1f}", f"{seconds / total:.1%}") for name, seconds in totals.items()]
    table = Table(
        ("stage", "seconds", "share"),
        (*rows, ("all iterations", f"{total:.1f}", "100%")),
        "Evaluations and checkpoints are not counted.",
    )
    return Section("Where the time went", (*show(curves.seconds(run, measured)), table))


def describe_configuration(run: PolicyRun) -> Section:
    rows = tuple((key, setting_text(value)) for key, value in flatten(plain(run.config)))
    return Section("Configuration", (Details("Every setting", (Table(("setting", "value"), rows),)),))


def flatten(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(group.key, value) of nested settings."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def setting_text(value: Any) -> str:
    """A setting as a table shows it."""
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
