"""Run folders: what every command that makes something leaves behind.

A run is written to `NAME.partial` and renamed to `NAME` when it has finished, so that a folder that exists is
a folder that is whole. Beside the command's own files it holds

- `config.yaml`: the resolved configuration
- `environment.json`: versions, commit, device, seed, seconds
- `inputs.json`: path and sha256 of every input file, and the run that made it
- `metrics.jsonl`: one row for each step that was logged
- `summary.json`: the numbers that a reader wants first

Every package may import this module, so it needs nothing but the standard library and PyYAML.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from annotation.errors import InputError
from annotation.text_files import expect_new_file, make_folder, partial_path

RECORDED_PACKAGES = ("accelerate", "datasets", "Django", "numpy", "pandas", "scipy", "torch", "transformers")


@dataclasses.dataclass(frozen=True, slots=True)
class RunFolder:
    """A run being written; `path` is where its files go until it has finished."""

    path: Path

    def log(self, row: Mapping[str, Any]) -> None:
        """Append one row to `metrics.jsonl`."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        write_json(self.path / "summary.json", summary)


@contextlib.contextmanager
def open_run(
    output: Path,
    *,
    config: Any,
    inputs: Iterable[Path] = (),
    seed: int | None = None,
    device: str = "cpu",
    resumable: bool = False,
    resume: bool = False,
) -> Iterator[RunFolder]:
    """Write a run: `output` appears, whole, when the block ends without an exception.

    config: a mapping or a (nested) dataclass. inputs: files and folders that the run reads.
    A `resumable` run that stops early keeps its partial folder, and `resume` continues in it; any other
    leaves nothing behind. InputError if `output` exists, or if there is a partial run and no `resume`.
    """
    expect_no_run(output, resumable=resumable, resume=resume)
    partial = _prepare_partial_folder(output, resumable=resumable)
    started = time.monotonic()
    try:
        (partial / "config.yaml").write_text(yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True))
        write_json(partial / "inputs.json", describe_inputs(inputs))
        yield RunFolder(partial)
        environment = describe_environment(seed=seed, device=device)
        write_json(partial / "environment.json", environment | {"seconds": round(time.monotonic() - started, 1)})
        partial.rename(output)
    except BaseException as error:
        if not resumable:
            shutil.rmtree(partial, ignore_errors=True)
        elif isinstance(error, InputError):
            raise InputError(f"{error} To start anew, remove {partial} first.") from error
        raise


def expect_no_run(output: Path, *, resumable: bool = False, resume: bool = False) -> None:
    """InputError where `open_run` would refuse: to be asked before anything slow, such as loading a model."""
    partial = partial_path(output)
    expect_new_file(output)
    if partial.exists() and not partial.is_dir():
        raise InputError(f"{partial} is a file; expected nothing there, or an interrupted run.")
    if partial.exists() and resumable and not resume:
        raise InputError(f"{partial} holds an interrupted run; pass --resume to continue it, or remove it.")


def _prepare_partial_folder(output: Path, *, resumable: bool) -> Path:
    partial = partial_path(output)
    if partial.exists() and not resumable:
        shutil.rmtree(partial)
    make_folder(partial)
    return partial


def describe_environment(*, seed: int | None, device: str) -> dict[str, Any]:
    versions = {}
    for package in RECORDED_PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_cores": os.cpu_count(),
        "device": device,
        "commit": current_commit(),
        "command": " ".join(["manage.py", *sys.argv[1:]]),
        "seed": seed,
        "versions": versions,
    }


def current_commit() -> str | None:
    """The commit of this checkout, with "+changes" where files differ from it; None outside git."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def describe_inputs(inputs: Iterable[Path]) -> list[dict[str, Any]]:
    """Path, sha256 and maker of each input file; a folder stands for all files in it."""
    rows = []
    for source in inputs:
        files = sorted(file for file in source.rglob("*") if file.is_file()) if source.is_dir() else [source]
        maker = next((str(folder) for folder in (source, *source.parents) if is_run(folder)), None)
        rows += [{"path": str(file), "sha256": sha256_of_file(file), "made_by": maker} for file in files]
    return rows


def is_run(folder: Path) -> bool:
    return (folder / "environment.json").is_file() and (folder / "config.yaml").is_file()


def sha256_of_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(plain(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def plain(content: Any) -> Any:
    """`content` as the dictionaries, lists and scalars that YAML and JSON know."""
    if dataclasses.is_dataclass(content) and not isinstance(content, type):
        return {field.name: plain(getattr(content, field.name)) for field in dataclasses.fields(content)}
    if isinstance(content, Mapping):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple | set | frozenset):
        return [plain(entry) for entry in content]
    if isinstance(content, Path):
        return str(content)
    return content.item() if hasattr(content, "item") else content
