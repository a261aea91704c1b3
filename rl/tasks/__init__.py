"""Tasks by name: `load_task("commongen-mini", folder)`."""

from pathlib import Path

from annotation.errors import InputError
from rl.tasks.commongen import load_commongen
from rl.tasks.items import SPLITS, Item, Task, read_items
from rl.tasks.prompts import load_prompts

TASKS = ("commongen-mini", "commongen", "prompts")

__all__ = ["SPLITS", "TASKS", "Item", "Task", "load_task"]


def load_task(name: str, data: Path | None) -> Task:
    """The task `name` from `data`: a folder, a file of prompts, or None for the hub name of a task that has one."""
    if name == "commongen-mini":
        if data is None:
            raise InputError("commongen-mini: expected --data FOLDER, as `manage.py build_task` writes it.")
        return Task(name, *(read_items(data / f"{split}.jsonl") for split in SPLITS))
    if name == "commongen":
        return load_commongen(data)
    if name == "prompts":
        if data is None:
            raise InputError("prompts: expected --data FILE.jsonl, FILE.txt, or a FOLDER with a file for each split.")
        return load_prompts(data)
    raise InputError(f"task {name!r}: expected one of {', '.join(TASKS)}.")
