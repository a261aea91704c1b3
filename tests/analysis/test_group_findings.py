"""Group tests on the page: within items first, the paper's protocol named and beside it, letters at the means."""

import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from analysis.anova import anova_one_way
from analysis.blocked_anova import blocked_anova, blocked_tukey
from analysis.findings import Finding
from analysis.group_findings import compare_groups, describe_groups, tabulate_pairs
from analysis.item_means import item_means
from analysis.kruskal_wallis import kruskal_wallis
from analysis.rating_findings import describe_question
from tests.analysis.exports import make_ratings
from tests.analysis.group_tables import ALONE, WITHIN

DRAWS = 30


def ratings(question: str = "quality") -> pd.DataFrame:
    table = pd.DataFrame(make_ratings(items=24, seed=3))
    return table[table["question"] == question]


def test_the_tests_within_items_come_first_and_the_papers_is_named() -> None:
    chapter = describe_question(ratings(), question="quality", seed=0, draws=DRAWS)
    names = [finding.name for finding in chapter.findings]
    assert names.index("blocked_anova") < names.index("friedman") < names.index("anova_one_way")
    found = {finding.name: finding for finding in chapter.findings}
    assert found["blocked_anova"].headline.startswith("The systems differ on quality: supervised+nlpo+preference is ra")
    shown = [finding.name for finding in chapter.findings if not finding.is_aside]
    tests = ["blocked_anova", "blocked_tukey", "friedman", "anova_one_way", "tukey_hsd", "mixed_linear"]
    assert shown[-len(tests) :] == tests
    for name in ("anova_one_way", "tukey_hsd"):
        assert found[name].label.startswith("Paper protocol: ")
        assert "one-way tests take values as independent, which ratings of one item are not" in found[name].warnings
    assert [figure.name for figure in chapter.figures if not figure.is_aside] == ["quality_ratings", "quality_pairs"]


def test_every_finding_has_the_numbers_of_its_test() -> None:
    rated = ratings()
    tests = compare_groups(rated, seed=0, draws=DRAWS)
    found = {finding.name: finding for finding in describe_groups(tests, "quality", ["x", "y"])}
    blocked, anova = blocked_anova(rated, **WITHIN), anova_one_way(rated, **ALONE)
    assert_finding(found["blocked_anova"], blocked.partial_eta_squared, blocked.p_value, blocked.low)
    assert found["blocked_anova"].details["df_error"] == 23 * 3
    assert (found["blocked_anova"].used, found["blocked_anova"].counted) == (24, "items")
    assert_finding(found["anova_one_way"], anova.eta_squared, anova.p_value, anova.low)
    assert found["anova_one_way"].used == 24 * 4 * 3
    # What takes values as independent is given means of items, so that it keeps its level.
    cells = item_means(rated, **WITHIN).to_long()
    kruskal = kruskal_wallis(cells, **ALONE)
    assert found["kruskal_wallis"].p_value == kruskal.p_value
    assert (found["kruskal_wallis"].used, found["kruskal_wallis"].counted) == (24 * 4, "means")
    pairs = blocked_tukey(rated, **WITHIN)
    assert found["blocked_tukey"].estimate == len(pairs.significant)
    assert found["blocked_tukey"].p_value == min(pair.p_value for pair in pairs.pairs)
    assert found["brown_forsythe"].is_check
    assert found["shapiro_wilk"].is_check
    assert found["hedges_g"].low < found["hedges_g"].estimate < found["hedges_g"].high
    assert all(finding.label and finding.method and finding.used for finding in found.values())


def assert_finding(finding: Finding, *expected: float) -> None:
    assert (finding.estimate, finding.p_value, finding.low) == pytest.approx(expected)


def test_letters_stand_at_the_means_and_in_the_figure() -> None:
    rated = ratings()
    chapter = describe_question(rated, question="quality", seed=0, draws=DRAWS)
    means = chapter.tables["quality_means"].set_index("system")
    expected = blocked_tukey(rated, **WITHIN).letters(list(means.index))
    assert means["letters"].to_dict() == expected
    assert means["letters"].iloc[0].startswith("a")
    texts = [text.get_text() for text in chapter.figures[0].figure.findobj(mpl.text.Text)]
    for system, letters in expected.items():
        assert f"{means.loc[system, 'mean']:.2f}  {letters}" in texts
    assert "share a letter" in chapter.figures[0].caption


def test_a_row_a_pair_has_p_by_every_test() -> None:
    tests = compare_groups(ratings(), seed=0, draws=DRAWS)
    table = tabulate_pairs(tests)
    assert len(table) == 6
    columns = {"p_within_items": tests.blocked_pairs, "p_nemenyi": tests.nemenyi, "p_dunn": tests.dunn,
               "p_games_howell": tests.games_howell, "p_tukey_paper": tests.tukey}  # fmt: skip
    assert table["difference"].is_monotonic_decreasing
    for row in table.itertuples():
        for column, test in columns.items():
            (pair,) = [pair for pair in test.pairs if {pair.first, pair.second} == {row.higher, row.lower}]
            assert getattr(row, column) == pair.p_value
        (within,) = [pair for pair in tests.blocked_pairs.pairs if {pair.first, pair.second} == {row.higher, row.lower}]
        assert row.difference == abs(within.difference) >= 0
        assert (row.low, row.high) in ((within.low, within.high), (-within.high, -within.low))


def test_systems_with_items_of_their_own_are_compared_by_welch() -> None:
    rated = ratings().assign(item=lambda rows: rows["item"] + rows["system"])
    chapter = describe_question(rated, question="quality", seed=0, draws=DRAWS)
    found = {finding.name: finding for finding in chapter.findings}
    assert math.isnan(found["blocked_anova"].p_value)
    assert "no item has two systems" in found["blocked_anova"].reading
    assert found["blocked_anova"].headline == ""
    assert "(Welch's ANOVA, p" in found["welch_anova"].headline
    assert not found["welch_anova"].is_aside
    tests = compare_groups(rated, seed=0, draws=DRAWS)
    assert tests.leading_pairs.short_name == "Games-Howell"
    means = chapter.tables["quality_means"].set_index("system")
    assert means["letters"].to_dict() == tests.games_howell.letters(list(means.index))
    assert np.isnan(tabulate_pairs(tests)["p_within_items"]).all()
    assert "quality_pairs" in [figure.name for figure in chapter.figures]


def test_one_system_has_means_and_no_tests() -> None:
    rated = ratings()
    chapter = describe_question(rated[rated["system"] == "zero-shot"], question="quality", seed=0, draws=DRAWS)
    names = {finding.name for finding in chapter.findings}
    assert "mean_rating" in names
    assert "blocked_anova" not in names
    assert chapter.tables["quality_means"]["letters"].tolist() == [""]


def test_constant_ratings_leave_reasons_and_no_figures() -> None:
    rated = ratings().assign(value=3)
    chapter = describe_question(rated, question="quality", seed=0, draws=DRAWS)
    found = {finding.name: finding for finding in chapter.findings}
    for name in (
        "blocked_anova",
        "friedman",
        "welch_anova",
        "kruskal_wallis",
        "anova_one_way",
        "tukey_hsd",
        "hedges_g",
    ):
        assert math.isnan(found[name].estimate)
        assert found[name].warnings[-1]
    assert [figure.name for figure in chapter.figures] == ["quality_ratings"]
