"""How often group tests reject: at their level where nothing differs, and how much they see where something does."""

from collections import Counter

import numpy as np
import pandas as pd

from analysis.anova import anova_one_way, welch_anova
from analysis.blocked_anova import blocked_anova, blocked_tukey
from analysis.friedman import friedman_test, nemenyi_test
from analysis.item_means import item_means
from analysis.kruskal_wallis import dunn_test, kruskal_wallis
from analysis.post_hoc import games_howell
from tests.analysis.group_tables import ALONE, WITHIN, crossed

STUDIES = 300
THREE_ERRORS = 0.038  # 3 binomial standard errors of a level of .05: 3 sqrt(.05 .95 / 300)


def rejections(generator: np.random.Generator, studies: int = STUDIES, **design: float) -> dict[str, float]:
    """The share of studies in which p is at most .05, by test."""
    rejected: Counter[str] = Counter()
    for _ in range(studies):
        table = crossed(generator, **design)
        cells = item_means(table, **WITHIN).to_long()
        p_values = {
            "anova of ratings": anova_one_way(table, **ALONE).p_value,
            "anova of item means": anova_one_way(cells, **ALONE).p_value,
            "welch": welch_anova(cells, **ALONE).p_value,
            "kruskal": kruskal_wallis(cells, **ALONE).p_value,
            "friedman": friedman_test(table, **WITHIN).p_value,
            "blocked anova": blocked_anova(table, **WITHIN).p_value,
        }
        rejected.update(name for name, p_value in p_values.items() if p_value <= 0.05)
    return {name: rejected[name] / studies for name in p_values}


def test_where_nothing_differs_tests_within_items_keep_their_level_and_anova_of_ratings_does_not() -> None:
    """Five systems, 20 items, 3 raters; ratings share their item and, of one completion, its quality."""
    found = rejections(np.random.default_rng(2), item_spread=0.7, cell_spread=0.8)
    assert abs(found["blocked anova"] - 0.05) <= THREE_ERRORS
    assert abs(found["friedman"] - 0.05) <= THREE_ERRORS
    # Between items, means of one item share its level: these two are careful, never bold.
    assert found["welch"] <= 0.05 + THREE_ERRORS
    assert found["kruskal"] <= 0.05 + THREE_ERRORS
    assert found["anova of ratings"] > 0.05 + 2 * THREE_ERRORS


def test_one_noisy_system_makes_the_plain_f_test_bold_and_not_the_corrected_one() -> None:
    generator = np.random.default_rng(6)
    corrected, plain = 0, 0
    for _ in range(STUDIES):
        table = crossed(generator, raters=1, item_spread=1.0, cell_spread=0.0)
        table.loc[table["system"] == 4, "value"] += 4 * generator.normal(size=20)
        anova = blocked_anova(table, **WITHIN)
        corrected += anova.p_value <= 0.05
        plain += anova.p_uncorrected <= 0.05
    assert abs(corrected / STUDIES - 0.05) <= THREE_ERRORS
    assert plain / STUDIES > 0.05 + THREE_ERRORS


def test_a_difference_is_seen_best_within_items() -> None:
    """The same with items that differ much: one-way tests see least."""
    found = rejections(np.random.default_rng(3), studies=150, item_spread=1.5, cell_spread=0.5, gain=0.15)
    # 3 standard errors of a difference of shares of 150, at worst: 3 sqrt(.5 / 150) = .17.
    assert found["blocked anova"] > found["anova of item means"] + 0.17
    assert found["friedman"] > found["anova of item means"] + 0.17
    assert found["blocked anova"] > found["anova of ratings"] + 0.17


def test_anova_of_independent_ratings_rejects_at_its_level() -> None:
    generator = np.random.default_rng(1)
    table = pd.DataFrame({"system": np.repeat(list("abc"), 8)})
    rejected = {"anova": 0, "welch": 0, "kruskal": 0}
    for _ in range(STUDIES):
        drawn = table.assign(value=generator.normal(size=24))
        rejected["anova"] += anova_one_way(drawn, **ALONE).p_value <= 0.05
        rejected["kruskal"] += kruskal_wallis(drawn, **ALONE).p_value <= 0.05
        spread = drawn.assign(value=drawn["value"] * np.repeat([1, 2, 4], 8))
        rejected["welch"] += welch_anova(spread, **ALONE).p_value <= 0.05
    for name, count in rejected.items():
        assert abs(count / STUDIES - 0.05) <= THREE_ERRORS, name


def test_pairs_keep_the_error_of_the_family() -> None:
    """The chance that any pair differs, where none does."""
    generator = np.random.default_rng(4)
    studies = 100
    rejected: Counter[str] = Counter()
    for _ in range(studies):
        table = crossed(generator, items=16, systems=4, raters=2, item_spread=1.0)
        table["value"] = table["value"].round()
        alone = pd.DataFrame({"system": np.repeat(np.arange(3), 16), "value": generator.normal(size=48)})
        alone["value"] *= np.repeat([1, 2, 3], 16)
        tests = {
            "blocked": blocked_tukey(table, **WITHIN),
            "nemenyi": nemenyi_test(table, **WITHIN),
            "games-howell": games_howell(alone, **ALONE),
            "dunn": dunn_test(alone, **ALONE),
        }
        rejected.update(name for name, test in tests.items() if test.smallest_p <= 0.05)
    # 3 binomial standard errors: 3 sqrt(.05 .95 / 100) = .065.
    assert abs(rejected["blocked"] / studies - 0.05) <= 0.065
    assert abs(rejected["games-howell"] / studies - 0.05) <= 0.065
    # Nemenyi's and Holm's corrections are careful.
    assert 0 < rejected["nemenyi"] / studies <= 0.05 + 0.065
    assert 0 < rejected["dunn"] / studies <= 0.05 + 0.065
