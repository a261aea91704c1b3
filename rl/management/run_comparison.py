"""Finished runs of train_policy side by side: runs of one label are replicates that differ in their seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.intervals import mean_interval, paired_difference_interval
from analysis.narrow_drawing import show_figure
from analysis.report import Details, Figure, KeyNumber, Note, Paragraph, Part, Report, Section, Table, write_report
from analysis.results import Estimate, format_interval, format_number
from annotation.errors import InputError
from annotation.run_folders import open_run, write_json
from rl.logbook import EVALUATIONS, METRICS
from rl.management.run_curves import evaluation_decodings, evaluation_metrics, evaluation_points
from rl.management.run_figures import Final, Line, Panel, draw_finals, draw_panels
from rl.management.run_records import PolicyRun, is_number, read_finished_policy_run
from rl.management.run_report import flatten, headline_metric, setting_text
from rl.management.run_words import decoding_name, label_of, metric_name, short_number

Groups = Mapping[str, Mapping[int, PolicyRun]]  # label, then seed; the first label is what others are compared with
Measure = tuple[str, str]  # how it was decoded and the metric, or ROLLOUT and the column

ROLLOUT = "last rollout"
ROLLOUT_COLUMNS = {
    "reward": "mean reward",
    "kl_exact_per_sequence": "exact KL, nats a response",
    "kl_exact": "exact KL, nats a token",
    "entropy": "entropy, nats a token",
    "length_tokens": "response length, tokens",
}
CURVES = {
    "reward": "mean reward of the rollout",
    "kl_exact_per_sequence": "exact KL, nats a response",
    "entropy": "entropy, nats a token",
}


@dataclass(frozen=True, slots=True)
class ComparisonConfig:
    """What compare_runs was given."""

    runs: tuple[str, ...]


def compare_runs(arguments: Sequence[str], output: Path) -> dict[str, Any]:
    """Write `results.json` and `report.html` to the run folder `output`; returns the summary.

    arguments: folders of finished runs, each RUN or LABEL=RUN. InputError if one is no finished run, is given twice, or
    has the seed of another run of its label.
    """
    groups = group_runs(arguments)
    runs = [run for seeds in groups.values() for run in seeds.values()]
    inputs = [run.folder / name for run in runs for name in ("config.yaml", METRICS, EVALUATIONS)]
    with open_run(output, config=ComparisonConfig(tuple(arguments)), inputs=inputs) as folder:
        results = tabulate(groups)
        write_json(folder.path / "results.json", results)
        write_report(build_page(groups), folder.path / "report.html")
        summary = {label: {"seeds": list(seeds)} | headline_numbers(groups, label) for label, seeds in groups.items()}
        folder.write_summary(summary)
    return summary


def group_runs(arguments: Sequence[str]) -> dict[str, dict[int, PolicyRun]]:
    """The runs by label and seed, labels in the order in which they were first named."""
    groups: dict[str, dict[int, PolicyRun]] = {}
    seen: set[Path] = set()
    for argument in arguments:
        label, folder = split_argument(argument)
        run = read_finished_policy_run(folder)
        if folder.resolve() in seen:
            raise InputError(f"{folder} is given twice; expected different runs.")
        seen.add(folder.resolve())
        seeds = groups.setdefault(label or label_of(run), {})
        seed = run.config["seed"]
        if seed in seeds:
            raise InputError(
                f"{folder}: seed {seed} of {label or label_of(run)!r} is given already, by {seeds[seed].folder}; "
                "expected another seed, or a label of its own (LABEL=RUN)."
            )
        seeds[seed] = run
    return groups


def split_argument(argument: str) -> tuple[str | None, Path]:
    """`LABEL=RUN` or `RUN`; a folder whose own name has an equals sign is a RUN."""
    label, equals, folder = argument.partition("=")
    if not equals or Path(argument).exists():
        return None, Path(argument)
    if not label or not folder:
        raise InputError(f"{argument!r}: expected RUN or LABEL=RUN.")
    return label, Path(folder)


def final_values(run: PolicyRun) -> dict[Measure, float]:
    """The metrics of the last evaluation, and what the last rollout measured."""
    values = {
        (decoding, metric): float(run.evaluations[-1][decoding][metric])
        for metric in evaluation_metrics(run)
        for decoding in evaluation_decodings(run)
        if is_number(run.evaluations[-1].get(decoding, {}).get(metric))
    }
    last = run.metrics[-1]
    return values | {(ROLLOUT, name): float(last[name]) for name in ROLLOUT_COLUMNS if is_number(last.get(name))}


def measures_of(groups: Groups) -> list[Measure]:
    """All measures that any run has, in the order of the first that has them."""
    return list(
        dict.fromkeys(measure for seeds in groups.values() for run in seeds.values() for measure in final_values(run))
    )


def final_of(seeds: Mapping[int, PolicyRun], measure: Measure) -> dict[int, float]:
    """The measure by seed, of the runs that have it."""
    values = {seed: final_values(run).get(measure) for seed, run in seeds.items()}
    return {seed: value for seed, value in values.items() if value is not None}


def paired_difference(groups: Groups, label: str, measure: Measure) -> Estimate:
    """`label` less the first label, over the seeds that both have."""
    first, second = (final_of(groups[name], measure) for name in (next(iter(groups)), label))
    common = [seed for seed in first if seed in second]
    return paired_difference_interval([first[seed] for seed in common], [second[seed] for seed in common])


def tabulate(groups: Groups) -> dict[str, Any]:
    """Everything on the page, for programs: values by seed, means and paired differences."""
    first = next(iter(groups))
    return {
        "labels": {label: {seed: str(run.folder) for seed, run in seeds.items()} for label, seeds in groups.items()},
        "measures": {
            "/".join(measure): {
                label: {"by_seed": final_of(seeds, measure)}
                | describe(mean_interval([*final_of(seeds, measure).values()]))
                for label, seeds in groups.items()
            }
            for measure in measures_of(groups)
        },
        "paired_differences": {
            f"{label} less {first}": {
                "/".join(measure): describe(paired_difference(groups, label, measure))
                for measure in measures_of(groups)
            }
            for label in groups
            if label != first
        },
        "settings_that_differ": differing_settings(groups),
    }


def describe(estimate: Estimate) -> dict[str, Any]:
    """The number, its interval and how many runs it is of; what is not defined is left out, with the reason."""
    numbers = {"mean": estimate.estimate, "low": estimate.low, "high": estimate.high}
    kept: dict[str, Any] = {name: value for name, value in numbers.items() if is_number(value)}
    return kept | {"runs": estimate.used} | ({"reason": estimate.reason} if estimate.reason else {})


def differing_settings(groups: Groups) -> dict[str, dict[str, list[str]]]:
    """Settings, other than the seed, that are not the same in all runs: by label, the values that occur."""
    settings = {label: [dict(flatten(run.config)) for run in seeds.values()] for label, seeds in groups.items()}
    names = dict.fromkeys(name for rows in settings.values() for row in rows for name in row if name != "seed")
    values = {
        name: {
            label: list(dict.fromkeys(setting_text(row.get(name)) for row in rows)) for label, rows in settings.items()
        }
        for name in names
    }
    return {name: row for name, row in values.items() if len({value for cell in row.values() for value in cell}) > 1}


def headline_numbers(groups: Groups, label: str) -> dict[str, Any]:
    """Mean and interval of the headline metric, for each way of decoding."""
    return {
        " ".join(reversed(measure)): describe(mean_interval([*final_of(groups[label], measure).values()]))
        for measure in headline_measures(groups)
    }


def headline_measures(groups: Groups) -> list[Measure]:
    metric = headline_metric(next(iter(next(iter(groups.values())).values())))
    return [measure for measure in measures_of(groups) if measure[1] == metric and measure[0] != ROLLOUT]


def build_page(groups: Groups) -> Report:
    sections = [
        Section("Where they ended", tuple(describe_ends(groups))),
        Section("Paired differences", tuple(describe_differences(groups))),
        Section("Along the runs", tuple(describe_curves(groups))),
        Section("The runs", tuple(describe_runs(groups))),
    ]
    return Report(
        title="Training runs compared",
        kicker="Prefloop · " + ", ".join(groups),
        lead=lead(groups),
        key_numbers=tuple(key_numbers(groups)),
        sections=tuple(section for section in sections if section.parts),
        footer="Made by compare_runs; every number is in results.json, by seed.",
    )


def lead(groups: Groups) -> str:
    counts = ", ".join(f"{label} ({_count(len(seeds), 'seed')})" for label, seeds in groups.items())
    return (
        f"Validation at the end of each run: {counts}. A run of another seed is a replicate; intervals are Student's t "
        "over seeds, 95%."
    )


def key_numbers(groups: Groups) -> Iterator[KeyNumber]:
    """The first headline measure of each label."""
    measures = headline_measures(groups)
    for label, seeds in groups.items() if measures else ():
        mean = mean_interval([*final_of(seeds, measures[0]).values()])
        name = f"{metric_name(measures[0][1])}, {decoding_name(measures[0][0])}: {label}"
        yield KeyNumber(short_number(mean.estimate), name, format_interval(mean.low, mean.high))


def describe_ends(groups: Groups) -> Iterator[Part]:
    panels = {}
    for measure in headline_measures(groups):
        values = {label: [*final_of(seeds, measure).values()] for label, seeds in groups.items()}
        panels[decoding_name(measure[0])] = {
            label: Final(given, mean_interval(given), style)
            for style, (label, given) in enumerate(values.items())
            if given
        }
    if panels:
        caption = (
            "Filled: the mean over seeds, with its 95% interval (none for a single run). Open: each run. Look for "
            "labels that lie further apart than their runs scatter; with two or three seeds intervals are wide, and "
            "the paired differences say more."
        )
        figure = draw_finals(panels, xlabel=metric_name(headline_measures(groups)[0][1]))
        yield show_figure(figure, caption, "Final validation metric by label")

    def cells(measure: Measure) -> list[str]:
        return [_cell(mean_interval([*final_of(seeds, measure).values()])) for seeds in groups.values()]

    caption = (
        "Mean over seeds [95% interval]. A rollout is drawn as the algorithm trains: NLPO's under its mask, so its "
        "reward is not the whole policy's."
    )
    yield from _tables(groups, tuple(groups), cells, caption)


def _tables(
    groups: Groups, columns: Sequence[str], cells: Callable[[Measure], Sequence[str]], caption: str
) -> Iterator[Part]:
    """The headline metric and the rollout in sight, the other metrics on demand; no row that has no number."""
    rows = {measure: (*name_measure(measure), *cells(measure)) for measure in measures_of(groups)}
    rows = {measure: row for measure, row in rows.items() if set(row[2:]) != {"—"}}
    first = {measure for measure in rows if measure[0] == ROLLOUT or measure in headline_measures(groups)}
    head = ("measure", "of", *columns)
    yield Table(head, tuple(row for measure, row in rows.items() if measure in first), caption)
    others = tuple(row for measure, row in rows.items() if measure not in first)
    if others:
        yield Details("The other validation metrics", (Table(head, others, caption),))


def name_measure(measure: Measure) -> tuple[str, str]:
    source, name = measure
    return (ROLLOUT_COLUMNS[name], source) if source == ROLLOUT else (metric_name(name), decoding_name(source))


def _cell(estimate: Estimate, *, is_signed: bool = False) -> str:
    if not estimate.used:
        return "—"
    value = round(estimate.estimate, 3) + 0.0  # no minus before a zero
    sign = "+" if is_signed and value > 0 else ""
    interval = "(1 run)" if estimate.used == 1 else format_interval(estimate.low, estimate.high)
    return f"{sign}{format_number(value)} {interval}"


def describe_differences(groups: Groups) -> Iterator[Part]:
    """Nothing for a single label."""
    first, *others = groups
    if not others:
        return
    yield Paragraph(
        f"Each label less {first}, seed by seed, so that what a seed does to both cancels. An interval that leaves 0 "
        "out speaks for a difference; many rows are looked at here, and one in twenty would do so by chance."
    )
    panels = {}
    for measure in headline_measures(groups):
        estimates = [paired_difference(groups, label, measure) for label in others]
        shown = {
            label: Final((), estimate, style)
            for style, (label, estimate) in enumerate(zip(others, estimates, strict=True), start=1)
            if estimate.used
        }
        if shown:
            panels[decoding_name(measure[0])] = shown
    if panels:
        name = metric_name(headline_measures(groups)[0][1])
        figure = draw_finals(panels, xlabel=f"{name} less {first}'s", guide=0.0)
        caption = (
            f"Mean paired differences from {first}, with 95% intervals; one across the dashed 0 leaves the sign open."
        )
        yield show_figure(figure, caption, "Paired differences of the final validation metric")

    def cells(measure: Measure) -> list[str]:
        return [_cell(paired_difference(groups, label, measure), is_signed=True) for label in others]

    common = {label: len(groups[first].keys() & groups[label].keys()) for label in others}
    columns = [f"{label} ({_count(seeds, 'common seed')})" for label, seeds in common.items()]
    yield from _tables(groups, columns, cells, f"Mean difference from {first} [95% interval].")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def describe_curves(groups: Groups) -> Iterator[Part]:
    decodings = list(dict.fromkeys(name for name, _ in measures_of(groups) if name != ROLLOUT))
    figures = [_draw_evaluations(groups, decoding) for decoding in decodings]
    if figures:
        yield figures[0]
    panels = []
    for column, title in CURVES.items():
        traces = {
            label: [
                list(zip(run.iterations, run.column(column), strict=True)) for run in seeds.values() if run.has(column)
            ]
            for label, seeds in groups.items()
        }
        panels.append(Panel(title, tuple(mean_lines(traces))))
    rewards = {run.setting("reward.name") for seeds in groups.values() for run in seeds.values()}
    caption = "Thick: the mean over seeds. Thin: each seed. Look for more reward at the same KL, not for more KL alone."
    if len(rewards) > 1:
        caption += " The labels have different rewards, so that of their rewards only the shapes compare."
    drawing = draw_panels([panel for panel in panels if panel.lines])
    yield show_figure(drawing, caption, "Reward, KL and entropy by iteration")
    for figure, decoding in zip(figures[1:], decodings[1:], strict=True):
        yield Details(f"Validation, {decoding_name(decoding)}", (figure,))


def _draw_evaluations(groups: Groups, decoding: str) -> Figure:
    metrics = list(dict.fromkeys(metric for name, metric in measures_of(groups) if name == decoding))
    panels = []
    for metric in metrics:
        traces = {
            label: [points for run in seeds.values() if (points := evaluation_points(run, decoding, metric))]
            for label, seeds in groups.items()
        }
        panels.append(Panel(metric_name(metric), tuple(mean_lines(traces))))
    caption = (
        f"On validation prompts, {decoding_name(decoding)}. Thick: the mean over seeds. Thin: each seed. Look for "
        "thick lines that part by more than the thin ones scatter."
    )
    return show_figure(draw_panels(panels), caption, f"Validation metrics by iteration, {decoding_name(decoding)}")


def mean_lines(traces: Mapping[str, Sequence[Sequence[tuple[int, float]]]]) -> Iterator[Line]:
    """For each label a thin line a run, and the mean where all its runs have a value."""
    for style, (label, runs) in enumerate(traces.items()):
        if not runs:
            continue
        for points in runs if len(runs) > 1 else ():
            iterations, values = zip(*points, strict=True)
            yield Line(label, iterations, values, style, is_faint=True)
        rows = [dict(points) for points in runs]
        common = [iteration for iteration in rows[0] if all(iteration in row for row in rows)]
        yield Line(label, common, [sum(row[iteration] for row in rows) / len(rows) for iteration in common], style)


def describe_runs(groups: Groups) -> Iterator[Part]:
    differing = differing_settings(groups)
    mixed = [name for name, row in differing.items() if any(len(values) > 1 for values in row.values())]
    if mixed:
        text = (
            f"Runs of one label differ in more than their seed: {', '.join(mixed)}. So their spread is not the seed's "
            "alone."
        )
        yield Note(text, "Careful.")
    if differing:
        rows = tuple((name, *(" / ".join(row[label]) for label in groups)) for name, row in differing.items())
        yield Table(("setting", *groups), rows, "Settings that differ, other than the seed.")
    rows = tuple(
        (label, str(seed), str(run.iterations[-1]), str(count_warnings(run)), str(run.folder))
        for label, seeds in groups.items()
        for seed, run in seeds.items()
    )
    yield Table(("label", "seed", "iterations", "with warnings", "folder"), rows, "Each run has its own report.")


def count_warnings(run: PolicyRun) -> int:
    """Iterations at which the run warned."""
    return sum(bool(row.get("warnings")) for row in run.metrics)
