"""A learning curve as files: results.json, a table, a figure, and a page that says whether more votes would help."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Drawing

from analysis.drawing import save_figure
from analysis.narrow_drawing import show_figure
from analysis.report import KeyNumber, Note, Paragraph, Part, Report, Section, Table, write_report
from analysis.results import capitalized, format_interval, format_number
from annotation.run_folders import plain, write_json
from annotation.wording import count_nouns
from reward_models.management.cautions import name_untrained
from reward_models.management.evaluation import blank_undefined, is_clear
from reward_models.management.evaluation_page import MEASURES
from reward_models.management.learning_curve_figure import VOTE_LOSS, draw_curve

# What training is about. Accuracy sees only pairs whose order changes, so it needs more of them; the log loss of the
# majority falls also where scores only grow, as they do with more steps.
DECISIVE = "vote_log_loss"
LABELS = MEASURES | {"log_loss": "log loss of the majority, nats", DECISIVE: VOTE_LOSS}
FEW_RUNS = 5
SIMULATED = "Simulated workers cast these votes. The curve tells how fast the model learns them, not people's."

NEAR_DUPLICATES = (
    "Prompts that are all but the same may be in the train and the test split, and a larger part holds more of them: "
    "some of the rise may be recall."
)


def write_curve(results: Mapping[str, Any], folder: Path) -> None:
    """`results.json`, `tables/learning_curve.csv`, `figures/learning_curve.{svg,png}`, `report.html` in `folder`."""
    write_json(folder / "results.json", blank_undefined(plain(results)))
    (folder / "tables").mkdir(exist_ok=True)
    tabulate_curve(results).to_csv(folder / "tables" / "learning_curve.csv", index=False)
    figure = draw_curve(results)
    save_figure(figure, folder / "figures", "learning_curve")
    write_report(build_page(results, figure), folder / "report.html")


def tabulate_curve(results: Mapping[str, Any]) -> pd.DataFrame:
    """A row a size, run and measure; run is "mean" for the mean over runs. Workers' agreement has no rows for runs."""
    rows = []
    for size in results["sizes"]:
        shared = {"share": size["share"], "pairs": size["pairs"]}
        of_runs = [(str(run["repeat"] + 1), run["votes"], run["measures"]) for run in size["runs"]]
        means = dict(size["measures"])
        if size["workers"]:
            means |= {"agreement_with_other_workers": size["workers"]["scorer"]}
        for name, votes, measures in [*of_runs, ("mean", size["votes"], means)]:
            for measure, found in measures.items():
                ends = {key: found[key] for key in ("estimate", "low", "high")}
                rows.append(shared | {"votes": votes, "run": name, "measure": measure} | ends)
    return pd.DataFrame(rows)


def build_page(results: Mapping[str, Any], figure: Drawing) -> Report:
    largest, gain = results["sizes"][-1], results["gain"]
    numbers = [
        KeyNumber(_number(largest["measures"]["pair_accuracy"]), f"pair accuracy with {_votes(largest)}",
                  _interval(largest["measures"]["pair_accuracy"])),
        KeyNumber(_number(gain["measures"][DECISIVE]), f"{VOTE_LOSS}, from {_count(gain['votes_before'])} to "
                  f"{_votes(largest)}", _interval(gain["measures"][DECISIVE])),
    ]  # fmt: skip
    if largest["workers"]:
        numbers.append(KeyNumber(_number(largest["workers"]["rater"]), "one worker, by the other workers",
                                 _interval(largest["workers"]["rater"])))  # fmt: skip
        numbers.append(KeyNumber(_number(largest["workers"]["scorer"]), "the model, by the same workers",
                                 _interval(largest["workers"]["scorer"])))  # fmt: skip
    notes: list[Part] = [Note(SIMULATED, "Simulated votes.")] if results["simulated"] else []
    if results["may_share_prompts"]:
        notes.append(Note(NEAR_DUPLICATES, "Near-duplicates were allowed."))
    trained = "once" if results["repeats"] == 1 else f"{results['repeats']} times"
    return Report(
        title="How much more would votes help?",
        kicker=f"Learning curve · {len(results['sizes'])} sizes, each trained {trained} · "
        f"{count_nouns(results['pairs'], 'test pair')} with a majority",
        lead=judge_curve(results),
        key_numbers=tuple(numbers),
        sections=(
            Section("The curve", (*notes, show_figure(figure, _caption(results)), _tabulate_sizes(results))),
            Section("The last step", tuple(_describe_gain(results))),
            Section("What is left to gain", tuple(_describe_ceilings(results))),
        ),
        footer="Made by measure_learning_curve; every number is in results.json and tables/learning_curve.csv.",
    )


