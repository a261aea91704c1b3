"""Do systems differ on a question? Every group test as findings: within items first, the paper's protocol beside it."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.anova import AnovaResult, WelchAnova, anova_one_way, verdict, welch_anova
from analysis.assumptions import AssumptionChecks, check_assumptions
from analysis.blocked_anova import BlockedAnova, blocked_anova, blocked_tukey
from analysis.drawing import figure_style
from analysis.effect_sizes import PairEffects, eta_squared, pair_effects
from analysis.findings import Finding, NamedFigure
from analysis.friedman import FriedmanResult, friedman_test, nemenyi_test
from analysis.item_means import item_means
from analysis.kruskal_wallis import KruskalWallis, dunn_test, kruskal_wallis
from analysis.pair_differences import PairwiseTest
from analysis.post_hoc import games_howell, tukey_hsd
from analysis.results import NAN, Estimate, format_p

Omnibus = BlockedAnova | FriedmanResult | KruskalWallis | WelchAnova | AnovaResult
FIELDS_OF_FINDING = {field.name for field in dataclasses.fields(Finding)}


@dataclasses.dataclass(frozen=True, slots=True)
class GroupTests:
    """Every comparison of the systems on one question.

    One-way tests, which take values as independent, are given item means: means of shared items make them careful,
    never bold. The paper's protocol is given ratings, as in the paper.
    """

    blocked: BlockedAnova
    blocked_pairs: PairwiseTest
    friedman: FriedmanResult
    nemenyi: PairwiseTest
    welch: WelchAnova
    games_howell: PairwiseTest
    kruskal: KruskalWallis
    dunn: PairwiseTest
    anova: AnovaResult
    tukey: PairwiseTest
    eta_squared: Estimate
    effects: PairEffects
    assumptions: AssumptionChecks

    @property
    def leading_pairs(self) -> PairwiseTest:
        """Pairs within items; where systems share no items, those of item means with a spread for each."""
        return self.games_howell if self.blocked_pairs.reason else self.blocked_pairs


def compare_groups(rated: pd.DataFrame, *, seed: int, draws: int) -> GroupTests:
    """rated: columns item, system, value."""
    within: dict[str, Any] = {"block": "item", "group": "system", "value": "value"}
    alone: dict[str, Any] = {"group": "system", "value": "value"}
    cells = item_means(rated, **within).to_long()
    blocked = blocked_anova(rated, **within)
    drawn: dict[str, Any] = {"cluster": "item", "seed": seed, "draws": draws}
    return GroupTests(
        blocked=blocked,
        blocked_pairs=blocked_tukey(rated, **within),
        friedman=friedman_test(rated, seed=seed, draws=draws, **within),
        nemenyi=nemenyi_test(rated, **within),
        welch=welch_anova(cells, **alone),
        games_howell=games_howell(cells, **alone),
        kruskal=kruskal_wallis(cells, **drawn, **alone),
        dunn=dunn_test(cells, **alone),
        anova=anova_one_way(rated, **alone),
        tukey=tukey_hsd(rated, **alone),
        eta_squared=eta_squared(rated, **drawn, **alone),
        effects=pair_effects(rated, **drawn, **alone),
        assumptions=check_assumptions(cells, block=None if blocked.reason else "item", **alone),
    )


def describe_groups(tests: GroupTests, question: str, best_first: Sequence[str]) -> list[Finding]:
    """Within items first, then the paper's protocol, then what stands in tables alone."""
    is_blocked = not tests.blocked.reason
    headline = _headline(tests.blocked if is_blocked else tests.welch, question, best_first)
    items = {"counted": "items", "used": tests.blocked.items_used, "dropped": tests.blocked.items_dropped}
    friedman_items = {
        "counted": "items", "used": tests.friedman.blocks_used, "dropped": tests.friedman.blocks_dropped
    }  # fmt: skip
    means, aside = {"counted": "means"}, {"is_aside": True}
    return [
        _finding("blocked_anova", "ANOVA within items, partial eta squared", question, tests.blocked,
                 headline=headline if is_blocked else "", **items),
        _pairs_finding("blocked_tukey", "Pairs that differ within items", question, tests.blocked_pairs),
        _finding("friedman", "Friedman, Kendall's W", question, tests.friedman, **friedman_items),
        _finding("anova_one_way", "Paper protocol: one-way ANOVA, eta squared", question, tests.anova),
        _pairs_finding("tukey_hsd", "Paper protocol: pairs that differ, Tukey HSD", question, tests.tukey),
        _finding("welch_anova", "Welch's ANOVA, omega squared", question, tests.welch,
                 headline="" if is_blocked else headline, is_aside=is_blocked, **means),
        _pairs_finding("games_howell", "Pairs that differ, Games-Howell", question, tests.games_howell, **means,
                       **aside),
        _finding("kruskal_wallis", "Kruskal-Wallis, epsilon squared", question, tests.kruskal, **means, **aside),
        _pairs_finding("dunn", "Pairs that differ, Dunn", question, tests.dunn, **means, **aside),
        _pairs_finding("nemenyi", "Pairs that differ, Nemenyi", question, tests.nemenyi, counted="items", **aside),
        _finding("eta_squared", "Eta squared of ratings, items drawn", question, tests.eta_squared, **aside),
        _effects_finding(tests.effects, question),
        *_assumption_findings(tests.assumptions, question),
    ]  # fmt: skip


