"""P-values over several questions: every finding carries its corrected ones, and the page says so."""

import math

import pandas as pd
import pytest

from analysis.across_questions import TITLE, correct_across
from analysis.findings import Chapter, Finding
from analysis.judgments import Options, analyze_judgments
from analysis.judgments_page import build_page
from analysis.multiple_testing import benjamini_hochberg, holm
from analysis.report import render_report
from tests.analysis.exports import make_comparisons, make_ratings


def chapter(question: str, **p_values: float) -> Chapter:
    findings = tuple(
        Finding(name, question, 1.0, "Read.", p_value=p, label=name, headline="Lead." if name == "anova" else "",
                is_check=name == "levene")
        for name, p in p_values.items()
    )  # fmt: skip
    return Chapter(question, findings, {}, ())


def test_a_family_is_one_test_on_all_questions() -> None:
    chapters = [chapter("quality", anova=0.01, friedman=0.04), chapter("fluency", anova=0.04, friedman=math.nan)]
    quality, fluency, together = correct_across(chapters)
    assert [finding.p_holm for finding in quality.findings] == pytest.approx([0.02, 0.04])
    assert fluency.findings[0].p_holm == pytest.approx(0.04)
    assert fluency.findings[0].p_bh == pytest.approx(0.04)
    assert math.isnan(fluency.findings[1].p_holm)
    table = together.tables["corrected_p_values"]
    # Friedman's test has one p-value, which needs no correction.
    assert table["test"].tolist() == ["anova", "anova"]
    assert table["of"].tolist() == ["quality", "fluency"]
    (counted,) = together.findings
    assert "of 2 p-values 2 are at most .05; after Holm's correction for their number 2 (quality, fluency)" in (
        counted.reading
    )


def test_checks_of_assumptions_are_left_alone() -> None:
    for corrected in correct_across([chapter("quality", levene=0.01), chapter("fluency", levene=0.02)]):
        assert math.isnan(corrected.findings[0].p_holm)


def test_one_question_needs_no_chapter_more() -> None:
    (only,) = correct_across([chapter("quality", anova=0.03)])
    assert only.findings[0].p_holm == 0.03


def test_questions_and_matchups_of_a_campaign_are_corrected_and_the_page_shows_it() -> None:
    analysis = analyze_judgments(
        pd.DataFrame(make_ratings(items=12)),
        pd.DataFrame(make_comparisons(items=20)),
        manifest={},
        options=Options(draws=20, flips=200),
    )
    for name in ("blocked_anova", "tukey_hsd", "sign_flip"):
        family = {
            found.subject: found for each in analysis.chapters for found in each.findings if found.name == name
        }  # fmt: skip
        p_values = {subject: found.p_value for subject, found in family.items()}
        assert len(family) == 2
        assert {subject: found.p_holm for subject, found in family.items()} == pytest.approx(holm(p_values))
        assert {subject: found.p_bh for subject, found in family.items()} == pytest.approx(
            benjamini_hochberg(p_values)
        )  # fmt: skip
    assert [finding.name for finding in analysis.chapters[-1].findings] == [
        "blocked_anova_corrected",
        "sign_flip_corrected",
    ]
    page = render_report(build_page(analysis.chapters[-1:], {}, analysis.counts, 0))
    assert f"{TITLE}</h2>" in page
    assert "p holm</th>" in page
    assert "No p-value is corrected" not in page
