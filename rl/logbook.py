"""The rows that a training run leaves on disk: metrics, evaluations and samples, one JSON object a line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.text_files import read_lines

METRICS, EVALUATIONS, SAMPLES = "metrics.jsonl", "evaluations.jsonl", "samples.jsonl"


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in read_lines(path)]


def rewind_logs(folder: Path, finished: int, counter: str = "iteration") -> list[dict[str, Any]]:
    """Take out the rows of iterations after the checkpoint, which will be run again; the metrics that remain.

    counter: what rows are counted by. A run that had no checkpoint yet starts over, with its first evaluation too.
    """
    for name in (METRICS, EVALUATIONS, SAMPLES):
        # A kill may have cut the last line off; it can only belong to a row that goes.
        lines = read_lines(folder / name) if (folder / name).exists() else []
        kept = [line for line in lines if finished and line.endswith("}") and json.loads(line)[counter] <= finished]
        if lines:
            (folder / name).write_text("".join(line + "\n" for line in kept), encoding="utf-8")
    return read_rows(folder / METRICS)
