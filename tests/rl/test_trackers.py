"""Live tracking, read back by what its users read it with: TensorBoard's accumulator and W&B's own records."""

import json
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import wandb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from annotation.errors import InputError
from rl.trackers import (
    TAGS,
    WANDB_RUN,
    Trackers,
    TrackingConfig,
    check_tracking,
    evaluation_scalars,
    markdown_table,
    metric_scalars,
    open_trackers,
)

SETTINGS = {"algorithm": "nlpo", "nlpo": {"top_mass": 0.9}, "data": Path("somewhere")}
EVERYTHING = {"scalars": 0, "tensors": 0}  # 0: keep all points
WARNING = "entropy has been low: the policy has collapsed"


def a_metrics_row(iteration: int, reward: float = 0.5) -> dict[str, Any]:
    return {
        "iteration": iteration,
        "reward": reward,
        "kl_exact": 0.01 * iteration,
        "tokens": 128,
        "tokens_per_s": 900.0,
        "refreshed": iteration % 2 == 0,
        "a_new_measure": 3,
        "warnings": [WARNING] if iteration == 3 else [],
    }


def an_evaluation(iteration: int) -> dict[str, Any]:
    return {"iteration": iteration, "sampled": {"meteor": 0.4, "reward": 0.6}, "greedy": {"meteor": 0.5}}


def a_sample(iteration: int, text: str = "the dog | runs\naway") -> dict[str, Any]:
    return {"iteration": iteration, "item": "item-1", "prompt": "dog run", "sampled": text, "greedy": ""}


def log_iterations(trackers: Trackers, iterations: range, reward: float = 0.5) -> None:
    if iterations.start == 1:
        trackers.log_evaluation(an_evaluation(0))
        trackers.log_samples([a_sample(0)])
    for iteration in iterations:
        trackers.log_metrics(a_metrics_row(iteration, reward))
        if iteration % 2 == 0:
            trackers.log_evaluation(an_evaluation(iteration))
            trackers.log_samples([a_sample(iteration)])


def read_back(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder / "tensorboard"), size_guidance=EVERYTHING)
    return accumulator.Reload()


def curve(accumulator: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, pytest.approx(event.value)) for event in accumulator.Scalars(tag)]


def text(accumulator: EventAccumulator, tag: str) -> dict[int, str]:
    events = accumulator.Tensors(f"{tag}/text_summary")
    return {event.step: event.tensor_proto.string_val[0].decode() for event in events}


def test_tensorboard_shows_every_number_under_a_group(tmp_path: Path) -> None:
    with open_trackers(TrackingConfig(), tmp_path, "run", SETTINGS, 0) as trackers:
        log_iterations(trackers, range(1, 5))
    board = read_back(tmp_path)
    assert set(board.Tags()["scalars"]) == {
        *("rollout/reward", "rollout/tokens", "kl/exact", "time/tokens_per_s", "mask/refreshed", "run/a_new_measure"),
        *("eval/sampled/meteor", "eval/sampled/reward", "eval/greedy/meteor"),
    }
    assert curve(board, "kl/exact") == [(1, 0.01), (2, 0.02), (3, 0.03), (4, 0.04)]
    assert curve(board, "mask/refreshed") == [(1, 0), (2, 1), (3, 0), (4, 1)]
    assert curve(board, "eval/greedy/meteor") == [(0, 0.5), (2, 0.5), (4, 0.5)]


def test_tensorboard_shows_configuration_warnings_and_samples_as_text(tmp_path: Path) -> None:
    with open_trackers(TrackingConfig(), tmp_path, "run", SETTINGS, 0) as trackers:
        log_iterations(trackers, range(1, 4))
    board = read_back(tmp_path)
    assert "  top_mass: 0.9\ndata: somewhere\n" in text(board, "config")[0]
    assert text(board, "run/warnings") == {3: WARNING}
    samples = text(board, "samples")
    assert list(samples) == [0, 2]
    assert samples[2].splitlines() == [
        "| item | prompt | sampled | greedy |",
        "| --- | --- | --- | --- |",
        "| item-1 | dog run | the dog \\| runs away |  |",
    ]


@pytest.mark.parametrize(("first_iteration", "kept"), [(2, 2), (0, 0)])
def test_a_resumed_run_does_not_double_its_curves(first_iteration: int, kept: int, tmp_path: Path) -> None:
    """What was tracked after the checkpoint is hidden; without a checkpoint, everything is."""
    with (
        pytest.raises(KeyboardInterrupt),
        open_trackers(TrackingConfig(), tmp_path, "run", SETTINGS, 0) as trackers,
    ):
        log_iterations(trackers, range(1, 4), reward=0.25)
        raise KeyboardInterrupt
    with open_trackers(TrackingConfig(), tmp_path, "run", SETTINGS, first_iteration) as trackers:
        log_iterations(trackers, range(first_iteration + 1, 6), reward=0.75)
    board = read_back(tmp_path)
    assert curve(board, "rollout/reward") == [(step, 0.25 if step <= kept else 0.75) for step in range(1, 6)]
    assert [step for step, _ in curve(board, "eval/sampled/reward")] == [0, 2, 4]
    assert list(text(board, "config")) == [0]
    assert list(text(board, "samples")) == [0, 2, 4]


