"""The command on whole exports: the right rows, the right numbers, the same bytes, and clear refusals."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from scipy import stats

from analysis.agreement import krippendorff_alpha
from analysis.icc import intraclass_correlation
from analysis.judgments import Options, analyze_judgments, file_name, select_rows
from analysis.kappa import fleiss_kappa
from analysis.matchups import split_matchups
from annotation.errors import InputError
from tests.analysis.exports import comparison, make_comparisons, make_ratings, rating, write_export

DRAWS = 100


def analyse(export: Path, output: Path, **options: Any) -> dict[str, Any]:
    """Run the command; results.json with findings by (name, subject)."""
    call_command("analyze_judgments", export, output=output, draws=DRAWS, stdout=io.StringIO(), **options)
    return json.loads((output / "results.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def finding(results: dict[str, Any], name: str, subject: str) -> dict[str, Any]:
    (found,) = [entry for entry in results["results"] if (entry["name"], entry["subject"]) == (name, subject)]
    return found


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    questions = [{"name": "quality", "text": "How good is <it>?"}, {"name": "fluency", "text": "Does it read well?"}]
    folder = tmp_path_factory.mktemp("ratings") / "export"
    return write_export(folder, kind="ratings", rows=make_ratings(items=30), questions=questions)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(
        tmp_path_factory.mktemp("votes") / "export", kind="comparisons", rows=make_comparisons(items=80)
    )


def test_ratings_give_every_statistic_with_its_figures(rated: Path, tmp_path: Path) -> None:
    output = tmp_path / "analysis"
    results = analyse(rated, output)
    table = pd.DataFrame(make_ratings(items=30))
    quality = table[table["question"] == "quality"]
    anova = finding(results, "anova_one_way", "quality")
    other = stats.f_oneway(*[rows["value"] for _, rows in quality.groupby("system")])
    assert (anova["details"]["statistic"], anova["p_value"]) == pytest.approx((other.statistic, other.pvalue))
    means = quality.groupby(["item", "system"])["value"].mean().unstack()
    friedman = stats.friedmanchisquare(*means.to_numpy().round(9).T)
    assert finding(results, "friedman", "quality")["p_value"] == pytest.approx(friedman.pvalue)
    assert finding(results, "alpha_ordinal", "quality")["used"] == 30 * 4
    check_agreement(quality, results, output)
    best = finding(results, "mean_rating", "quality: supervised+nlpo+preference")
    assert best["estimate"] == pytest.approx(means["supervised+nlpo+preference"].mean())
    assert best["low"] < best["estimate"] < best["high"]
    assert len(finding(results, "tukey_hsd", "quality")["details"]["pairs"]) == 6
    figures = {path.name for path in (output / "figures").iterdir()}
    kinds = ("ratings", "pairs", "tukey", "effects", "assumptions", "mixed", "power", "alpha_by_system")
    names = [f"{question}_{kind}" for question in ("quality", "fluency") for kind in kinds]
    names += ["agreement", "variance_shares", "workers_severity_agreement", "worker_confusions"]
    assert figures == {f"{name}.{suffix}" for name in names for suffix in ("svg", "png")}
    page = (output / "report.html").read_text()
    assert page.count("<figure>") == len(names)
    assert "&lt; .0001</td>" in page
    assert "How good is &lt;it&gt;?" in page
    assert "The workers are simulated" in page
    assert page.index("Quality</h2>") < page.index("Fluency</h2>")


def check_agreement(quality: pd.DataFrame, results: dict[str, Any], output: Path) -> None:
    """Beside alpha the other coefficients, and its parts as tables."""
    columns = {"unit": "hit", "rater": "worker", "value": "value"}
    assert finding(results, "icc_1", "quality")["estimate"] == pytest.approx(
        intraclass_correlation(quality, form="ICC(1)", **columns).estimate
    )
    kappa = finding(results, "fleiss_kappa", "quality")
    assert kappa["estimate"] == pytest.approx(fleiss_kappa(quality, seed=0, draws=1, **columns).estimate)
    assert kappa["low"] < kappa["estimate"] < kappa["high"]
    by_system = pd.read_csv(output / "tables" / "quality_alpha_by_system.csv", index_col="system")
    supervised = krippendorff_alpha(quality[quality["system"] == "supervised"], level="ordinal", **columns)
    assert by_system.loc["supervised", "alpha"] == pytest.approx(supervised.estimate)
    without = pd.read_csv(output / "tables" / "quality_alpha_without_workers.csv", index_col="worker")
    rest = krippendorff_alpha(quality[quality["worker"] != "worker-03"], level="ordinal", **columns)
    assert without.loc["worker-03", "alpha_without"] == pytest.approx(rest.estimate)
    assert without["change"].is_monotonic_decreasing
    assert len(without) == 12


def test_votes_give_every_statistic_with_its_figures(compared: Path, tmp_path: Path) -> None:
    results = analyse(compared, tmp_path / "analysis")
    table = pd.DataFrame(make_comparisons(items=80))
    votes = table[table["system_a"] == "supervised"]
    wins = int((votes["choice"] == "b").sum())
    subject = "supervised+nlpo against supervised"
    binomial = finding(results, "binomial", subject)
    assert binomial["estimate"] == pytest.approx(wins / len(votes))
    assert binomial["p_value"] == pytest.approx(stats.binomtest(wins, len(votes)).pvalue)
    flip = finding(results, "sign_flip", subject)
    assert flip["estimate"] == pytest.approx(2 * wins / len(votes) - 1)
    assert flip["details"]["is_exact"]
    assert flip["used"] == 80
    bias = finding(results, "position_bias", "left side")
    decided = table[table["choice"].isin(["a", "b"])]
    assert bias["estimate"] == pytest.approx((decided["choice"] == decided["left"]).mean())
    with_ties = "supervised+nlpo+preference against supervised+nlpo (ties as a category)"
    assert finding(results, "alpha_nominal", with_ties)["used"] == 80
    assert 0 < finding(results, "percent_agreement", subject)["estimate"] < 1
    tables = tmp_path / "analysis" / "tables"
    without = pd.read_csv(tables / f"{file_name(subject)}_alpha_without_workers.csv", index_col="worker")
    rest = krippendorff_alpha(
        votes[votes["worker"] != "worker-00"], unit="pair", rater="worker", value="choice", level="nominal"
    )
    assert without.loc["worker-00", "alpha_without"] == pytest.approx(rest.estimate)
    by_worker = pd.read_csv(tmp_path / "analysis" / "tables" / "position_bias.csv", index_col="worker")
    assert by_worker["left_share"].idxmax() == "worker-00"


def test_the_same_seed_writes_the_same_bytes(compared: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        analyse(compared, tmp_path / name, seed=5)
    for path in sorted((tmp_path / "first").rglob("*")):
        # What a run records of itself (its command, its seconds) is not a result.
        if path.is_file() and path.name != "environment.json":
            assert path.read_bytes() == (tmp_path / "second" / path.relative_to(tmp_path / "first")).read_bytes(), path


def test_another_seed_moves_intervals_and_no_estimate() -> None:
    table = pd.DataFrame(make_ratings(items=30))
    first, second = (
        analyze_judgments(table, None, manifest={}, options=Options(seed=seed, draws=DRAWS)).chapters for seed in (1, 2)
    )
    estimates = [[found.estimate for chapter in each for found in chapter.findings] for each in (first, second)]
    lows = [[found.low for chapter in each for found in chapter.findings] for each in (first, second)]
    assert estimates[0] == estimates[1]
    assert lows[0] != lows[1]


def test_every_finding_says_where_it_comes_from(compared: Path, tmp_path: Path) -> None:
    results = analyse(compared, tmp_path / "analysis", seed=9)
    assert {"numpy", "scipy", "pandas"} <= set(results["versions"])
    for entry in results["results"]:
        assert entry["reading"].endswith(".")
        assert entry["method"]
        assert entry["used"] > 0
        assert entry["seed"] in (9, None)
        assert isinstance(entry["warnings"], list)


def test_only_unexcluded_work_counts_unless_more_is_asked_for(tmp_path: Path) -> None:
    rows = make_comparisons(items=20)
    extra = [
        comparison(0, "supervised", "supervised+nlpo", "b", 90, kind="gold"),
        comparison(0, "supervised", "supervised+nlpo", "b", 91, kind="surplus"),
        comparison(0, "supervised", "supervised+nlpo", "b", 92, excluded="failed attention"),
        comparison(0, "supervised", "supervised+nlpo", "b", 93, kind="gold", excluded="failed attention"),
    ]
    export = write_export(tmp_path / "export", kind="comparisons", rows=rows + extra)
    results = analyse(export, tmp_path / "analysis", include=["gold"])
    assert results["counts"]["comparisons"]["used"] == len(rows) + 1
    assert results["counts"]["comparisons"]["left_out"] == {"excluded: failed attention": 2, "surplus": 1}
    table = pd.DataFrame(rows + extra)
    for include, more in (((), 0), (("excluded",), 1), (("gold", "excluded"), 3)):
        assert len(select_rows(table, include).rows) == len(rows) + more
    left_out = select_rows(table).left_out
    assert left_out["reason"].value_counts().to_dict() == {"excluded: failed attention": 1, "gold": 2, "surplus": 1}
    assert len(set(left_out["row"])) == 4 and not set(left_out["row"]) & set(select_rows(table).rows.index)


def test_a_matchup_is_the_same_whichever_system_a_row_calls_a() -> None:
    rows = make_comparisons(items=40)
    rows = [row for row in rows if row["system_a"] == "supervised"]
    other = {"a": "b", "b": "a", "tie": "tie"}
    turned = [
        row | {"system_a": row["system_b"], "system_b": row["system_a"],
               "completion_a": row["completion_b"], "completion_b": row["completion_a"],
               "choice": other[row["choice"]], "left": other[row["left"]]}
        if index % 3 == 0 else row
        for index, row in enumerate(rows)
    ]  # fmt: skip
    (straight,), (mixed,) = split_matchups(pd.DataFrame(rows)), split_matchups(pd.DataFrame(turned))
    assert (mixed.system_a, mixed.system_b) == ("supervised", "supervised+nlpo")
    assert mixed.votes["vote"].tolist() == straight.votes["vote"].tolist()
    pd.testing.assert_frame_equal(mixed.votes, straight.votes)


def test_repeated_answers_of_a_worker_do_not_stop_the_analysis(tmp_path: Path) -> None:
    rows = make_ratings(items=10, systems=("s", "t"))
    repeated = [row | {"kind": "repeat", "assignment": "again"} for row in rows[:3]]
    export = write_export(tmp_path / "export", kind="ratings", rows=rows + repeated)
    results = analyse(export, tmp_path / "analysis", include=["repeat"])
    assert "3 repeated ratings left out of alpha" in finding(results, "alpha_ordinal", "quality")["warnings"]


def test_constant_ratings_are_reported_as_undefined(tmp_path: Path) -> None:
    rows = [
        rating(item, system, "quality", 3, worker) for item in range(6) for system in ("s", "t") for worker in range(3)
    ]
    results = analyse(write_export(tmp_path / "export", kind="ratings", rows=rows), tmp_path / "analysis")
    for name in ("alpha_ordinal", "anova_one_way", "friedman", "mixed_linear", "mixed_ordinal"):
        entry = finding(results, name, "quality")
        assert entry["estimate"] is None
        assert "not defined" in entry["reading"] or "cannot be compared" in entry["reading"]
    assert "How large a next study" not in (tmp_path / "analysis" / "report.html").read_text()


def test_all_ties_are_reported_as_undefined(tmp_path: Path) -> None:
    rows = [comparison(item, "s", "t", "tie", worker) for item in range(5) for worker in range(3)]
    results = analyse(write_export(tmp_path / "export", kind="comparisons", rows=rows), tmp_path / "analysis")
    assert finding(results, "binomial", "t against s")["estimate"] is None
    assert finding(results, "sign_flip", "t against s")["p_value"] == 1
    assert finding(results, "position_bias", "left side")["p_value"] is None


@pytest.mark.parametrize(
    ("kind", "rows", "sentence"),
    [
        ("ratings", [rating(0, "s", "quality", 3, 0)], "only 'worker-00' has judged; expected at least two raters"),
        (
            "comparisons",
            [comparison(0, "s", "s", "a", worker) for worker in (0, 1)],
            "every pair is of 's' with itself",
        ),
        ("ratings", [rating(0, "s", "quality", 3, 0, kind="gold")], r"no row is unexcluded work \(1 gold\)"),
        ("ratings", [], "empty; expected at least one row"),
        ("ratings", [{"hit": "h"}], "the key 'campaign' is missing"),
    ],
)
def test_bad_exports_are_refused_and_leave_nothing(kind: str, rows: list, sentence: str, tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", kind=kind, rows=rows)
    with pytest.raises(CommandError, match=sentence) as refusal:
        analyse(export, tmp_path / "analysis")
    assert refusal.value.returncode == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export"]


def test_an_export_without_judgments_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", kind="ratings", rows=[])
    (export / "ratings.jsonl").unlink()
    with pytest.raises(CommandError, match="neither ratings nor comparisons"):
        analyse(export, tmp_path / "analysis")
    with pytest.raises(CommandError, match="no such folder"):
        analyse(tmp_path / "elsewhere", tmp_path / "analysis")


def test_a_finished_analysis_is_not_overwritten(rated: Path, tmp_path: Path) -> None:
    (tmp_path / "analysis").mkdir()
    with pytest.raises(CommandError, match="exists already"):
        analyse(rated, tmp_path / "analysis")


def test_an_unknown_kind_to_include_is_named() -> None:
    table = pd.DataFrame({"kind": ["work"], "excluded": [""]})
    with pytest.raises(InputError, match="'bronze': expected one of gold, attention, repeat, surplus, excluded"):
        select_rows(table, Options(include=("bronze",)).include)


def test_numbers_in_the_summary_are_those_of_the_results(compared: Path, tmp_path: Path) -> None:
    results = analyse(compared, tmp_path / "analysis")
    summary = json.loads((tmp_path / "analysis" / "summary.json").read_text())
    for entry in results["results"]:
        if entry["estimate"] is not None:
            assert summary[entry["name"]][entry["subject"]]["estimate"] == entry["estimate"]
    assert np.isfinite(summary["position_bias"]["left side"]["p"])
