"""`plan_study` from variances and from an analysis, and `--smallest-difference`: numbers, files, and refusals."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from analysis.plan_findings import PlanOptions
from analysis.power import RatingStudy, Variances, items_needed
from analysis.study_plan import plan_study, read_source
from tests.analysis.exports import make_comparisons, make_ratings, write_export


def plan(*source: Any, output: Path, **options: Any) -> tuple[dict[str, Any], str]:
    """Run the command; its results.json, and what it printed."""
    printed = io.StringIO()
    options = {"simulations": 50, "json": True} | options
    call_command("plan_study", *map(str, source), output=output, stdout=printed, **options)
    return json.loads((output / "results.json").read_text()), printed.getvalue()


@pytest.fixture(scope="module")
def analysis(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pilot")
    export = write_export(folder / "export", kind="ratings", rows=make_ratings(items=12, systems=("s", "t")))
    call_command(
        "analyze_judgments", export, output=folder / "analysis", draws=20, smallest_difference=0.4, stdout=io.StringIO()
    )
    return folder / "analysis"


def test_variances_give_the_items_that_each_number_of_raters_needs(tmp_path: Path) -> None:
    words = ("residual=0.8", "completion=0.2", "worker=0.1")
    results, printed = plan(*words, output=tmp_path / "plan", difference=0.3, workers=20, raters=[1, 3])
    study = RatingStudy(0.3, Variances(residual=0.8, completion=0.2, worker=0.1), workers=20)
    needed = {str(raters): items_needed(study, raters=raters) for raters in (1, 3)}
    summary = json.loads(printed.splitlines()[-1])
    assert summary["items_needed"] == {"ratings": needed}
    assert "raters a completion  items  ratings" in printed
    (finding,) = results["results"]
    assert finding["estimate"] == needed["3"]
    assert finding["details"]["difference"] == 0.3
    assert results["options"]["workers"] == 20
    files = {path.relative_to(tmp_path / "plan").as_posix() for path in (tmp_path / "plan").rglob("*.*")}
    assert {"report.html", "summary.json", "tables/ratings_power.csv", "figures/ratings_power.svg"} <= files
    page = (tmp_path / "plan" / "report.html").read_text()
    assert page.count("<figure>") == 2
    assert "2 systems need" in page
    assert len(pd.read_csv(tmp_path / "plan" / "tables" / "ratings_power.csv")) == 2 * 5 + 2


def test_an_analysis_is_planned_by_its_own_variances_and_workers(analysis: Path, tmp_path: Path) -> None:
    results, _ = plan(analysis, output=tmp_path / "plan", difference=0.5, question="quality", items=[20, 60])
    pilot = json.loads((analysis / "results.json").read_text())["results"]
    (model,) = [entry for entry in pilot if entry["name"] == "mixed_linear" and entry["subject"] == "quality"]
    (finding,) = results["results"]
    variances = Variances(**model["details"]["variances"])
    study = RatingStudy(0.5, variances, workers=model["details"]["workers"])
    assert finding["subject"] == "quality"
    assert finding["estimate"] == items_needed(study, raters=3)
    assert {power["items"] for power in finding["details"]["grid"]} == {20, 60}
    assert finding["details"]["workers"] == model["details"]["workers"] == 12
    assert finding["used"] == model["used"]
    inputs = json.loads((tmp_path / "plan" / "inputs.json").read_text())
    assert [Path(entry["path"]).name for entry in inputs] == ["results.json"]


def test_without_a_difference_the_largest_one_found_is_planned_for_with_a_warning(analysis: Path) -> None:
    chapter = plan_study(read_source([str(analysis / "results.json")], None), PlanOptions(simulations=20))
    pilot = json.loads((analysis / "results.json").read_text())["results"]
    models = {entry["subject"]: entry for entry in pilot if entry["name"] == "mixed_linear"}
    assert [finding.subject for finding in chapter.findings] == list(models)
    for finding in chapter.findings:
        largest = max(abs(pair["difference"]) for pair in models[finding.subject]["details"]["pairs"])
        assert finding.details["difference"] == largest
        assert "as uncertain as it is" in finding.warnings[0]


def test_an_analysis_plans_for_the_smallest_difference_that_is_named(analysis: Path) -> None:
    results = json.loads((analysis / "results.json").read_text())["results"]
    planned = [entry for entry in results if entry["name"] == "items_needed"]
    assert [entry["details"]["difference"] for entry in planned] == [0.4, 0.4]
    assert all(entry["warnings"] == [] for entry in planned)
    assert planned[0]["details"]["simulations"] == 20
    assert (analysis / "tables" / "quality_power.csv").is_file()
    assert "How large a next study</h2>" in (analysis / "report.html").read_text()


def test_the_same_seed_plans_the_same_study() -> None:
    pilots = read_source(["residual=1"], None)
    options = PlanOptions(difference=0.5, seed=4, items=(20, 40), raters=(1,), simulations=50)
    first, second = (plan_study(pilots, options).findings for _ in range(2))
    (other,) = plan_study(pilots, dataclasses.replace(options, seed=5)).findings
    assert first == second
    assert first[0].estimate == other.estimate
    assert first[0].details["grid"] != other.details["grid"]


@pytest.mark.parametrize(
    ("source", "options", "sentence"),
    [
        (["residual=x"], {}, "'residual=x': expected a number after the equals sign"),
        (["residual=1", "rater=1"], {}, "'rater=1': expected a variance, one of residual, completion, item, worker"),
        (["residual=1", "residual=2"], {}, "the variance 'residual' is given twice"),
        (["worker=1"], {}, "the variance 'residual' is missing"),
        (["residual=-1"], {"difference": 1.0}, "the variance 'residual' is -1; expected 0 or more"),
        (["residual=1"], {}, "no difference of systems on 'ratings' to plan for; name one with --difference"),
        (["residual=1"], {"difference": -0.5}, "--difference -0.5: expected more than 0"),
        (["residual=1"], {"question": "q"}, "--question 'q': expected only with an analysis"),
        (["residual=1"], {"difference": 1.0, "workers": 0}, "--workers 0: expected at least 1"),
        (["residual=1"], {"difference": 1.0, "items": [1]}, "--items 1: expected at least 2"),
        (["residual=1"], {"difference": 1.0, "power": 0.01}, "the power is 0.01"),
        (["a", "b"], {}, "2 sources: expected one analysis"),
        (["nowhere"], {}, "nowhere cannot be read"),
    ],
)
def test_a_plan_of_nothing_is_refused_and_leaves_nothing(
    source: list[str], options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=sentence) as refusal:
        plan(*source, output=tmp_path / "plan", **options)
    assert refusal.value.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_other_files_and_questions_are_refused(analysis: Path, tmp_path: Path) -> None:
    other = tmp_path / "results.json"
    other.write_text("[1, 2]")
    with pytest.raises(CommandError, match=r"results\.json is not a results\.json of analyze_judgments"):
        plan(other, output=tmp_path / "plan")
    other.write_text('{"results": []}')
    with pytest.raises(CommandError, match="has no fitted linear mixed model"):
        plan(other, output=tmp_path / "plan")
    with pytest.raises(CommandError, match="--question 'taste': expected one of fluency, quality"):
        plan(analysis, output=tmp_path / "plan", question="taste")


def test_a_smallest_difference_needs_ratings_and_a_size(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", kind="comparisons", rows=make_comparisons(items=5))
    for difference, sentence in ((0.5, "there are no ratings to plan by"), (-1.0, "expected more than 0 points")):
        with pytest.raises(CommandError, match=sentence) as refusal:
            call_command("analyze_judgments", export, output=tmp_path / "analysis", smallest_difference=difference)
        assert refusal.value.returncode == 2
    assert not (tmp_path / "analysis").exists()