def _finding(name: str, label: str, question: str, result: Omnibus | Estimate, **changes: Any) -> Finding:
    """A result as a finding: what a finding has no field for goes into its details."""
    content = result.to_dict()
    reason = content.pop("reason")
    known = {key: content[key] for key in content.keys() & FIELDS_OF_FINDING}
    details = {key: content[key] for key in content if key not in FIELDS_OF_FINDING}
    warnings = (*result.warnings, reason) if reason else result.warnings
    known |= {"estimate": result.estimate, "warnings": warnings, "details": details}
    return Finding(name=name, subject=question, label=label, **(known | changes))


def _pairs_finding(name: str, label: str, question: str, test: PairwiseTest, **changes: Any) -> Finding:
    """How many pairs differ, and the smallest p of a pair."""
    fields: dict[str, Any] = {"counted": test.counted} | changes
    return Finding(
        name=name,
        subject=question,
        label=label,
        estimate=NAN if test.reason else float(len(test.significant)),
        p_value=test.smallest_p,
        used=test.used,
        dropped=test.dropped,
        method=test.method,
        warnings=(*test.warnings, test.reason) if test.reason else test.warnings,
        reading=test.reading,
        details={
            "pairs": test.to_frame().to_dict("records"),
            "out_of": len(test.pairs),
            "estimate_is": "pairs that differ at .05; p is that of the pair that differs most, corrected for all pairs",
        },
        **fields,
    )


def _effects_finding(effects: PairEffects, question: str) -> Finding:
    largest = effects.largest
    return Finding(
        name="hedges_g",
        subject=question,
        label="Largest Hedges' g of two systems",
        estimate=largest.hedges_g if largest else NAN,
        low=largest.hedges_g_low if largest else NAN,
        high=largest.hedges_g_high if largest else NAN,
        used=effects.used,
        dropped=effects.dropped,
        method=effects.method,
        seed=effects.seed,
        draws=effects.draws,
        warnings=(*effects.warnings, effects.reason) if effects.reason else effects.warnings,
        reading=effects.reading,
        details={"pairs": effects.to_frame().to_dict("records")},
        is_aside=True,
    )


