"""The command on votes of several systems, on rankings, on degrees, and on votes that lack something."""

import dataclasses
import io
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command

from analysis.bradley_terry import fit_bradley_terry
from analysis.findings import Finding
from analysis.judgments import JudgmentAnalysis, Options, analyze_judgments
from analysis.win_rates import win_rates
from annotation.ranked_pairs import comparisons_of_ranking
from annotation.records import Ranking, to_dict
from tests.analysis.exports import SYSTEMS, comparison, make_comparisons, make_rankings, write_export, write_rankings
from tests.analysis.test_judgments import DRAWS, finding

COLUMNS = {"system_a": "system_a", "system_b": "system_b", "vote": "vote", "cluster": "item"}
VOTES = {"a": -1, "b": 1, "tie": 0}


def analyse(export: Path, **options: Any) -> tuple[dict[str, Any], Path]:
    output = export.parent / "analysis"
    call_command("analyze_judgments", export, output=output, draws=DRAWS, stdout=io.StringIO(), **options)
    return json.loads((output / "results.json").read_text()), output


def study(rows: list[dict[str, Any]], rankings: list[Ranking] | None = None) -> JudgmentAnalysis:
    """The same without files: drawing costs more than all the statistics."""
    table = None if rankings is None else pd.DataFrame([dataclasses.asdict(ranking) for ranking in rankings])
    return analyze_judgments(None, pd.DataFrame(rows), table, manifest={}, options=Options(draws=20))


def found_in(analysis: JudgmentAnalysis, name: str, subject: str) -> Finding:
    (found,) = [
        entry
        for chapter in analysis.chapters
        for entry in chapter.findings
        if (entry.name, entry.subject) == (name, subject)
    ]
    return found


def table_of(analysis: JudgmentAnalysis, name: str) -> pd.DataFrame:
    (table,) = [chapter.tables[name] for chapter in analysis.chapters if name in chapter.tables]
    return table


def figures(output: Path) -> set[str]:
    return {path.stem for path in (output / "figures").iterdir()}


def test_several_systems_are_ranked_with_their_win_rates(tmp_path: Path) -> None:
    rows = make_comparisons(items=40)
    results, output = analyse(write_export(tmp_path / "export", kind="comparisons", rows=rows))
    table = pd.DataFrame(rows).assign(vote=lambda rows: rows["choice"].map(VOTES))
    fit = fit_bradley_terry(table, **COLUMNS, left="left")
    strongest = finding(results, "bradley_terry", "the strongest system")
    assert strongest["details"]["system"] == fit.strengths[0].system
    assert strongest["estimate"] == pytest.approx(fit.strengths[0].elo)
    assert strongest["low"] < strongest["estimate"] < strongest["high"]
    assert sum(strongest["details"]["rank_probabilities"][0]) == pytest.approx(1)
    weakest = finding(results, "elo", "supervised")
    assert weakest["estimate"] == pytest.approx(fit.strengths[-1].elo)
    side = finding(results, "side_effect", "log odds beside the systems")
    assert (side["estimate"], side["p_value"]) == pytest.approx((fit.side_effect, fit.side_p))
    strengths = pd.read_csv(output / "tables" / "strengths.csv", index_col="system")
    assert strengths.loc["supervised", "wald_low"] == pytest.approx(fit.strengths[-1].elo_low)
    matrix = pd.read_csv(output / "tables" / "win_rates.csv")
    rates = win_rates(table, **COLUMNS, seed=0, draws=DRAWS)
    assert matrix["win_rate"].tolist() == pytest.approx([cell.estimate for cell in rates.cells])
    assert matrix["low"].tolist() == pytest.approx([cell.low for cell in rates.cells])
    names = {"strengths", "win_rate_matrix", "win_rates", "position_bias", "workers_left_share_agreement"}
    assert figures(output) == names
    page = (output / "report.html").read_text()
    assert "Strengths of systems</h2>" in page
    assert "rank probabilities" not in page  # the figure shows them