def judge_curve(results: Mapping[str, Any]) -> str:
    """The lead: whether more votes would help, or that nothing was learned by which it could be told."""
    return describe_untrained(results) or judge_gain(results["gain"])


def describe_untrained(results: Mapping[str, Any]) -> str:
    """Why the curve tells nothing: no training of its last two sizes improved on the untrained model. Else empty."""
    untrained = [all(run["best_epoch"] == 0 for run in size["runs"]) for size in results["sizes"]]
    if not all(untrained[-2:]):
        return ""
    which = "at any size" if all(untrained) else "at the last two sizes"
    tested = name_untrained(results["layout"])
    return (
        f"No epoch improved on the untrained model {which}: what was tested there is {tested}, whatever the votes. So "
        "the curve says nothing about more votes. Try another learning rate, or more epochs."
    )


def judge_gain(gain: Mapping[str, Any]) -> str:
    """Whether the curve still rises at its end, by the paired difference of the last two sizes and its interval; and
    which of the other measures changes clearly."""
    return " ".join([_judge_vote_loss(gain), *_list_clear_changes(gain["measures"])])


def _judge_vote_loss(gain: Mapping[str, Any]) -> str:
    found = gain["measures"][DECISIVE]
    if math.isnan(found["low"]):
        return "Test pairs of one prompt are too few for an interval, so whether the curve still rises cannot be told."
    step = f"From {_count(gain['votes_before'])} to {_count(gain['votes_after'])} votes the log loss of a vote"
    if found["high"] < 0:
        change = f"{_number(found, -1)} nats {_interval(found, -1)}"
        return f"The curve still rises at its end, so more votes would help. {step} falls by {change}."
    change = f"changes by {_number(found)} nats {_interval(found)}"
    if found["low"] > 0:
        return f"More votes of this kind would not help a model that is trained like this. {step} {change}: it rises."
    return f"The curve cannot be told from a flat one at its end. {step} {change}."


def _list_clear_changes(measures: Mapping[str, Any]) -> list[str]:
    """What a reader of the loss alone would miss, above all where it goes the other way."""
    sentences = []
    for name in ("pair_accuracy", "pooled_auc"):
        found = measures[name]
        if is_clear(found):
            sign = 1 if found["estimate"] > 0 else -1
            label, verb = capitalized(LABELS[name]), "rises" if sign > 0 else "falls"
            sentences.append(f"{label} {verb} by {_number(found, sign)} {_interval(found, sign)}.")
    return sentences


def _caption(results: Mapping[str, Any]) -> str:
    is_repeated = results["repeats"] > 1
    return (
        "Each size takes all pairs of the smaller ones and more; all are tested on the same pairs. 95% bootstrap "
        f"intervals over prompts{' and trainings' if is_repeated else ''}."
        f"{' Small dark dots are single trainings, the line is their mean.' if is_repeated else ''} "
        "Each panel shows the range of what was measured; dotted: chance, where it lies in that."
    )