def test_rows_are_on_disk_before_the_run_has_ended(tmp_path: Path) -> None:
    with open_trackers(TrackingConfig(), tmp_path, "run", SETTINGS, 0) as trackers:
        trackers.log_metrics(a_metrics_row(1))
        trackers.log_samples([a_sample(1)])
        board = read_back(tmp_path)
        assert curve(board, "rollout/reward") == [(1, 0.5)]
        assert list(text(board, "samples")) == [1]


def test_a_row_that_misses_entries_or_samples_is_tracked_as_it_is(tmp_path: Path) -> None:
    with open_trackers(TrackingConfig(), tmp_path, "run", SETTINGS, 0) as trackers:
        trackers.log_metrics({"iteration": 1, "value_loss": 0.1})
        trackers.log_samples([])
    assert read_back(tmp_path).Tags()["scalars"] == ["loss/value"]


def test_nothing_is_written_when_no_tracking_is_asked_for(tmp_path: Path) -> None:
    with open_trackers(TrackingConfig(tensorboard=False), tmp_path, "run", SETTINGS, 0) as trackers:
        log_iterations(trackers, range(1, 3))
    assert not list(tmp_path.iterdir())


def test_tags_are_one_to_one_and_grouped() -> None:
    assert len(set(TAGS.values())) == len(TAGS)
    assert all(tag.count("/") == 1 for tag in TAGS.values())
    assert metric_scalars({"iteration": 4, "reward": 1, "warnings": ["x"]}) == {"rollout/reward": 1.0}
    assert evaluation_scalars(an_evaluation(0))["eval/sampled/reward"] == 0.6


def test_no_text_breaks_out_of_its_cell() -> None:
    assert markdown_table([{"a": "x|y\\", "b": "1\n\n2"}]).splitlines()[-1] == "| x\\|y\\\\ | 1 2 |"


def test_a_missing_wandb_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    config = TrackingConfig(wandb_project="prefloop")
    with pytest.raises(InputError, match=r"wandb is not installed; expected `pip install wandb` first"):
        check_tracking(config)
    check_tracking(TrackingConfig())
    with pytest.raises(InputError, match="not installed"), open_trackers(config, tmp_path, "run", SETTINGS, 0):
        pass


def test_wandb_is_imported_only_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # an import would raise
    with open_trackers(TrackingConfig(), tmp_path, "run", SETTINGS, 0) as trackers:
        trackers.log_metrics(a_metrics_row(1))


def test_a_wandb_that_does_not_start_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise wandb.errors.UsageError("No API key configured.\nUse `wandb login`.")

    monkeypatch.setattr(wandb, "init", refuse)
    config = TrackingConfig(wandb_project="prefloop")
    with (
        pytest.raises(InputError, match=r"could not be started: No API key configured. Use `wandb login`; expected a"),
        open_trackers(config, tmp_path, "run", SETTINGS, 0),
    ):
        pass


def wandb_records(path: Path) -> Iterator[Any]:
    """The records of an offline run's file: LevelDB's log format, blocks of 32 KiB, after a header of 7 bytes."""
    content, place, parts = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", content, place + 4)
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def wandb_history(folder: Path) -> list[Mapping[str, Any]]:
    """The rows of a run folder's offline runs, with their steps."""
    rows = []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for record in wandb_records(path):
            if record.WhichOneof("record_type") == "history":
                items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
                rows.append({key: json.loads(value) for key, value in items.items()})
    return rows


def test_wandb_gets_the_same_rows_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    config = TrackingConfig(tensorboard=False, wandb_project="prefloop")
    with open_trackers(config, tmp_path, "a-run", SETTINGS, 0) as trackers:
        log_iterations(trackers, range(1, 4))
    wandb.teardown()  # waits, as the end of a process does, until W&B's own process has closed its files
    first_id = json.loads((tmp_path / WANDB_RUN).read_text())["id"]
    (path,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    (run,) = (record.run for record in wandb_records(path) if record.WhichOneof("record_type") == "run")
    assert (run.run_id, run.project, run.display_name) == (first_id, "prefloop", "a-run")
    assert {entry.key for entry in run.config.update} >= {"algorithm", "nlpo"}
    rows = {row["_step"]: row for row in wandb_history(tmp_path)}
    assert [rows[step]["rollout/reward"] for step in (1, 2, 3)] == [0.5] * 3
    assert rows[0]["eval/sampled/reward"] == 0.6
    assert rows[3]["run/warnings"] == WARNING
    (table,) = tmp_path.glob("wandb/offline-run-*/files/media/table/samples_2_*.table.json")
    assert json.loads(table.read_text())["data"] == [["item-1", "dog run", "the dog | runs\naway", ""]]


def test_a_resumed_run_keeps_its_wandb_id_and_one_that_starts_over_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    config = TrackingConfig(tensorboard=False, wandb_project="prefloop")
    ids = []
    for first_iteration in (0, 2, 0):
        with open_trackers(config, tmp_path, "a-run", SETTINGS, first_iteration) as trackers:
            trackers.log_metrics(a_metrics_row(first_iteration + 1))
        ids.append(json.loads((tmp_path / WANDB_RUN).read_text())["id"])
    assert ids[0] == ids[1] != ids[2]
    assert sum(path.name.endswith(ids[0]) for path in tmp_path.glob("wandb/offline-run-*")) >= 1
