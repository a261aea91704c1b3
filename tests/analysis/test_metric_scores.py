"""Scores joined to judgments: by which names, what is left over, and what is refused; and the chapters they make."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from scipy import stats

from analysis.metric_findings import describe_metrics, describe_metrics_of_ratings, describe_metrics_of_votes
from analysis.metric_scores import join_scores, read_scores
from annotation.errors import InputError
from tests.analysis.exports import SYSTEMS, make_comparisons, make_ratings, write_export
from tests.analysis.metric_tables import make_completions

RATINGS = pd.DataFrame(make_ratings(items=12))
MEANS = RATINGS[RATINGS["question"] == "quality"].groupby(["item", "system"])["value"].mean()


def completions() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "hit": ["h1", "h2"],
            "item": ["i", "i"],
            "system": ["s", "t"],
            "prompt": "p",
            "completion": ["A dog.", "Cats."],
        }
    )


def test_a_completion_that_people_did_not_see_is_not_joined() -> None:
    scores = read_scores(
        pd.DataFrame({"item": "i", "system": ["s", "t"], "completion": ["A dog.", "Other cats."], "bleu": [0.1, 0.2]})
    )
    joined = join_scores(completions(), scores)
    assert scores.key == ("item", "system", "completion")
    assert joined.completions["bleu"].tolist() == [0.1]
    assert joined.without_judgment["completion"].tolist() == ["Other cats."]
    assert joined.without_score["hit"].tolist() == ["h2"]


def test_without_names_the_prompt_and_the_completion_join() -> None:
    """As score_texts writes them from prompts and completions alone; columns of the exchange format are no metrics."""
    scores = read_scores(
        pd.DataFrame(
            {"prompt": "p", "completion": ["Cats."], "references": [["x"]], "concepts": [[]], "score": ["1.5"]}
        )
    )
    assert (scores.key, scores.metrics) == (("prompt", "completion"), ("score",))
    assert join_scores(completions(), scores).completions["score"].tolist() == [1.5]


def test_the_completion_of_two_systems_has_one_score_for_both() -> None:
    alike = completions().assign(completion="Same.")
    joined = join_scores(alike, read_scores(pd.DataFrame({"completion": ["Same."], "length": [1]})))
    assert joined.completions["length"].tolist() == [1, 1]
    assert joined.without_judgment.empty


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ({"item": ["i", "i"], "system": "s", "m": [1, 2]}, "row 1: item 'i', system 's' has a row before"),
        ({"item": ["i", "i"], "system": "s", "m": [1, 1]}, "row 1: item 'i', system 's' has a row before"),
        ({"item": [1, "1"], "system": "s", "m": [1, 1]}, "row 1: item '1', system 's' has a row before"),
        ({"item": ["i"], "m": [1]}, "expected item and system, or completion, to join by"),
        ({"item": ["i"], "system": ["s"]}, "the scores have no column of a metric; their columns are item, system"),
        ({"item": ["i"], "system": ["s"], "m": ["good"]}, "row 0: 'm' is 'good'; expected a number"),
        ({"item": ["i"], "system": ["s"], "m": [None]}, "the column 'm' holds no number"),
        ({"item": [None], "system": ["s"], "m": [1]}, "row 0: the column 'item' is empty"),
        (
            {"item": ["other"], "system": ["s"], "m": [1]},
            "no row of scores names a judged completion; the first is item",
        ),
        ({"item": [], "system": [], "m": []}, "the scores are empty"),
    ],
)
def test_bad_scores_are_refused_by_row(rows: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        join_scores(completions(), read_scores(pd.DataFrame(rows)))


def test_named_metrics_alone_are_used() -> None:
    table = pd.DataFrame({"item": ["i"], "system": ["s"], "model": ["T5"], "bleu": [0.5]})
    assert read_scores(table, ["bleu"]).metrics == ("bleu",)
    with pytest.raises(InputError, match="no column 'rouge'"):
        read_scores(table, ["rouge"])


def score_rows() -> list[dict[str, Any]]:
    """Scores of all but the first of twelve items, and one row too many."""
    generator = np.random.default_rng(0)
    names = [(f"item-{item}", system) for item in range(1, 12) for system in SYSTEMS]
    rows: list[dict[str, Any]] = [
        {"item": item, "system": system, "good": float(MEANS[item, system] + error), "noise": float(noise)}
        for (item, system), (error, noise) in zip(names, generator.normal(0, 0.3, (len(names), 2)), strict=True)
    ]
    return [*rows, {"item": "item-1", "system": "unknown", "good": 0.0, "noise": 0.0}]


def write_scores(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        pd.DataFrame(rows).to_csv(path, index=False)
    elif path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        nested = [{"item": row["item"], "system": row["system"], "scores": row} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in nested))
    return path


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [row for row in make_ratings(items=12) if row["question"] == "quality"]
    return write_export(tmp_path_factory.mktemp("ratings") / "export", kind="ratings", rows=rows)


def analyse(export: Path, output: Path, **options: Any) -> dict[tuple[str, str], dict[str, Any]]:
    call_command("analyze_judgments", export, output=output, draws=20, stdout=io.StringIO(), **options)
    results = json.loads((output / "results.json").read_text())["results"]
    return {(entry["name"], entry["subject"]): entry for entry in results}


def test_each_question_is_set_beside_each_metric() -> None:
    scores = read_scores(pd.DataFrame(score_rows()))
    chapters = describe_metrics_of_ratings(RATINGS, scores, questions=["quality", "fluency"], seed=0, draws=20)
    assert [chapter.title.removeprefix("Metrics against people") for chapter in chapters] == [
        "",
        ": quality",
        ": fluency",
    ]
    (joined,) = chapters[0].findings
    assert (joined.estimate, joined.dropped) == (44, 5)
    assert "4 judged completions have none, and 1 rows of scores name no judged completion" in joined.reading
    assert len(chapters[0].tables["without_score"]) == 4
    findings = {(found.name, found.subject.split(": ")[-1]): found for found in chapters[1].findings}
    worth = pd.DataFrame(score_rows()[:-1]).set_index(["item", "system"])["good"]
    expected = stats.spearmanr(worth, MEANS.loc[worth.index])[0]
    assert findings["metric_segment", "good"].estimate == pytest.approx(expected)
    for level in ("segment", "grouped", "system", "pairwise_accuracy", "soft_pairwise_accuracy"):
        assert findings[f"metric_{level}", "good"].estimate > findings[f"metric_{level}", "noise"].estimate
    pairs = chapters[1].tables["quality_metric_pairs"]
    assert (pairs["first"][0], pairs["second"][0]) == ("good", "noise")
    assert pairs["difference within items"][0] < 0


def test_the_command_writes_the_chapter(export: Path, tmp_path: Path) -> None:
    output = tmp_path / "analysis"
    gold = tmp_path / "gold.csv"
    gold.write_text("item,system,expected\nitem-3,supervised,3\n")
    scores = write_scores(tmp_path / "scores.jsonl", score_rows())
    results = analyse(export, output, scores=scores, gold=gold)
    assert results["metric_grouped", "Metrics against people: quality: good"]["estimate"] > 0.5
    assert len(pd.read_csv(output / "tables" / "without_score.csv")) == 4
    assert "Metrics against people: quality</h2>" in (output / "report.html").read_text()
    figures = {path.name for path in (output / "figures").iterdir()}
    assert {"quality_metrics.svg", "quality_segments.png"} <= figures
    assert pd.read_csv(output / "tables" / "workers_of_ratings.csv")["gold_count"].sum() == 3
    inputs = (output / "inputs.json").read_text()
    assert "scores.jsonl" in inputs and "gold.csv" in inputs


def test_votes_are_set_against_the_difference_of_scores() -> None:
    votes = pd.DataFrame(make_comparisons(items=20))
    systems = sorted({*votes["system_a"], *votes["system_b"]})
    worth = dict(zip(systems, (0.0, 1.0, 2.0), strict=True))
    rows = [
        {"item": f"item-{item}", "system": system, "worth": worth[system]} for item in range(20) for system in systems
    ]
    (chapter,) = describe_metrics_of_votes(votes, read_scores(pd.DataFrame(rows)), seed=0, draws=20)
    decided = votes[votes["choice"].isin(["a", "b"])]
    is_b_better = decided["system_b"].map(worth) > decided["system_a"].map(worth)
    (accuracy,) = chapter.findings
    assert accuracy.estimate == pytest.approx((is_b_better == (decided["choice"] == "b")).mean())
    assert (accuracy.used, accuracy.dropped) == (len(decided), len(votes) - len(decided))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("scores.csv", "item,system,m\ni,s,1\ni,s,2\n", "scores.csv: row 3: item 'i', system 's' has a row before"),
        ("scores.jsonl", '{"item": "i", "system": "s", "m": 1}\n{"item":\n', "scores.jsonl: line 2: not valid JSON"),
        ("scores.csv", "item,system,m\ni,s,x\n", "scores.csv: row 2: 'm' is 'x'; expected a number"),
        ("scores.csv", "item,system,m\n", "scores.csv: the scores are empty"),
        ("scores.txt", "", "expected a file whose name ends in .jsonl, .csv or .parquet"),
    ],
)
def test_a_bad_file_gets_one_sentence_and_writes_nothing(
    export: Path, tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(CommandError, match=sentence) as refusal:
        call_command("analyze_judgments", export, output=tmp_path / "analysis", scores=path)
    assert refusal.value.returncode == 2
    assert not (tmp_path / "analysis").exists()


def test_a_metric_needs_the_scores_it_is_in(export: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="--metric bleu: expected --scores FILE with that column beside it"):
        call_command("analyze_judgments", export, output=tmp_path / "analysis", metric=["bleu"])


def test_a_parquet_file_is_read_and_one_metric_chosen(tmp_path: Path) -> None:
    from analysis.management.score_files import load_scores

    scores = load_scores(write_scores(tmp_path / "scores.parquet", score_rows()), ["noise"])
    assert (scores.metrics, len(scores.table)) == (("noise",), 45)


def test_a_chapter_of_awkward_metrics_says_what_is_not_defined() -> None:
    table = make_completions(items=5, systems=2).assign(flat=1.0)
    chapter = describe_metrics(table, ["good", "flat"], question="quality", seed=0, draws=20)
    readings = [finding.reading for finding in chapter.findings if finding.subject.endswith("flat")]
    assert sum("is not defined" in reading for reading in readings) == 3
    assert chapter.tables["quality_metric_pairs"]["p, systems"].isna().all()