def _tabulate_sizes(results: Mapping[str, Any]) -> Table:
    shown = list(results["sizes"][0]["measures"])
    rows = []
    for size in results["sizes"]:
        cells = [f"{_number(size['measures'][name])} {_interval(size['measures'][name])}" for name in shown]
        epochs = ", ".join(str(run["best_epoch"]) for run in size["runs"])
        rows.append((_count(size["votes"]), f"{size['pairs']:,}", *cells, epochs))
    columns = ("votes", "pairs", *(LABELS[name] for name in shown), "best epoch")
    is_improved = all(run["best_epoch"] for size in results["sizes"] for run in size["runs"])
    untrained = "" if is_improved else " Best epoch 0: no epoch improved on the untrained model, which was kept."
    return Table(columns, tuple(rows), caption=f"Means over trainings, with 95% intervals.{untrained}")


def _describe_gain(results: Mapping[str, Any]) -> list[Part]:
    gain = results["gain"]
    rows = [(LABELS[name], f"{_number(found)} {_interval(found)}") for name, found in gain["measures"].items()]
    columns = ("measure", f"{_count(gain['votes_after'])} less {_count(gain['votes_before'])} votes")
    why = (
        "Both sizes on the same test pairs and the same draws of the bootstrap, run by run. Whether the curve rises is "
        "judged by the log loss of a single vote, ties half for each side, which is what training is about: lower is "
        "better. The log loss of the majority says less: the model learns shares of votes, a majority is surer than "
        "those, and so it falls also where scores only grow. Pair accuracy changes only where the order of a pair "
        "does, so it needs many more test pairs to tell the same gain."
    )
    parts: list[Part] = [Table(columns, tuple(rows), caption="Paired differences, 95% intervals."), Paragraph(why)]
    if results["repeats"] < FEW_RUNS:
        parts.append(Note(_warn_of_runs(results["repeats"]), "How sure is this?"))
    return parts + _warn_of_epochs(results)


def _warn_of_epochs(results: Mapping[str, Any]) -> list[Part]:
    """Where training was cut short, votes are not all that is missing."""
    if all(run["best_epoch"] < results["epochs"] for run in results["sizes"][-1]["runs"]):
        return []
    text = (
        f"The largest size was best in its last epoch, of {results['epochs']} that --epochs allows: longer training "
        "may help it too, without any more votes."
    )
    return [Note(text, "Cut short?")]


def _warn_of_runs(repeats: int) -> str:
    if repeats == 1:
        return (
            "Each size was trained once, so the intervals tell of the test prompts alone: not of how much another draw "
            "of pairs or another seed would change. With --repeats 5 they tell of that too."
        )
    return f"Of {repeats} trainings a size the intervals still understate how much trainings differ; --repeats 5 helps."


def _describe_ceilings(results: Mapping[str, Any]) -> list[Part]:
    parts: list[Part] = []
    workers = results["sizes"][-1]["workers"]
    if workers:
        rater, scorer, gap = (f"{_number(workers[key])} {_interval(workers[key])}" for key in WORKER_ROWS)
        parts.append(
            Paragraph(
                f"A single worker prefers what the pair's other workers prefer in {rater}, the model with all votes in "
                f"{scorer}, half where they are divided. The model less the worker: {gap}. A worker is no upper bound: "
                "a model that has heard many workers can be closer to the next one than any of them is."
            )
        )
    rows = [
        (LABELS[name], *(f"{_number(found[key])} {_interval(found[key])}" for key in ("reached", "left")))
        for name, found in results["gold"].items()
    ]
    if rows:
        caption = "The gold judge made the votes, before workers' noise: what no model of them can beat by much."
        parts.append(Table(("measure", "gold judge", "gold judge less the model"), tuple(rows), caption=caption))
    if not parts:
        text = "Not known: these data have no votes of single workers, so what a worker reaches cannot be measured."
        parts.append(Paragraph(text))
    return parts


WORKER_ROWS = ("rater", "scorer", "difference")


def _votes(size: Mapping[str, Any]) -> str:
    return f"{_count(size['votes'])} votes"


def _count(votes: float) -> str:
    return f"{round(votes):,}"


def _number(found: Mapping[str, float], sign: int = 1) -> str:
    return format_number(sign * found["estimate"])


def _interval(found: Mapping[str, float], sign: int = 1) -> str:
    low, high = sorted((sign * found["low"], sign * found["high"]))
    return format_interval(low, high)