def test_two_systems_have_a_win_rate_over_items_and_no_ranking(tmp_path: Path) -> None:
    rows = [row for row in make_comparisons(items=40) if row["system_a"] == "supervised"]
    results, output = analyse(write_export(tmp_path / "export", kind="comparisons", rows=rows))
    subject = "supervised+nlpo against supervised"
    table = pd.DataFrame(rows)
    share = (table["choice"] == "b").mean()
    rate = finding(results, "win_rate", subject)
    assert rate["estimate"] == pytest.approx(share)
    assert rate["low"] < share < rate["high"]
    majority = table["choice"].eq("b").groupby(table["item"]).mean() > 0.5
    mcnemar = finding(results, "mcnemar", subject)
    assert mcnemar["details"]["items_b"] == majority.sum()
    assert mcnemar["used"] == 40
    assert not [entry for entry in results["results"] if entry["name"] in ("bradley_terry", "elo")]
    assert figures(output) == {"win_rates", "position_bias", "workers_left_share_agreement"}


def test_rankings_come_out_with_a_report(tmp_path: Path) -> None:
    rankings = make_rankings()
    results, output = analyse(write_rankings(tmp_path / "export", rankings))
    assert results["counts"]["rankings"] == {"used": 120, "left_out": {}, "items": 40, "sets": 40, "workers": 12}
    ranks = {system: [] for system in SYSTEMS}
    for ranking in rankings:
        place = 0.0
        for group in ranking.groups:
            for letter in group:
                ranks[ranking.systems["abcd".index(letter)]].append(place + (len(group) + 1) / 2)
            place += len(group)
    best = finding(results, "best_mean_rank", "the best system")
    assert best["details"]["system"] == SYSTEMS[-1]
    assert best["estimate"] == pytest.approx(np.mean(ranks[SYSTEMS[-1]]))
    concordance = finding(results, "kendall_w", "rankings")
    assert 1 / 3 < concordance["estimate"] < 1
    assert concordance["low"] < concordance["estimate"] < concordance["high"]
    assert finding(results, "bradley_terry", "the strongest system")["details"]["system"] == SYSTEMS[-1]
    assert finding(results, "position_bias", "first-shown")["reading"].startswith("The first-shown completion won")
    assert finding(results, "length_bias", "the longer completion")["estimate"] > 0.5
    assert {"mean_ranks", "strengths", "win_rate_matrix"} <= figures(output)
    assert "Rankings</h2>" in (output / "report.html").read_text()


def test_best_worst_answers_agree_on_their_ends() -> None:
    rankings = make_rankings(asked="best_worst")
    comparisons = [to_dict(found) for ranking in rankings for found in comparisons_of_ranking(ranking)]
    analysis = study(comparisons, rankings)
    for end in ("best", "worst"):
        assert found_in(analysis, "alpha_nominal", f"the {end} of a set").used == 40
    assert "kendall_w" not in [found.name for chapter in analysis.chapters for found in chapter.findings]
    table = table_of(analysis, "mean_ranks")
    assert table["best"].sum() == table["worst"].sum() == 120
    assert table["best_worst"].tolist() == pytest.approx(((table["best"] - table["worst"]) / table["used"]).tolist())


def test_a_ranking_that_a_worker_gave_twice_counts_once() -> None:
    rankings = make_rankings(items=8)
    comparisons = [to_dict(found) for ranking in rankings for found in comparisons_of_ranking(ranking)]
    found = found_in(study(comparisons, [*rankings, rankings[0]]), "best_mean_rank", "the best system")
    assert found.used == 24
    assert "1 repeated rankings left out" in found.warnings


