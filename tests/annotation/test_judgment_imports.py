"""Judgments from elsewhere: a results file of Mechanical Turk, or of a relative of it, becomes an export."""

import csv
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from annotation.batch_rows import read_time
from annotation.record_readers import read_comparisons, read_manifest, read_preferences, read_ratings
from tests.annotation.test_commands import fails_with

REAL = Path(os.environ.get("PREFLOOP_DATA", Path(__file__).parents[3] / "shared" / "data")) / "scratchplot"
Row = dict[str, str]
Import = Callable[..., None]

# The columns of a batch, in the order in which the requester's site writes them.
BATCH = {
    **{"HITId": "3H1", "HITTypeId": "3T", "Title": "Rate a text", "Description": "Read and rate", "Keywords": "text"},
    **{"Reward": "$0.10", "CreationTime": "Mon Nov 23 09:00:00 PST 2020", "MaxAssignments": "3"},
    **dict.fromkeys(("RequesterAnnotation", "AssignmentDurationInSeconds", "AutoApprovalDelayInSeconds"), ""),
    **dict.fromkeys(("Expiration", "NumberOfSimilarHITs", "LifetimeInSeconds"), ""),
    **{"AssignmentId": "3A1", "WorkerId": "A1REALPERSON", "AssignmentStatus": "Approved"},
    **{"AcceptTime": "Mon Nov 23 22:14:00 PST 2020", "SubmitTime": "Mon Nov 23 22:15:00 PST 2020"},
    **dict.fromkeys(("AutoApprovalTime", "ApprovalTime", "RejectionTime", "RequesterFeedback"), ""),
    **{"WorkTimeInSeconds": "58", "LifetimeApprovalRate": "100% (9/9)"},
    **dict.fromkeys(("Last30DaysApprovalRate", "Last7DaysApprovalRate"), "100% (9/9)"),
}
TEXTS = {"Input.words": "dog run", "Input.text": "A dog runs.", "Input.model": "gpt2", "Input.gold": "Dogs run."}
LIKERT: dict[str, Any] = {
    "kind": "likert",
    "campaign": "batch-7",
    "prompt": "Write about: {Input.words}",
    "completion": "{Input.text}",
    "system": "{Input.model}",
    "references": ["{Input.gold}"],
    "questions": [
        {"name": "fluency", "text": "How fluent?", "column": "Answer.fluency"},
        {"name": "sense", "column": "Answer.sense", "scale_max": 3, "answers": ["no", "partly", "yes"]},
    ],
}
PAIRS = {
    "Input.words": "dog run",
    "Input.one": "A dog runs.",
    "Input.two": "Run dog.",
    "Input.m1": "s",
    "Input.m2": "t",
}
PAIRWISE: dict[str, Any] = {
    "kind": "pairwise",
    "campaign": "batch-8",
    "prompt": "{Input.words}",
    "completion_a": "{Input.one}",
    "completion_b": "{Input.two}",
    "system_a": "{Input.m1}",
    "system_b": "{Input.m2}",
    "question": {"column": "Answer.better", "a": ["left"], "b": ["right"], "tie": ["same"]},
}


def work(number: int, worker: str, answers: Row, hit: str = "3H1", texts: Row = TEXTS, **changes: str) -> Row:
    own = {"HITId": hit, "AssignmentId": f"3A{number}", "WorkerId": worker}
    return BATCH | own | changes | texts | answers


def likert(number: int, worker: str, fluency: str = "4", sense: str = "yes", **changes: str) -> Row:
    return work(number, worker, {"Answer.fluency": fluency, "Answer.sense": sense}, **changes)


def swapped(texts: Row) -> Row:
    return texts | {
        "Input.one": texts["Input.two"], "Input.two": texts["Input.one"], "Input.m1": "t", "Input.m2": "s",
    }  # fmt: skip


@pytest.fixture
def import_batch(tmp_path: Path) -> Import:
    """`import_batch(rows, mapping)` writes both files and runs import_judgments into `export`."""

    def run(rows: list[Row], mapping: dict[str, Any] | None = LIKERT, **options: Any) -> None:
        source = tmp_path / "Batch_7_batch_results.csv"
        with source.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        if mapping:
            (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(mapping))
            options["mapping"] = tmp_path / "mapping.yaml"
        call_command("import_judgments", source, output=tmp_path / "export", **options)

    return run