def _assumption_findings(checks: AssumptionChecks, question: str) -> list[Finding]:
    shared: dict[str, Any] = {
        "subject": question, "used": checks.used, "dropped": checks.dropped, "counted": "means",
        "method": checks.method, "is_aside": True, "is_check": True,
    }  # fmt: skip
    return [
        Finding(
            name="brown_forsythe", label="Largest spread over smallest, Brown-Forsythe",
            estimate=checks.spread_ratio, p_value=checks.spread_p, reading=checks.spread_reading,
            warnings=(checks.spread_reason,) if checks.spread_reason else (),
            details={"statistic": checks.spread_statistic, "standard_deviations": checks.standard_deviations}, **shared,
        ),
        Finding(
            name="shapiro_wilk", label="Normality of residuals, Shapiro-Wilk W",
            estimate=checks.normality_statistic, p_value=checks.normality_p, reading=checks.normality_reading,
            warnings=(checks.normality_reason,) if checks.normality_reason else (), **shared,
        ),
    ]  # fmt: skip


def _headline(result: BlockedAnova | WelchAnova, question: str, best_first: Sequence[str]) -> str:
    if result.reason:
        return f"The systems cannot be compared on {question}: {result.reason}."
    verb = verdict(result.p_value)
    order = f": {best_first[0]} is rated highest, {best_first[-1]} lowest" if verb == "differ" else ""
    name = "ANOVA within items" if isinstance(result, BlockedAnova) else "Welch's ANOVA"
    return f"The systems {verb} on {question}{order} ({name}, {format_p(result.p_value)})."


def tabulate_pairs(tests: GroupTests) -> pd.DataFrame:
    """A row a pair, the largest difference first: its interval within items, and p by every test."""
    upright = sorted((pair.upright() for pair in tests.leading_pairs.pairs), key=lambda pair: -pair.difference)
    table = pd.DataFrame(
        [(pair.second, pair.first, pair.difference, pair.low, pair.high) for pair in upright],
        columns=["higher", "lower", "difference", "low", "high"],
    )
    others = {
        "p_within_items": tests.blocked_pairs,
        "p_nemenyi": tests.nemenyi,
        "p_games_howell": tests.games_howell,
        "p_dunn": tests.dunn,
        "p_tukey_paper": tests.tukey,
    }
    for column, test in others.items():
        found = {frozenset((pair.first, pair.second)): pair.p_value for pair in test.pairs}
        table[column] = [found.get(frozenset(pair), NAN) for pair in zip(table["higher"], table["lower"], strict=True)]
    return table


def tabulate_groups(tests: GroupTests, question: str) -> Mapping[str, pd.DataFrame]:
    """The tables of single tests, for files."""
    return {
        f"{question}_effects": tests.effects.to_frame(),
        f"{question}_within_items": tests.blocked_pairs.to_frame(),
        f"{question}_nemenyi": tests.nemenyi.to_frame(),
        f"{question}_games_howell": tests.games_howell.to_frame(),
        f"{question}_dunn": tests.dunn.to_frame(),
        f"{question}_tukey": tests.tukey.to_frame(),
    }


def draw_groups(tests: GroupTests, question: str) -> list[NamedFigure]:
    """The pairs within items; on a click the paper's, effect sizes, and residuals."""
    leading = tests.leading_pairs
    drawings = (
        ("pairs", leading, leading.reason, False,
         f"Pairs of systems on {question}: {leading.method}, simultaneous 95% intervals. A filled dot marks a "
         "difference whose interval excludes 0."),
        ("tukey", tests.tukey, tests.tukey.reason, True,
         f"Paper protocol: Tukey's HSD on single ratings of {question}, simultaneous 95% intervals. Ratings of one "
         "item are taken as independent."),
        ("effects", tests.effects, tests.effects.reason, True,
         f"Effect sizes on {question}, each with its 95% bootstrap interval over items. Left Hedges' g (standard "
         "deviations of a rating), right Cliff's delta (1: every rating of the first-named system is higher)."),
        ("assumptions", tests.assumptions, "" if tests.assumptions.is_spread else "all residuals are 0", True,
         f"What ANOVA of {question} takes for granted. Left: residuals of item means against a normal distribution. "
         "Right: their spread by system, half of them within the box, with the standard deviation."),
    )  # fmt: skip
    figures = []
    for name, result, reason, is_aside, caption in drawings:
        if not reason:
            with figure_style():
                figures.append(NamedFigure(f"{question}_{name}", result.plot(), caption, is_aside))
    return figures
