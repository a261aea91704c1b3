"""score_texts and evaluate_reward_model, with one model and with several as one scorer."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from annotation.errors import InputError
from reward_models.checkpoints import load_base_model, save_model
from reward_models.ensembles import load_ensemble
from reward_models.management.commands import score_texts
from reward_models.management.scorers import short_names
from reward_models.scoring import load_scorer
from tests.reward_models.exports import write_export

ROWS = [
    {"prompt": "say red number 1", "completion": "red blue.", "id": 7},
    {"prompt": "say blue number 2", "completion": "pink.", "id": 8},
    {"prompt": "", "completion": "", "id": 9},
]
TEXTS = [row["prompt"] for row in ROWS], [row["completion"] for row in ROWS]


@pytest.fixture
def judges(base: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two models that read the same weights in different layouts, so that they score differently."""
    folders = tmp_path / "one", tmp_path / "other"
    for folder, layout in zip(folders, ("decoder", "likelihood"), strict=True):
        save_model(load_base_model(str(base), layout), folder)
    return folders


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_row_keeps_its_keys_and_gets_the_score_of_the_callable(judges: tuple[Path, Path], tmp_path: Path) -> None:
    texts, output = write_rows(tmp_path / "texts.jsonl", ROWS), tmp_path / "scores.jsonl"
    call_command("score_texts", judges[0], texts, output=output, stdout=io.StringIO())
    scored = read_rows(output)
    assert [{name: row[name] for name in ROWS[0]} for row in scored] == ROWS
    assert [row["score"] for row in scored] == load_scorer(judges[0])(*TEXTS).tolist()
    assert set(scored[0]) == {*ROWS[0], "score"}


def test_a_table_is_read_as_json_lines_are(judges: tuple[Path, Path], tmp_path: Path) -> None:
    table = tmp_path / "texts.csv"
    table.write_text('completion,prompt\n"red\nblue, ""pink"".",say red number 1\n', encoding="utf-8-sig")
    call_command("score_texts", judges[0], table, output=tmp_path / "scores.jsonl", stdout=io.StringIO())
    assert [row["completion"] for row in read_rows(tmp_path / "scores.jsonl")] == ['red\nblue, "pink".']


@pytest.mark.parametrize("combine", ["mean", "worst", "uncertainty"])
def test_several_models_score_as_their_ensemble_and_each_is_told(
    combine: Any, judges: tuple[Path, Path], tmp_path: Path
) -> None:
    texts, output = write_rows(tmp_path / "texts.jsonl", ROWS), tmp_path / "scores.jsonl"
    options = ["--with", str(judges[1]), "--combine", combine, "--penalty", "2", "--output", str(output)]
    call_command("score_texts", judges[0], texts, *options, stdout=io.StringIO())
    ensemble = load_ensemble(judges, combine, penalty=2.0)
    assert [row["score"] for row in read_rows(output)] == ensemble(*TEXTS).tolist()
    members = np.array([row["member_scores"] for row in read_rows(output)]).T
    assert members.tolist() == ensemble.score_members(*TEXTS).tolist()
    assert not np.array_equal(members[0], members[1])


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"prompt": "say red"}, "line 4: completion: expected text, found nothing"),
        ({"prompt": 3, "completion": "red."}, "line 4: prompt: expected text, found 3"),
        (["say red", "red."], "line 4: expected a JSON object"),
    ],
)
def test_a_row_that_cannot_be_scored_is_named_and_nothing_written(
    row: Any, sentence: str, judges: tuple[Path, Path], tmp_path: Path
) -> None:
    texts, output = write_rows(tmp_path / "texts.jsonl", [*ROWS, row]), tmp_path / "scores.jsonl"
    with pytest.raises(CommandError, match=sentence) as raised:
        call_command("score_texts", judges[0], texts, output=output)
    assert raised.value.returncode == 2
    assert not list(tmp_path.glob("scores*"))


def test_scores_that_cannot_be_written_leave_no_file(
    judges: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = write_rows(tmp_path / "texts.jsonl", ROWS)

    class FullDisk:
        def dumps(self, *_: Any, **__: Any) -> str:
            raise OSError("No space left on device")

    monkeypatch.setattr(score_texts, "json", FullDisk())
    with pytest.raises(OSError, match="No space"):
        call_command("score_texts", judges[0], texts, output=tmp_path / "scores.jsonl")
    assert not list(tmp_path.glob("scores*"))


def test_an_ensemble_is_evaluated_beside_each_of_its_members(judges: tuple[Path, Path], tmp_path: Path) -> None:
    export = write_export(tmp_path / "export", pairs=90)

    def evaluate(name: str, *options: str) -> dict[str, Any]:
        folder = tmp_path / name
        call_command("evaluate_reward_model", *options, str(export), output=folder, stdout=io.StringIO())
        scorers: dict[str, Any] = json.loads((folder / "results.json").read_text())["scorers"]
        return scorers

    first, second = map(str, judges)
    together = evaluate("both", first, "--with", second, "--combine", "mean")
    assert together["one alone"] == evaluate("first", first)["reward model"]
    assert together["other alone"] == evaluate("second", second)["reward model"]
    assert together["reward model"] not in (together["one alone"], together["other alone"])
    assert "the ensemble (mean) of one and other" in (tmp_path / "both" / "report.html").read_text()


def test_models_are_called_by_as_much_of_their_paths_as_tells_them_apart() -> None:
    assert short_names([Path("runs/a/model"), Path("runs/b/model")]) == ["a/model", "b/model"]
    assert short_names([Path("runs/a"), Path("c")]) == ["a", "c"]
    with pytest.raises(InputError, match="runs/a is named twice"):
        short_names([Path("runs/a"), Path("runs/a")])
