"""The bench's page: the figure, what ensembles gain, the fitted forms, and the votes that everything rests on."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure as Drawing

from analysis.narrow_drawing import show_figure
from analysis.overoptimisation import FORMULAS
from analysis.report import (
    Bullets,
    Details,
    KeyNumber,
    Note,
    Paragraph,
    Part,
    Report,
    Section,
    Table,
)
from analysis.results import format_interval, format_number
from rl.management.demo.workshop import Result
from rl.management.overoptimisation.nlpo import FREE, PENALTIES, PENALTY_NAMES
from rl.management.overoptimisation.rewards import NAMES, REWARDS, SINGLE
from rl.management.overoptimisation.study import Overoptimisation

LEAD = (
    "Simulated annotators vote on pairs, a few hundred votes make reward models, and policies are optimised against "
    "them harder and harder. What the reward model says of its own success (the proxy) keeps rising; the gold judge, "
    "which knows what the annotators like and which no training sees, says how much of it is true, and whether "
    "ensembles of reward models are harder to fool."
)
CAVEAT = (
    "Annotators and gold judge are simulated, the policy is tiny, and one world was drawn. The page shows how this "
    "pipeline behaves when it is pushed; how soon a real one breaks is another question."
)
READING = (
    "Above: best of 1, 2, 4, … samples of the supervised policy; the distance is log n − (n − 1)/n nats, an upper "
    "bound where samples repeat. Below: NLPO at each snapshot, the mean of its runs, with the exact KL of sampled "
    "completions. Solid: gold, with the 95 % interval over prompts. Dashed: the proxy. Where the dashed line leaves "
    "the solid one behind, the reward model is being exploited; where the solid one falls, harm is done. Both are "
    "gains over the supervised policy, in standard deviations of its own samples' scores; the proxy is the reward "
    "that was paid, σ((s − mean)/temperature)."
)
FOOTER = (
    "Every number on this page is in results.json, every table in tables/; each training's run folder records its "
    "configuration, inputs and versions."
)
GAINS = (
    "Gold of each ensemble less that of the single model, on the same prompts, where optimisation ends. The interval "
    "resamples prompts alone: that other votes or other seeds would give other models is not in it, and the runs "
    "show how much they differ. A verdict needs both to agree; verdicts are not corrected for their number."
)
FITS = (
    f"The forms of Gao et al. (2022), with d = √KL: {FORMULAS['best-of-n']} for best-of-n, {FORMULAS['rl']} for RL. "
    "α is how fast gain begins, β how fast it is lost. A peak in brackets lies beyond the distances that were seen; — "
    "means that the fitted curve never turns."
)


def build_page(study: Overoptimisation, outcome: Result, figure: Drawing) -> Report:
    return Report(
        title="How far to trust a reward model",
        kicker=f"Prefloop over-optimisation bench · seed {study.seed} · simulated annotators",
        lead=LEAD,
        key_numbers=key_numbers(outcome),
        sections=(
            describe_figure(figure),
            describe_gains(study, outcome),
            describe_fits(outcome),
            describe_curves(outcome),
            describe_votes(outcome),
            describe_study(study),
        ),
        footer=FOOTER,
    )


def key_numbers(outcome: Result) -> tuple[KeyNumber, ...]:
    """Where NLPO without its penalty ends: gold under a single model, and what each ensemble has more."""
    single = outcome["nlpo"][FREE][SINGLE][-1]
    proxy, distance = _signed(single["proxy"]["estimate"]), format_number(single["kl_nats"], 1)
    return (
        KeyNumber(
            _signed(single["gold"]["estimate"]),
            "gold gained by NLPO without KL penalty against a single model, in standard deviations",
            f"{_interval(single['gold'])}; the proxy says {proxy}, at {distance} nats",
        ),
        *(
            KeyNumber(_signed(row["estimate"]), f"{NAMES[row['reward']]}, less the single model’s gold", _interval(row))
            for row in outcome["gains_over_the_single_model"]
            if row["penalty"] == FREE
        ),
    )


def describe_figure(drawing: Drawing) -> Section:
    caption = "Gain over the supervised policy against distance from it, for a single reward model and three ensembles."
    return Section("Proxy and gold", (show_figure(drawing, caption), Paragraph(READING)))


def describe_gains(study: Overoptimisation, outcome: Result) -> Section:
    rows = tuple(
        (
            _method(row, study),
            NAMES[row["reward"]],
            _signed(row["estimate"]),
            _interval(row),
            ", ".join(_signed(value) for value in row["by_run"]) if row["method"] == "nlpo" else "",
            judge_gain(row),
        )
        for row in outcome["gains_over_the_single_model"]
    )
    columns = ("optimised by", "reward", "gold gained", "95% over prompts", "run by run", "verdict")
    return Section("What ensembles gain", (Paragraph(GAINS), Table(columns, rows)))


def _method(row: Mapping[str, Any], study: Overoptimisation) -> str:
    if row["method"] == "best-of-n":
        return f"best of {study.best_of_n.sizes[-1]}"
    return f"NLPO {PENALTY_NAMES[row['penalty']]}"


def judge_gain(row: Mapping[str, Any]) -> str:
    """Better or worse where the interval leaves out 0 and all runs say the same: prompts alone do not tell."""
    if row["method"] == "nlpo" and len(row["by_run"]) < 2:
        return "one run: no verdict"
    if row["low"] <= 0 <= row["high"]:
        return "no difference shown"
    if len({value > 0 for value in row["by_run"]}) > 1:
        return "runs disagree"
    return "better" if row["estimate"] > 0 else "worse"


def describe_fits(outcome: Result) -> Section:
    rows = tuple(_fit_row(fit) for fit in outcome["fits"] if fit["scale"] == "gold")
    proxies = tuple(_fit_row(fit) for fit in outcome["fits"] if fit["scale"] == "proxy")
    columns = ("optimised by", "reward", "α", "β", "residual", "greatest at d", "gain there")
    return Section(
        "Fitted forms",
        (Paragraph(FITS), Table(columns, rows, "gold"), Details("Fits of the proxies", (Table(columns, proxies),))),
    )


def _fit_row(fit: Mapping[str, Any]) -> tuple[str, ...]:
    name = "best-of-n" if fit["method"] == "best-of-n" else f"NLPO {PENALTY_NAMES[fit['penalty']]}"
    numbers = (_number(fit[key]) for key in ("alpha", "beta", "residual"))
    peak, gain = _number(fit["peak"], 2), _number(fit["peak_gain"], 2)
    if fit["notes"]:
        peak, gain = f"({peak})", f"({gain})"
    return (name, NAMES[fit["reward"]], *numbers, peak, gain)


def _number(value: float | None, digits: int = 3) -> str:
    """Peaks of nearly straight curves lie anywhere; thousands of digits would say no more."""
    if value is None:
        return "—"
    return format_number(value, digits) if abs(value) < 1000 else f"{value:.0e}".replace("e+0", "e").replace("e+", "e")


def describe_curves(outcome: Result) -> Section:
    best_of = tuple(
        (NAMES[reward], str(row["n"]), *_curve_cells(row))
        for reward, rows in outcome["best_of_n"].items()
        for row in rows
    )
    parts: list[Part] = [Details("Best-of-n", (Table(("reward", "n", *CURVE_COLUMNS), best_of),))]
    for penalty in PENALTIES:
        rows = tuple(
            (NAMES[reward], str(row["iteration"]), *_curve_cells(row))
            for reward in REWARDS
            for row in outcome["nlpo"][penalty][reward]
        )
        table = Table(("reward", "iteration", *CURVE_COLUMNS), rows)
        parts.append(Details(f"NLPO {PENALTY_NAMES[penalty]}", (table,)))
    return Section("All points", tuple(parts))


CURVE_COLUMNS = ("KL, nats", "proxy", "gold", "gold, 95%")


def _curve_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    estimates = (_signed(row[scale]["estimate"]) for scale in ("proxy", "gold"))
    return (format_number(row["kl_nats"], 2), *estimates, _interval(row["gold"]))


def describe_votes(outcome: Result) -> Section:
    votes, models = outcome["stages"]["votes"], outcome["stages"]["reward-models"]
    best_of = outcome["stages"]["best-of-n"]
    better = votes["share_of_other_votes_for_the_better"]
    facts = (
        ("pairs; votes", f"{votes['pairs']}; {votes['votes']}"),
        ("annotators, simulated", str(votes["workers"])),
        (
            "Krippendorff's alpha, pairs resampled",
            f"{format_number(votes['alpha']['estimate'])} {_interval(votes['alpha'])}",
        ),
        ("votes for the completion that gold prefers", "—" if better is None else f"{better:.1%}"),
        ("votes on pairs that gold finds equal", f"{votes['share_of_votes_with_equal_gold']:.1%}"),
        ("votes for the left side", f"{votes['share_of_votes_for_left']:.1%}"),
        ("gold of the supervised policy, 0 to 3", format_number(best_of["gold_of_the_supervised_policy"])),
        ("its standard deviation, the unit of gains", format_number(best_of["gold_spread_of_the_supervised_policy"])),
    )
    scorers = tuple(
        (
            name,
            *(
                f"{format_number(row[key]['estimate'])} {_interval(row[key])}"
                for key in ("pair_accuracy", "pooled_auc")
            ),
        )
        for name, row in models["scorers"].items()
    )
    caption = f"On {models['test_pairs']} test pairs with a majority; the ceiling is the gold judge on the same pairs."
    table = Table(("scorer", "pair accuracy", "pooled AUC"), scorers, caption)
    return Section("Votes and reward models", (Table(("", ""), facts), table))


def describe_study(study: Overoptimisation) -> Section:
    return Section(
        "What was done", (Note(CAVEAT, "Read this first"), Bullets((*_vote_steps(study), *_policy_steps(study))))
    )


def _vote_steps(study: Overoptimisation) -> tuple[str, ...]:
    asked, crowd, models = study.annotators, study.annotators.crowd, study.reward_models
    return (
        f"A world, {study.task.train} concept sets with {study.task.references} references each, and a small T5 that "
        "imitates them.",
        f"{asked.pairs} training prompts, two different samples each; {asked.raters_per_pair} of {asked.workers} "
        "simulated annotators choose one, the left side drawn for each. Temperature "
        f"{crowd.temperature:g} in units of gold; side bias of standard deviation {crowd.side_bias_sd:g} in logits; in "
        f"{crowd.lapse_rate:.0%} of the answers a coin decides; a worker is a spammer with probability "
        f"{crowd.spammer_share:.0%}.",
        f"{models.count} reward models on the same votes, in layout {models.training.layout}, each with a seed of its "
        "own. Ensembles combine their scores, each first brought to mean 0 and the unit that σ takes: the mean, the "
        f"least, or the mean less {models.penalty:g} times the variance (Coste et al. 2023).",
    )


def _policy_steps(study: Overoptimisation) -> tuple[str, ...]:
    best_of, tuning = study.best_of_n, study.nlpo
    return (
        f"Best-of-n from {best_of.samples} samples for each of {best_of.prompts} test prompts, by the mean over all "
        "subsets. The single model is each of the members in turn, averaged.",
        f"NLPO on σ of the reward alone, {tuning.runs} runs for each reward, with the KL penalty of the shipped "
        "configuration and without. Run k's single model is member k; runs of one number share their seed.",
        f"Each snapshot is measured on the same test prompts, {tuning.samples} completions each, drawn without NLPO's "
        "mask.",
    )


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _interval(row: Mapping[str, float]) -> str:
    return format_interval(row["low"], row["high"], 2)
