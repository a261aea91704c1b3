"""Expected answers joined to judgments: by which names, which rows count, what is refused, and the flag they make."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from analysis.gold import join_expected
from analysis.judgments import Options, analyze_judgments
from annotation.errors import InputError
from tests.analysis.exports import comparison, make_comparisons, make_ratings, rating, write_export

RATINGS = pd.DataFrame(make_ratings(items=6))


def test_gold_counts_whatever_its_kind_and_not_where_it_is_excluded() -> None:
    table = pd.DataFrame(
        [
            rating(0, "s", "quality", 5, 1, kind="gold"),
            rating(0, "s", "quality", 3, 2),
            rating(0, "s", "quality", 5, 3, excluded="too fast"),
            rating(1, "s", "quality", 5, 1),
        ]
    )
    joined = join_expected(table, pd.DataFrame({"item": ["item-0"], "expected": ["5"]}), answer="value")
    assert joined["worker"].tolist() == ["worker-01", "worker-02"]
    assert (joined["value"] == joined["expected"]).tolist() == [True, False]


def test_each_question_has_its_own_right_answer() -> None:
    gold = pd.DataFrame({"hit": "hit-0-zero-shot", "question": ["quality", "fluency"], "expected": [1, 5]})
    joined = join_expected(RATINGS, gold, answer="value")
    assert joined.groupby("question")["expected"].unique().map(list).to_dict() == {"fluency": [5], "quality": [1]}
    with pytest.raises(InputError, match="the gold has no column 'question', and the export has several"):
        join_expected(RATINGS, gold.drop(columns="question").iloc[:1], answer="value")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ({"item": ["item-0"], "question": ["quality"]}, "no column 'expected'"),
        ({"question": ["quality"], "expected": [1]}, "expected hit, item or pair, which were judged"),
        (
            {"item": ["x", "x"], "question": "quality", "expected": [1, 1]},
            "row 1: item 'x', question 'quality' has a row",
        ),
        (
            {"item": ["item-0"], "question": ["quality"], "expected": ["good"]},
            "row 0: 'expected' is 'good'; expected a n",
        ),
        ({"item": ["item-0"], "question": ["quality"], "expected": [None]}, "row 0: the column 'expected' is empty"),
        (
            {"item": ["nobody"], "question": ["quality"], "expected": [1]},
            "no row of the gold names a judgment, by item",
        ),
    ],
)
def test_bad_gold_is_refused_by_row(rows: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        join_expected(RATINGS, pd.DataFrame(rows), answer="value")


def test_a_choice_that_nobody_could_give_is_refused() -> None:
    votes = pd.DataFrame(make_comparisons(items=2))
    with pytest.raises(InputError, match="row 0: 'expected' is 'left'; expected a, b, tie or both_bad"):
        join_expected(votes, pd.DataFrame({"item": ["item-0"], "expected": ["left"]}), answer="choice")


def test_who_misses_the_gold_is_flagged_though_gold_is_no_work() -> None:
    rows = make_comparisons(items=20)
    for item in range(30):
        for worker in range(12):
            choice = "a" if worker == 7 else "b"
            rows.append(comparison(100 + item, "supervised", "supervised+nlpo", choice, worker, kind="gold"))
    gold = pd.DataFrame({"item": [f"item-{100 + item}" for item in range(30)], "expected": "b"})
    analysis = analyze_judgments(None, pd.DataFrame(rows), manifest={}, options=Options(draws=10), gold=gold)
    (chapter,) = [chapter for chapter in analysis.chapters if chapter.title == "Workers"]
    workers = chapter.tables["workers_of_votes"].set_index("worker")
    assert workers["gold"].to_dict() == {f"worker-{code:02d}": float(code != 7) for code in range(12)}
    assert set(workers["gold_count"]) == {30}
    assert "gold" in workers.loc["worker-07", "flags"]
    assert analysis.counts["comparisons"]["left_out"] == {"gold": 360}


def test_the_command_refuses_gold_without_answers_and_writes_nothing(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", kind="comparisons", rows=make_comparisons(items=2))
    path = tmp_path / "gold.jsonl"
    path.write_text('{"item": "item-0", "answer": "b"}\n')
    with pytest.raises(CommandError, match="no column 'expected'") as refusal:
        call_command("analyze_judgments", export, output=tmp_path / "analysis", gold=path)
    assert refusal.value.returncode == 2
    assert not (tmp_path / "analysis").exists()
