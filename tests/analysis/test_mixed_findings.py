"""Mixed models in whole analyses: numbers, readings, tables, figures, and real crowd ratings beside R's results."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.findings import Finding
from analysis.mixed_findings import describe_mixed
from analysis.mixed_linear import fit_linear_mixed
from analysis.mixed_ordinal import fit_ordinal_mixed
from analysis.mixed_plots import plot_variance_shares
from tests.analysis.mixed_tables import COLUMNS, REFERENCES, make_likert

REAL = Path(os.environ.get("PREFLOOP_DATA", Path(__file__).parents[3] / "shared" / "data")) / "scratchplot"


def named(findings: list[Finding], name: str) -> list[Finding]:
    return [finding for finding in findings if finding.name == name]


def test_both_models_become_findings_with_their_numbers() -> None:
    table = make_likert(items=30)
    findings, tables, figures = describe_mixed(table, "fluency")
    linear, ordinal = fit_linear_mixed(table, **COLUMNS), fit_ordinal_mixed(table, **COLUMNS)
    (of_linear,), (of_ordinal,) = named(findings, "mixed_linear"), named(findings, "mixed_ordinal")
    assert (of_linear.estimate, of_linear.p_value) == (linear.omnibus.statistic, linear.omnibus.p_value)
    assert (of_ordinal.estimate, of_ordinal.p_value) == (ordinal.omnibus.statistic, ordinal.omnibus.p_value)
    assert of_linear.details["workers"] == 8
    assert of_linear.details["ratings_per_completion"] == 3
    shares = named(findings, "variance_share")
    assert [share.subject.split(": ")[1] for share in shares] == ["completion", "item", "worker", "residual"]
    assert sum(share.estimate for share in shares) == pytest.approx(1)
    assert tables["fluency_worker_severity"]["worker"].tolist() == [worker.worker for worker in linear.workers]
    pairs = tables["fluency_mixed_pairs"]
    assert pairs["difference"].tolist() == [contrast.difference for contrast in linear.contrasts]
    assert np.log(pairs["odds_ratio"]).tolist() == pytest.approx([pair.difference for pair in ordinal.contrasts])
    assert [figure.name for figure in figures] == ["fluency_mixed"]


def test_the_readings_name_the_better_system_first() -> None:
    table = make_likert(items=30, systems=2, gain=0.8).assign(system=lambda rows: rows["system"].map({0: "z", 1: "a"}))
    findings, _, _ = describe_mixed(table, "fluency")
    linear, ordinal = findings[:2]
    (pair,) = fit_linear_mixed(table, **COLUMNS).contrasts
    assert (pair.first, pair.second) == ("a", "z")
    assert f"a less z is {-pair.difference:.2f} [{-pair.high:.2f}, {-pair.low:.2f}]" in linear.reading
    assert "times as large for a as for z" in ordinal.reading
    assert "the systems differ on fluency" in linear.reading
    straight = table.assign(system=table["system"].map({"z": "a", "a": "z"}))
    linear, ordinal = describe_mixed(straight, "fluency")[0][:2]
    assert f"z less a is {-pair.difference:.2f} [{-pair.high:.2f}, {-pair.low:.2f}]" in linear.reading
    assert "times as large for z as for a" in ordinal.reading


def test_a_question_without_variation_is_reported_as_undefined() -> None:
    findings, tables, figures = describe_mixed(make_likert().assign(value=3), "fluency")
    assert [finding.name for finding in findings] == ["mixed_linear", "mixed_ordinal"]
    for finding in findings:
        assert np.isnan(finding.estimate)
        assert "cannot be compared on fluency" in finding.reading
        assert finding.warnings[-1].endswith("every rating is the same")
    assert (tables, figures) == ({}, [])


def test_one_system_and_separated_systems_are_said_in_words() -> None:
    (linear, ordinal), *_ = (describe_mixed(make_likert(systems=1), "fluency")[0][:2], None)
    assert "compares nothing: there is one system" in linear.reading
    assert "compares nothing: there is one system" in ordinal.reading
    table = make_likert()
    at_top = table.assign(value=table["value"].where(table["system"] != 2, 5))
    findings, tables, _ = describe_mixed(at_top, "fluency")
    assert "the systems differ on fluency" in findings[0].reading
    assert "all ratings of 2 are 5 or higher" in findings[1].reading
    assert tables["fluency_mixed_pairs"]["odds_ratio"].isna().all()


def test_the_figure_of_shares_has_a_bar_for_each_part() -> None:
    figure = plot_variance_shares({"fluency": {"item": 0.25, "completion": 0.3, "worker": 0.05, "residual": 0.4}})
    (axes,) = figure.axes
    assert [patch.get_width() for patch in axes.patches] == pytest.approx([0.25, 0.3, 0.05, 0.4])
    labels = [text.get_text() for text in axes.texts]
    assert labels == ["25%", "30%", "40%"]  # the narrow one has no room
    greys = [np.dot(patch.get_facecolor()[:3], [0.2126, 0.7152, 0.0722]) for patch in axes.patches]
    assert (np.diff(greys) > 0.1).all()


@pytest.mark.skipif(not REAL.is_dir(), reason="the real crowd ratings are not there; PREFLOOP_DATA names their folder")
@pytest.mark.parametrize("name", ["coherence", "coherence-new", "interestingness", "naturalness", "naturalness-new"])
def test_real_ratings_give_what_lme4_and_clmm_give(name: str) -> None:
    """clmm stops within about 1e-4 of the maximum; where a variance is 0 it keeps a trace of it."""
    expected = json.loads((REFERENCES / "mixed_scratchplot.json").read_text())[name]
    columns = {"INPUT:system": "system", "INPUT:content_plan_id": "item", "OUTPUT:category": "value"}
    table = pd.read_csv(REAL / f"{name}.csv").rename(columns=columns)
    linear, ordinal = fit_linear_mixed(table, **COLUMNS), fit_ordinal_mixed(table, **COLUMNS)
    assert linear.deviance == pytest.approx(expected["deviance"], abs=1e-4)
    found = {part.name: part.variance for part in linear.components}
    assert found == pytest.approx({key.lower(): value for key, value in expected["variances"].items()}, abs=2e-4)
    systems = linear.contrasts[: len(linear.systems) - 1]
    assert [pair.difference for pair in systems] == pytest.approx(np.atleast_1d(expected["differences"]), abs=1e-4)
    assert ordinal.log_likelihood == pytest.approx(expected["log_likelihood"], abs=2e-4)
    logits = ordinal.contrasts[: len(ordinal.systems) - 1]
    assert [pair.difference for pair in logits] == pytest.approx(np.atleast_1d(expected["log_odds"]), abs=2e-3)