def test_degrees_are_used_where_they_are_given() -> None:
    generator = np.random.default_rng(0)
    rows = [
        row | {"strength": int(generator.integers(1, 4)) if row["choice"] != "tie" else None}
        for row in make_comparisons(items=30)
    ]
    analysis, subject = study(rows), "supervised+nlpo against supervised"
    votes = pd.DataFrame(rows).query("system_a == 'supervised'")
    signed = votes["strength"] * votes["choice"].map(VOTES)
    mean = found_in(analysis, "mean_strength", subject)
    assert mean.estimate == pytest.approx(signed.groupby(votes["item"]).mean().mean())
    assert found_in(analysis, "alpha_ordinal", f"{subject}: signed degrees").used == 30


def test_length_is_looked_at_beside_the_systems() -> None:
    generator = np.random.default_rng(0)
    rows = []
    for row in make_comparisons(items=60):
        words = generator.integers(2, 20, size=2)
        longer = "a" if words[0] > words[1] else "b"
        texts = {"completion_a": "w " * words[0], "completion_b": "w " * words[1]}
        rows.append(row | texts | ({"choice": longer} if generator.random() < 0.5 else {}))
    analysis = study(rows)
    bias = found_in(analysis, "length_bias", "the longer completion")
    assert bias.low > 0.5
    assert bias.details["slope_low"] > 0
    assert table_of(analysis, "length_by_matchup")["at_equal_lengths"].between(0, 1).all()
    assert table_of(analysis, "strengths_at_equal_lengths")["at_equal_lengths"].mean() == pytest.approx(1000)


def test_votes_without_completions_have_no_chapter_on_length() -> None:
    rows = [{key: value for key, value in row.items() if "completion" not in key} for row in make_comparisons(items=9)]
    assert "Length" not in [chapter.title for chapter in study(rows).chapters]


def test_a_worker_who_saw_a_pair_again_is_compared_with_herself() -> None:
    rows = make_comparisons(items=20)
    other = {"a": "b", "b": "a", "tie": "tie"}
    again = [
        row | {"kind": "repeat", "left": other[row["left"]], "assignment": f"again-{index}"}
        for index, row in enumerate(rows[:20])
    ]
    again[0]["choice"] = other[again[0]["choice"]]
    analysis = study(rows + again)
    found = found_in(analysis, "swap_consistency_of_workers", "of one worker")
    assert (found.estimate, found.used) == (19 / 20, 20)
    assert analysis.counts["comparisons"]["left_out"] == {"repeat": 20}


def test_a_winless_system_is_named() -> None:
    rows = make_comparisons(items=20)
    rows += [comparison(item, "supervised", "hopeless", "a", worker) for item in range(6) for worker in range(3)]
    analysis = study(rows)
    found = found_in(analysis, "bradley_terry", "the strongest system")
    assert any("hopeless: it won no vote" in warning for warning in found.warnings)
    strengths = table_of(analysis, "strengths").set_index("system")
    assert np.isnan(strengths.loc["hopeless", "elo"])
    assert "won no vote" in strengths.loc["hopeless", "reason"]
    (figure,) = [named for chapter in analysis.chapters for named in chapter.figures if named.name == "strengths"]
    assert figure.caption.endswith("Not fitted: hopeless.")


def test_systems_that_nobody_connects_are_reported() -> None:
    rows = [
        comparison(item, first, second, "ab"[(item + worker) % 2], worker)
        for first, second in (("a1", "a2"), ("b1", "b2"))
        for item in range(8)
        for worker in range(3)
    ]
    warnings = found_in(study(rows), "bradley_terry", "the strongest system").warnings
    assert sum("it is not compared, in both directions" in warning for warning in warnings) == 2


def test_votes_that_all_go_one_way_rank_nobody() -> None:
    rows = [
        comparison(item, first, second, "b", worker)
        for first, second in itertools.pairwise(("s", "t", "u"))
        for item in range(6)
        for worker in range(2)
    ]
    analysis = study(rows)
    found = found_in(analysis, "bradley_terry", "the strongest system")
    assert np.isnan(found.estimate)
    assert found.reading.startswith("The ranking is not defined")
    (chapter,) = [chapter for chapter in analysis.chapters if chapter.title == "Strengths of systems"]
    assert [named.name for named in chapter.figures] == ["win_rate_matrix"]
