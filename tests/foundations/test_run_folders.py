"""Run folders: whole or not at all, and traceable."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from annotation.errors import InputError
from annotation.run_folders import describe_inputs, expect_no_run, open_run


@dataclass(frozen=True)
class Config:
    steps: int = 3
    data: Path = Path("data")


def test_a_finished_run_holds_its_records(tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("votes")
    with open_run(tmp_path / "run", config=Config(), inputs=[source], seed=5) as run:
        run.log({"step": 1})
        run.log({"step": 2})
        run.write_summary({"loss": 0.5})
        assert not (tmp_path / "run").exists()
    folder = tmp_path / "run"
    assert (folder / "config.yaml").read_text() == "steps: 3\ndata: data\n"
    assert json.loads((folder / "environment.json").read_text())["seed"] == 5
    assert [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    (recorded,) = json.loads((folder / "inputs.json").read_text())
    assert recorded["sha256"] == hashlib.sha256(b"votes").hexdigest()


def test_a_run_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), open_run(tmp_path / "run", config=Config()):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_finished_run_is_never_overwritten(tmp_path: Path) -> None:
    with open_run(tmp_path / "run", config=Config()):
        pass
    with pytest.raises(InputError, match="exists already"), open_run(tmp_path / "run", config=Config()):
        pass


def test_an_interrupted_resumable_run_is_kept_and_needs_resume(tmp_path: Path) -> None:
    def interrupted_run(resume: bool) -> None:
        with open_run(tmp_path / "run", config=Config(), resumable=True, resume=resume) as run:
            run.log({"resumed": resume})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_run(resume=False)
    with pytest.raises(InputError, match="--resume"):
        interrupted_run(resume=False)
    with open_run(tmp_path / "run", config=Config(), resumable=True, resume=True) as run:
        assert (run.path / "metrics.jsonl").exists()
    assert (tmp_path / "run" / "metrics.jsonl").exists()


def test_inputs_name_the_run_that_made_them(tmp_path: Path) -> None:
    with open_run(tmp_path / "first", config=Config()) as run:
        (run.path / "model").mkdir()
        (run.path / "model" / "weights").write_text("w")
    rows = describe_inputs([tmp_path / "first" / "model"])
    assert [(Path(row["path"]).name, row["made_by"]) for row in rows] == [("weights", str(tmp_path / "first"))]


@pytest.mark.parametrize("resume", [True, False])
def test_a_run_is_refused_before_its_work_where_it_would_be_when_it_is_opened(resume: bool, tmp_path: Path) -> None:
    expect_no_run(tmp_path / "new", resumable=True, resume=resume)
    (tmp_path / "done").mkdir()
    (tmp_path / "file.partial").write_text("")
    (tmp_path / "begun.partial").mkdir()
    refused = {"done": "exists already", "file": "is a file; expected nothing there"}
    if resume:
        expect_no_run(tmp_path / "begun", resumable=True, resume=True)
    else:
        refused["begun"] = "pass --resume to continue it, or remove it"
    for name, sentence in refused.items():
        with pytest.raises(InputError, match=sentence):
            expect_no_run(tmp_path / name, resumable=True, resume=resume)
        with (
            pytest.raises(InputError, match=sentence),
            open_run(tmp_path / name, config={}, resumable=True, resume=resume),
        ):
            raise AssertionError("the run was opened")


def test_a_run_below_a_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "votes.jsonl").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot be made \(Not a directory\); expected a folder to write to"),
        open_run(tmp_path / "votes.jsonl" / "run", config={}),
    ):
        raise AssertionError("the run was opened")


def test_a_run_that_can_be_resumed_says_what_to_remove_where_its_input_is_the_fault(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match=r"^lower the rate\. To start anew, remove .*run\.partial first\.$"),
        open_run(tmp_path / "run", config={}, resumable=True),
    ):
        raise InputError("lower the rate.")
    assert (tmp_path / "run.partial").is_dir()
    with pytest.raises(InputError, match=r"^lower the rate\.$"), open_run(tmp_path / "other", config={}):
        raise InputError("lower the rate.")
    assert not (tmp_path / "other.partial").exists()
