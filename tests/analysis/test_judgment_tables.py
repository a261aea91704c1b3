"""Anybody's table: the same numbers as from an export, and a sentence with the row for what cannot be used."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError

from analysis.judgment_tables import RatingColumns, VoteColumns, ratings_of_table, read_table, votes_of_table
from annotation.errors import InputError
from tests.analysis.exports import make_comparisons, make_ratings, write_export
from tests.analysis.test_judgments import analyse

SCRATCHPLOT = Path(os.environ.get("PREFLOOP_DATA", Path(__file__).parents[3] / "shared" / "data")) / "scratchplot"
RATINGS = {"item": ["i", "i", "j", "j"], "worker": ["v", "w", "v", "w"], "system": ["s"] * 4, "value": [1, 2, 3, 3]}
VOTES = {"item": ["i", "i"], "worker": ["v", "w"], "system_a": ["s"] * 2, "system_b": ["t"] * 2, "choice": ["a", "b"]}


def numbers_of(results: dict[str, Any]) -> dict[tuple[str, str], tuple[float | None, float | None, int]]:
    entries = results["results"]
    return {(e["name"], e["subject"]): (e["estimate"], e["p_value"], e["used"]) for e in entries}


def save(table: pd.DataFrame, path: Path) -> Path:
    writers = {".csv": table.to_csv, ".parquet": table.to_parquet}
    if path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        writers[path.suffix](path, index=False)
    return path


NAMES = {"item": "doc", "system": "model", "worker": "annotator", "value": "score", "question": "aspect"}


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_table_of_ratings_is_read_from_any_kind_of_file(ending: str, tmp_path: Path) -> None:
    table = pd.DataFrame(make_ratings(items=12))
    path = save(table[list(NAMES)].rename(columns=NAMES), tmp_path / f"table.{ending}")
    columns = RatingColumns(value=("score",), item="doc", system="model", rater="annotator", question="aspect")
    read = ratings_of_table(read_table(path), columns)
    assert read.left_out.empty
    for name in NAMES:
        assert read.rows[name].tolist() == table[name].tolist()


def test_a_table_of_ratings_gives_what_its_export_gives(tmp_path: Path) -> None:
    rows = make_ratings(items=6)
    export = write_export(tmp_path / "export", kind="ratings", rows=rows)
    path = save(pd.DataFrame(rows)[list(NAMES)].rename(columns=NAMES), tmp_path / "table.csv")
    named = {"rater" if flag == "worker" else flag: column for flag, column in NAMES.items()}
    results = analyse(path, tmp_path / "of-table", **(named | {"value": ["score"]}))
    assert numbers_of(results) == numbers_of(analyse(export, tmp_path / "of-export"))


def test_a_wide_table_has_a_question_a_column(tmp_path: Path) -> None:
    long = pd.DataFrame(make_ratings(items=6)).drop(columns=["references"])
    wide = long.pivot_table(index=["item", "system", "worker"], columns="question", values="value").reset_index()
    read = ratings_of_table(wide, RatingColumns(value=("quality", "fluency")))
    key = ["question", "item", "system", "worker"]
    assert read.rows.sort_values(key)["value"].tolist() == long.sort_values(key)["value"].tolist()
    assert set(read.rows["question"]) == {"quality", "fluency"}


def test_a_table_of_votes_gives_what_its_export_gives(tmp_path: Path) -> None:
    rows = make_comparisons(items=40)
    export = write_export(tmp_path / "export", kind="comparisons", rows=rows)
    table = pd.DataFrame(rows)[["item", "system_a", "system_b", "worker", "choice", "left", "pair"]]
    of_names = table.assign(winner=table["choice"].where(~table["choice"].isin(["a", "b"]), table["system_a"]))
    of_names["winner"] = of_names["winner"].mask(table["choice"] == "b", table["system_b"])
    path = save(of_names.drop(columns="choice"), tmp_path / "votes.csv")
    results = analyse(path, tmp_path / "of-table", choice="winner", left="left", pair="pair")
    expected = numbers_of(analyse(export, tmp_path / "of-export"))
    # An export has the texts too.
    shared = {key: numbers for key, numbers in expected.items() if "length" not in key[0]}
    assert {key: numbers for key, numbers in numbers_of(results).items() if "length" not in key[0]} == shared


def test_votes_without_sides_are_analysed_without_them(tmp_path: Path) -> None:
    table = pd.DataFrame(make_comparisons(items=20))[["item", "system_a", "system_b", "worker", "choice"]]
    results = analyse(save(table, tmp_path / "votes.csv"), tmp_path / "analysis")
    names = {entry["name"] for entry in results["results"]}
    assert "sign_flip" in names and "position_bias" not in names


def test_text_that_looks_like_nothing_stays_text_and_gaps_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("item,worker,label\ni,v,nan\ni,w,NA\nj,v,nan\nj,w,\n,w,nan\n")
    columns = RatingColumns(value=("label",), system=None, order=("NA", "nan"))
    read = ratings_of_table(read_table(path), columns)
    assert read.rows["value"].tolist() == [2, 1, 2]
    assert read.left_out.to_dict("records") == [{"row": 5, "reason": "no label"}, {"row": 6, "reason": "no item"}]
    results = analyse(path, tmp_path / "analysis", value=["label"], system="none", order="NA,nan")
    assert results["counts"]["ratings"]["left_out"] == {"no item": 1, "no label": 1}
    listed = pd.read_csv(tmp_path / "analysis" / "tables" / "left_out.csv")
    assert listed.to_dict("list") == {"row": [5, 6], "reason": ["no label", "no item"]}


def test_one_system_gives_agreement_and_no_comparison(tmp_path: Path) -> None:
    table = pd.DataFrame(make_ratings(items=10, systems=("s",)))[["item", "worker", "question", "value"]]
    results = analyse(save(table, tmp_path / "one.csv"), tmp_path / "analysis", system="none", question="question")
    names = {entry["name"] for entry in results["results"]}
    assert {"alpha_ordinal", "mean_rating"} <= names and not names & {"friedman", "anova_one_way", "tukey_hsd"}


def test_every_table_is_there_for_latex_too(tmp_path: Path) -> None:
    table = pd.DataFrame(make_ratings(items=6)).assign(system=lambda rows: rows["system"] + "_50%")
    analyse(save(table.drop(columns=["references"]), tmp_path / "t.jsonl"), tmp_path / "analysis", question="question")
    folder = tmp_path / "analysis" / "tables"
    of_latex = {path.stem for path in folder.glob("*.tex")}
    assert of_latex == {path.stem for path in folder.glob("*.csv")} - {"left_out"}
    means = (folder / "quality_means.tex").read_text()
    assert r"\toprule" in means and r"zero-shot\_50\%" in means


@pytest.mark.parametrize(
    ("changes", "columns", "sentence"),
    [
        ({}, {"item": "doc"}, "no column 'doc'; its columns are item, worker, system, value"),
        ({"value": [1, "good", 3, 3]}, {}, r"row 1: 'value' is 'good'; expected a number, or the categories"),
        (
            {"value": ["lo", "hi", "up", "lo"]},
            {"order": ("lo", "hi")},
            "row 2: 'value' is 'up'; expected one of lo, hi",
        ),
        ({"value": [1, 6, 3, 7]}, {"scale": (1, 5)}, r"row 1: 'value' is 6; expected 1 to 5 \(2 such rows: 1, 3\)"),
        ({"worker": ["v", "v", "v", "w"]}, {}, r"rows 0 and 1: worker 'v' rates 'i by s' twice \(row 1\)"),
        ({"value": [None] * 4}, {}, "no row has a value in every one of 'item', 'worker', 'system', 'value'"),
    ],
)
def test_ratings_that_cannot_be_used_are_named(changes: dict[str, Any], columns: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        ratings_of_table(pd.DataFrame(RATINGS | changes), RatingColumns(**columns))


@pytest.mark.parametrize(
    ("changes", "columns", "sentence"),
    [
        ({"choice": ["a", "maybe"]}, {}, "row 1: 'choice' is 'maybe'; expected a, b, tie, both_bad or a name"),
        ({"side": ["a", "x"]}, {"left": "side"}, "row 1: 'side' is 'x'; expected 'a' or 'b'"),
        ({}, {"left": "side"}, "no column 'side'"),
    ],
)
def test_votes_that_cannot_be_used_are_named(changes: dict[str, Any], columns: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        votes_of_table(pd.DataFrame(VOTES | changes), VoteColumns(**columns))


def test_a_systems_own_name_goes_before_what_a_choice_usually_means() -> None:
    table = pd.DataFrame(VOTES | {"system_a": ["b", "b"], "system_b": ["tie", "tie"], "choice": ["b", "tie"]})
    assert votes_of_table(table, VoteColumns()).rows["choice"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "options", "sentence"),
    [
        ("empty.csv", "", {}, "cannot be read"),
        ("header.csv", "item,worker,system,value\n", {}, "has no rows"),
        ("bad.jsonl", "{", {}, "cannot be read"),
        ("one.csv", "item,worker,system,value\ni,w,s,1\nj,w,s,2\n", {}, "only 'w' has judged; expected at least two"),
        ("pairs.csv", "prompt,chosen,rejected\na,b,c\n", {}, r"pairs\.csv has neither .* single judgments, and"),
        ("both.csv", "item,worker\ni,w\n", {"choice": "c", "value": ["v"]}, "--value: .* is taken as votes"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_leaves_nothing(
    name: str, content: str, options: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(CommandError, match=sentence) as refusal:
        analyse(path, tmp_path / "analysis", **options)
    assert refusal.value.returncode == 2
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_columns_of_an_export_are_not_to_be_named(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", kind="ratings", rows=make_ratings(items=2))
    with pytest.raises(CommandError, match=r"--rater: .* is an export, whose columns are known"):
        analyse(export, tmp_path / "analysis", rater="annotator")


@pytest.mark.skipif(not SCRATCHPLOT.is_dir(), reason=f"{SCRATCHPLOT} with the crowd's ratings is not there")
@pytest.mark.parametrize("name", ["coherence", "ending"])
def test_real_crowd_judgments_are_analysed(name: str, tmp_path: Path) -> None:
    """The alphas that the data's own README gives: .23 to .64 for ratings, .15 to .23 for endings."""
    path = SCRATCHPLOT / f"{name}.csv"
    columns: dict[str, Any] = {"item": "INPUT:content_plan_id"}
    if name == "coherence":
        columns |= {"system": "INPUT:system", "value": ["OUTPUT:category"], "scale": (1.0, 5.0)}
    else:
        columns |= {"choice": "OUTPUT:category", "system_a": "INPUT:system_a", "system_b": "INPUT:system_b"}
    results = analyse(path, tmp_path / "analysis", **columns)
    alphas = [entry["estimate"] for entry in results["results"] if entry["name"].startswith("alpha_")]
    assert alphas and all(0 < alpha < 0.7 for alpha in alphas)
    (counts,) = results["counts"].values()
    assert counts["used"] == len(pd.read_csv(path)) and counts["left_out"] == {}
