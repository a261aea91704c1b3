"""The demo's page: what happened, in figures, tables and completions side by side."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.drawing import figure_style
from analysis.narrow_drawing import show_figure
from analysis.plots import plot_likert
from analysis.report import (
    Bullets,
    Details,
    Figure,
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
from analysis.results import Estimate, format_interval, format_number, format_p
from annotation.record_readers import read_ratings
from rl.management.demo import figures
from rl.management.demo.completions import completions_of, judge_samples
from rl.management.demo.controls_section import describe_controls
from rl.management.demo.stages import RATED_SYSTEMS
from rl.management.demo.workshop import Result, Workshop
from rl.management.run_records import read_metrics
from rl.metrics.meteor import METEOR_NAME

Results = Mapping[str, Result]
SHOWN_ITEMS = 5
CAVEAT = (
    "The workers are simulated, and the flaw was planted where METEOR is blind. So this page shows that the pipeline "
    "works, not how large the effect would be on people."
)
LEAD = (
    "A small T5 learns from a corpus that often swaps who does what to whom. METEOR hardly sees the flaw; the "
    "(simulated) workers do. Their votes train a reward model, NLPO tunes the policy against it, and other workers "
    "compare the outcome with a policy that had all the same except the reward model."
)


def write_demo_report(shop: Workshop, results: Results, seconds: Mapping[str, float]) -> None:
    sections = [
        describe_experiment(shop),
        describe_first_vote(results),
        describe_reward_model(results),
        describe_arms(shop, results),
        describe_second_vote(results),
        describe_ratings(shop, results),
        show_completions(shop),
        describe_time(seconds),
    ]
    controls = shop.folder / "controls" / "results.json"
    if controls.exists():
        sections.insert(5, describe_controls(controls))
    report = Report(
        title="From votes to a better policy",
        kicker=f"Prefloop demo · seed {shop.experiment.seed} · simulated workers",
        lead=LEAD,
        key_numbers=key_numbers(results),
        sections=tuple(sections),
        footer="Every number on this page is in summary.json; each stage's run folder records its configuration, "
        "inputs and versions.",
    )
    partial = shop.folder / "report.html.partial"
    write_report(report, partial)
    partial.rename(shop.folder / "report.html")


def key_numbers(results: Results) -> tuple[KeyNumber, ...]:
    difference = results["gold"]["differences"]["c_less_b_sampled"]
    best_of = results["reward-model-evaluation"]["best_of"]["reward model less coverage"]
    votes = results["reward-model-evaluation"]["votes"]
    contest = results["second-vote"]["c_against_b"]
    return (
        KeyNumber(_signed(difference), "gold of C less B, sampled", _interval(difference)),
        KeyNumber(
            f"{contest['wins_b']} : {contest['wins_a']}",
            "second vote, C : B",
            f"{contest['ties']} ties, {format_p(contest['mean_vote']['p_value'])}",
        ),
        KeyNumber(_signed(best_of), "best-of-n gold, reward model less coverage", _interval(best_of)),
        KeyNumber(
            format_number(votes["reward model"]["pooled_auc"]["estimate"]),
            "pooled AUC of the reward model",
            f"ceiling {format_number(votes['gold ceiling']['pooled_auc']['estimate'])}",
        ),
    )


def describe_experiment(shop: Workshop) -> Section:
    task, vote = shop.experiment.task, shop.experiment.first_vote
    steps = (
        f"A world is drawn, and {task.train} concept sets with {task.references} references each. In "
        f"{task.flaw_share:.0%} of the sets, all with {task.flawed_verbs:.0%} of the verbs, every reference is flawed: "
        "roles are swapped (“a car drives a man”) or the verb comes last.",
        "Supervised: a small T5 from scratch imitates the references. An early checkpoint plays the zero-shot model.",
        f"Arm A: NLPO from there on {METEOR_NAME}.",
        f"{vote.raters_per_hit} workers a pair choose between Supervised and arm A in the browser pages, over HTTP.",
        "Reward model: the supervised policy's own likelihood of a completion, tuned until it explains the votes.",
        "Arm B: METEOR + ½ / (1 + missing concepts). Arm C: METEOR + σ(score) / (1 + missing concepts). Same start, "
        "budget and seed.",
        "New workers compare C with B and with A, and rate five systems on Likert scales.",
    )
    text = (
        "The experiment was fixed in rl/configs/demo.yaml before the runs that are reported. A gold judge that reads "
        "sentences exactly stands for what people like; it guides simulated workers and this page, never a training."
    )
    return Section("What was done", (Note(CAVEAT, "Read this first"), Bullets(steps), Paragraph(text)))


def describe_first_vote(results: Results) -> Section:
    vote = results["first-vote"]
    alpha = vote["alpha"]
    rows = (
        ("pairs", f"{vote['pairs']}, {vote['incomplete_pairs']} of them with a concept missing"),
        ("votes", str(vote["votes"])),
        ("workers", str(vote["workers"])),
        (
            "Krippendorff's alpha on pairs with all concepts, items resampled (the paper's workers: .28)",
            f"{format_number(alpha['estimate'])} {_interval(alpha)}",
        ),
        (
            "alpha on all pairs",
            f"{format_number(vote['alpha_of_all_pairs']['estimate'])} {_interval(vote['alpha_of_all_pairs'])}",
        ),
        ("votes for Supervised over arm A", f"{vote['share_of_votes_for_supervised']:.1%}"),
        ("votes for the left side", f"{vote['share_of_votes_for_left']:.1%}"),
    )
    return Section("The first vote", (Table(("", ""), rows, "Supervised against arm A, forced choice"),))


def describe_reward_model(results: Results) -> Section:
    evaluation = results["reward-model-evaluation"]
    votes, best_of = evaluation["votes"], evaluation["best_of"]
    intervals = {
        f"{measure}, {name}": votes[name][key]
        for measure, key in (("AUC", "pooled_auc"), ("pair accuracy", "pair_accuracy"))
        for name in ("reward model", "gold ceiling")
    }
    caption = f"On {votes['pairs']} test pairs with a majority; the ceiling is the gold score on the same pairs."
    gold_rows = tuple(
        (name, *(format_number(row[key]) for key in ("utility", "plausible", "coverage", "grammar")))
        for name, row in best_of["gold"].items()
    )
    chosen = f"The supervised policy wrote {best_of['n']} completions for each of {best_of['prompts']} test prompts."
    return Section(
        "The reward model",
        (
            _figure(figures.plot_intervals(intervals, "95% interval, prompts resampled", 0.5), caption),
            _figure(figures.plot_gold_of_selectors(best_of["gold"], best_of["n"]), chosen),
            Details(
                "Gold of each selector", (Table(("chosen by", "gold", "plausible", "coverage", "grammar"), gold_rows),)
            ),
        ),
    )


def describe_arms(shop: Workshop, results: Results) -> Section:
    gold = results["gold"]
    traces = {f"arm {arm[-1].upper()}": points for arm, points in gold["gold_along_runs"].items()}
    rewards = {
        f"arm {arm.upper()}": [row["reward"] for row in read_metrics(shop.folder / f"arm-{arm}")] for arm in "abc"
    }
    rows = tuple(
        (system, kind, *(format_number(row[kind][key]) for key in ("utility", "plausible", "coverage", "grammar")))
        for system, row in gold["gold"].items()
        for kind in ("sampled", "greedy")
    )
    names = {"c_less_b": "C less B", "c_less_a": "C less A"}
    differences = {
        f"{names[key.rpartition('_')[0]]}, {key.rpartition('_')[2]}": row for key, row in gold["differences"].items()
    }
    return Section(
        "The arms, by gold",
        (
            _figure(figures.plot_gold_of_systems(gold["gold"]), "Filled: sampled. Open: greedy."),
            _figure(
                figures.plot_intervals(differences, "difference in mean gold, 95% interval over prompts", 0.0),
                "Differences on the same test prompts.",
            ),
            _figure(figures.plot_gold_against_kl(traces), "Gold against KL along each run, on test prompts."),
            _figure(figures.plot_training_curves(rewards), "The arms have different rewards: only shapes compare."),
            Details(
                "Gold of all systems",
                (Table(("system", "completions", "gold", "plausible", "coverage", "grammar"), rows),),
            ),
        ),
    )


def describe_second_vote(results: Results) -> Section:
    vote = results["second-vote"]
    contests = {"C over B": vote["c_against_b"], "C over A": vote["c_against_a"]}
    rows = []
    for name, contest in contests.items():
        mean, binomial = contest["mean_vote"], contest["binomial_paper_protocol"]
        rows.append(
            (
                name,
                str(contest["wins_b"]),
                str(contest["wins_a"]),
                str(contest["ties"]),
                f"{_signed(mean)} {_interval(mean)}",
                format_p(mean["p_value"]),
                format_p(binomial["p_value"]),
            )
        )
    columns = ("", "for C", "for the rival", "ties", "mean vote", "sign-flip test", "binomial (paper)")
    power = ", ".join(f"{share:.0%} at {mean}" for mean, share in vote["power_of_c_against_b"].items())
    return Section(
        "The second vote",
        (
            _figure(figures.plot_votes(contests), "All votes; identical completions count as ties."),
            Table(columns, tuple(rows), "Mean vote: +1 for C, −1 for its rival; items are the units of the test."),
            Paragraph(f"Power of the sign-flip test at this size, for several true mean votes: {power}."),
        ),
    )


def describe_ratings(shop: Workshop, results: Results) -> Section:
    likert = results["likert"]
    table = pd.DataFrame(
        [
            (rating.question, rating.system, rating.value)
            for rating in read_ratings(shop.folder / "likert")
            if rating.counts
        ],
        columns=["question", "system", "value"],
    )
    parts: list[Part] = []
    for question, numbers in likert["questions"].items():
        rows = table[table["question"] == question]
        counts = rows.groupby(["system", "value"]).size().unstack(fill_value=0)
        counts = counts.reindex(index=RATED_SYSTEMS, columns=range(1, 6), fill_value=0)
        means = {name: Estimate(row["estimate"], row["low"], row["high"]) for name, row in numbers["means"].items()}
        with figure_style():
            figure = plot_likert(counts, means)
        alpha, anova = numbers["agreement"]["ordinal"], numbers["anova_paper_protocol"]
        caption = (
            f"{question.capitalize()}: alpha (ordinal) {format_number(alpha['estimate'], 2)} {_interval(alpha)}; "
            f"one-way ANOVA F = {anova['statistic']:.1f}, {format_p(anova['p_value'])}."
        )
        parts.append(_figure(figure, caption))
        parts.append(Details(f"Tukey's HSD, {question}", (_tukey_table(numbers["tukey_paper_protocol"]),)))
    parts.append(_correlation_table(likert["correlation_with_people"]))
    return Section("Likert ratings", tuple(parts))


def _tukey_table(pairs: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            f"{pair['second']} less {pair['first']}",
            format_number(pair["difference"], 2),
            format_interval(pair["low"], pair["high"], 2),
            format_p(pair["p_value"]),
        )
        for pair in pairs
    )
    return Table(("pair", "difference", "95% interval", "p"), rows)


def _correlation_table(correlations: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = tuple(
        (name, *(f"{format_number(row[key]['estimate'], 2)} {_interval(row[key], 2)}" for key in row))
        for name, row in correlations.items()
    )
    columns = ("score", *next(iter(correlations.values())))
    return Table(columns, rows, "Segment-level correlation with the mean rating of quality; items resampled.")


def show_completions(shop: Workshop) -> Section:
    systems = ("supervised", "arm-b", "arm-c")
    by_system = {system: completions_of(shop, system, "test") for system in systems}
    scores = {system: judge_samples(shop, samples) for system, samples in by_system.items()}
    parts = []
    for row in range(SHOWN_ITEMS):
        texts = tuple(
            LabelledText(system, by_system[system][row].completion, f"gold {scores[system][row].utility:.2f}")
            for system in systems
        )
        parts.append(SideBySide(by_system["supervised"][row].prompt, texts))
    return Section(
        "Completions side by side", (Paragraph("The first test prompts, sampled; nothing was picked."), *parts)
    )


def describe_time(seconds: Mapping[str, float]) -> Section:
    rows = tuple((stage, f"{value:.0f}") for stage, value in seconds.items())
    total = ("all", f"{sum(seconds.values()):.0f}")
    return Section("Where the time goes", (Table(("stage", "seconds"), (*rows, total)),))


def _figure(figure: Any, caption: str) -> Figure:
    return show_figure(figure, caption, caption)


def _signed(result: Mapping[str, Any]) -> str:
    return f"{result['estimate']:+.3f}".replace("-", "−")


def _interval(result: Mapping[str, Any], digits: int = 3) -> str:
    return format_interval(result["low"], result["high"], digits)