@pytest.mark.parametrize("file_format", ["jsonl", "parquet", "csv"])
def test_a_batch_of_ratings_becomes_an_export(import_batch: Import, tmp_path: Path, file_format: str) -> None:
    rows = [
        likert(1, "A1REALPERSON"),
        likert(2, "A2REALPERSON", hit="3H2"),
        likert(3, "A2REALPERSON", fluency="4", sense="no", AssignmentStatus="Submitted"),
        likert(4, "A3REALPERSON", fluency="1", AssignmentStatus="Rejected"),
    ]
    import_batch(rows, format=file_format)
    ratings = read_ratings(tmp_path / "export")
    assert [(r.hit, r.question, r.value, r.scale_max, r.excluded) for r in ratings] == [
        ("3H1", "fluency", 4, 5, ""), ("3H1", "sense", 3, 3, ""),
        ("3H1", "fluency", 4, 5, ""), ("3H1", "sense", 1, 3, ""),
        ("3H1", "fluency", 1, 5, "rejected"), ("3H1", "sense", 3, 3, "rejected"),
        ("3H2", "fluency", 4, 5, ""), ("3H2", "sense", 3, 3, ""),
    ]  # fmt: skip
    first = ratings[0]
    assert (first.prompt, first.completion, first.system) == ("Write about: dog run", "A dog runs.", "gpt2")
    assert (first.references, first.active_seconds, first.kind) == (("Dogs run.",), 58.0, "work")
    assert first.submitted_on == "2020-11-24", "22:15 in California is the next day in UTC"
    assert ratings[2].worker == ratings[6].worker != first.worker
    manifest = read_manifest(tmp_path / "export")
    assert manifest["agreement"] == {"fluency": 1.0, "sense": 0.0}, "the rejected assignment does not count"
    assert [row["reason"] for row in manifest["exclusions"]] == ["rejected"]
    assert manifest["counts"] == {
        "hits": 2, "hits_complete": 1, "assignments": 4, "judgments": 8, "workers": 3,
        "workers_by_source": {"imported": 3}, "kinds": {"work": 4},
    }  # fmt: skip
    assert manifest["questions"][0] == {"name": "fluency", "text": "How fluent?", "scale_min": 1, "scale_max": 5}


def test_no_workers_or_assignments_id_is_in_what_is_written(import_batch: Import, tmp_path: Path) -> None:
    import_batch([likert(1, "A1REALPERSON"), likert(2, "A2REALPERSON")])
    written = "".join(path.read_text() for path in (tmp_path / "export").iterdir())
    assert "REALPERSON" not in written and "3A1" not in written and "22:15" not in written


def test_pairs_shown_both_ways_round_are_one_pair(import_batch: Import, tmp_path: Path) -> None:
    rows = [
        work(1, "A1", {"Answer.better": "left"}, texts=PAIRS),
        work(2, "A2", {"Answer.better": "right"}, texts=swapped(PAIRS), hit="3H2"),
        work(3, "A3", {"Answer.better": "same"}, texts=swapped(PAIRS), hit="3H2"),
    ]
    import_batch(rows, PAIRWISE)
    comparisons = read_comparisons(tmp_path / "export")
    assert [(c.choice, c.left, c.completion_a, c.system_a) for c in comparisons] == [
        ("a", "a", "A dog runs.", "s"), ("a", "b", "A dog runs.", "s"), ("tie", "b", "A dog runs.", "s"),
    ]  # fmt: skip
    (preference,) = read_preferences(tmp_path / "export")
    assert (preference.votes_a, preference.votes_b, preference.votes_tie, preference.label) == (2, 0, 1, "a")
    assert read_manifest(tmp_path / "export")["allow_tie"] is True


def test_answers_are_found_in_the_forms_json_and_in_columns_of_their_own(import_batch: Import, tmp_path: Path) -> None:
    form = json.dumps([{"fluency": {"1": False, "2": True}, "sense": "partly"}])
    import_batch([work(1, "A1", {"Answer.taskAnswers": form})])
    assert [r.value for r in read_ratings(tmp_path / "export")] == [2, 2]
    (tmp_path / "export").rename(tmp_path / "json")
    spread = {"Answer.fluency.1": "false", "Answer.fluency.5": "true", "Answer.sense": "no"}
    import_batch([work(1, "A1", spread)])
    assert [r.value for r in read_ratings(tmp_path / "export")] == [5, 1]


def test_a_bad_row_is_named_and_nothing_is_written(import_batch: Import, tmp_path: Path) -> None:
    rows = [
        likert(1, "A1"),
        likert(2, "A2", fluency="6", sense=""),
        likert(3, "A1"),
        likert(4, "A4", AssignmentStatus="Pending", SubmitTime="yesterday", WorkTimeInSeconds="long"),
        likert(5, ""),
        likert(6, "A6", texts=TEXTS | {"Input.model": " "}, hit="3H9"),
    ]
    report = tmp_path / "bad.csv"
    fails_with(lambda: import_batch(rows, report=report), r"and 3 more \(--report FILE lists all\)")
    with report.open(newline="") as stream:
        problems = {(row["line"], row["field"]): row["reason"] for row in csv.DictReader(stream)}
    assert problems.pop(("5", "SubmitTime")).startswith("expected a time such as Mon Nov 23 10:15:00 PST 2020")
    assert problems == {
        ("3", "Answer.fluency"): "expected 1 to 5, found 6",
        ("3", "Answer.sense"): "expected an answer, found nothing",
        ("4", "WorkerId"): "the same worker judged this HIT on line 2",
        ("5", "AssignmentStatus"): "expected Approved, Submitted, Rejected, found 'Pending'",
        ("5", "WorkTimeInSeconds"): "expected seconds, found 'long'",
        ("6", "WorkerId"): "expected text, found nothing",
        ("7", "system"): "expected text, found only blanks",
    }
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (None, r"--mapping is missing: .* mean: .*Input\.words, .*Answer\.fluency, Answer\.sense"),
        (LIKERT | {"kind": "ranking"}, "kind: expected likert or pairwise, found 'ranking'"),
        (LIKERT | {"completion": "{Input.txt}"}, r"completion: the file has no column 'Input\.txt'; it has HITId"),
        (LIKERT | {"columns": {"worker": "Who"}}, r"columns\.worker: the file has no column 'Who'"),
        (LIKERT | {"questions": [{"name": "x", "column": "Answer.x"}]}, "question x: the file has no column"),
        (LIKERT | {"questions": []}, "questions: expected at least one"),
        (LIKERT | {"sytem": "s"}, "unknown key 'sytem'; did you mean 'system'"),
        (
            LIKERT | {"questions": [{"name": "x", "column": "Answer.fluency", "answers": ["no", "yes"]}]},
            "x: answers: expected 5, one a point, found 2",
        ),
        (
            PAIRWISE | {"question": {"column": "Answer.fluency", "a": ["1"], "b": ["1"]}},
            "question: expected answers for a and for b, and none that means two choices",
        ),
    ],
)
def test_it_names_what_is_wrong_with_a_mapping(import_batch: Import, mapping: dict[str, Any], message: str) -> None:
    fails_with(lambda: import_batch([likert(1, "A1")], mapping), message)


def test_times_of_several_forms_are_one_moment() -> None:
    forms = ("Mon Nov 23 22:15:00 PST 2020", "Tue Nov 24 06:15:00 UTC 2020", "2020-11-24T06:15:00Z",
             "2020-11-24 07:15:00+01:00")  # fmt: skip
    assert len({read_time(form) for form in forms}) == 1
    with pytest.raises(ValueError, match="unknown time zone"):
        read_time("Mon Nov 23 22:15:00 CET 2020")


# Files of another platform: no HIT, no assignment, no times, and answers 1 or 2 for the better text.
NO_PLATFORM = dict.fromkeys(("hit", "assignment", "status", "submitted", "seconds"))
STORIES: dict[str, Any] = {
    "kind": "likert",
    "campaign": "stories",
    "prompt": "Write a short story.",
    "completion": "{INPUT:story}",
    "system": "{INPUT:system}",
    "item": "story",
    "questions": [{"name": "coherence", "column": "OUTPUT:category"}],
    "columns": NO_PLATFORM | {"worker": "worker", "gold": "GOLDEN:category"},
}
ENDINGS: dict[str, Any] = {
    "kind": "pairwise",
    "campaign": "endings",
    "prompt": "Write a short story with an ending.",
    "completion_a": "{INPUT:story_a} {INPUT:ending_a}",
    "completion_b": "{INPUT:story_b} {INPUT:ending_b}",
    "system_a": "{INPUT:system_a}",
    "system_b": "{INPUT:system_b}",
    "item": "plan-{INPUT:content_plan_id}",
    "question": {"column": "OUTPUT:category", "a": ["1"], "b": ["2"]},
    "columns": NO_PLATFORM | {"worker": "worker", "gold": "GOLDEN:category"},
}


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no {REAL.name}/ in PREFLOOP_DATA")
@pytest.mark.parametrize(("name", "mapping"), [("coherence", STORIES), ("ending", ENDINGS)])
def test_real_crowd_data_keeps_every_vote(tmp_path: Path, name: str, mapping: dict[str, Any]) -> None:
    (tmp_path / "mapping.yaml").write_text(yaml.safe_dump(mapping))
    source = REAL / f"{name}.csv"
    call_command("import_judgments", source, mapping=tmp_path / "mapping.yaml", output=tmp_path / "export")
    with source.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if name == "coherence":
        found = Counter((r.completion, r.system, str(r.value)) for r in read_ratings(tmp_path / "export"))
        assert found == Counter((r["INPUT:story"], r["INPUT:system"], r["OUTPUT:category"]) for r in rows)
    else:
        comparisons = read_comparisons(tmp_path / "export")
        shown = [(c.left == "a") == (c.choice == "a") for c in comparisons]  # whether the first text was chosen
        assert Counter(shown) == Counter(r["OUTPUT:category"] == "1" for r in rows)
        systems = Counter(c.system_a if c.choice == "a" else c.system_b for c in comparisons)
        assert systems == Counter(r[f"INPUT:system_{'ab'[int(r['OUTPUT:category']) - 1]}"] for r in rows)
    assert read_manifest(tmp_path / "export")["counts"]["workers"] == len({row["worker"] for row in rows})
