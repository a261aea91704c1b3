"""`manage.py score_texts MODEL FILE --output FILE`: a reward model's scores of completions, or those of several."""

import json
from argparse import ArgumentParser
from pathlib import Path
from statistics import mean
from typing import Any

from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from annotation.table_files import Row, RowProblem, problems_of_text, read_rows, refuse
from annotation.text_files import expect_new_file, make_folder, write_whole
from reward_models.ensembles import Ensemble
from reward_models.management.scorers import add_model_options, combine_members, load_members
from reward_models.scoring import Scorer

Columns = dict[str, list[Any]]


class Command(PipelineCommand):
    help = "Score the prompts and completions of a file's rows: each row gets a `score`, by several models each's too."

    def add_options(self, parser: ArgumentParser) -> None:
        add_model_options(parser)
        parser.add_argument("file", type=Path, help="rows with prompt and completion: JSON lines, CSV or Parquet")
        parser.add_argument("--output", type=Path, required=True, help="JSON lines, the rows with their scores")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        output = options["output"]
        expect_new_file(output)
        rows = read_texts(options["file"])
        texts = [row["prompt"] for row in rows], [row["completion"] for row in rows]
        members = load_members(options, show_progress=True)
        make_folder(output.parent)  # before the scores are paid for
        columns = score_columns(combine_members(members, options), *texts)
        write_scored(rows, columns, output)
        prompts_cut = max(member.model.count_cut(*texts) for member in members)
        return {"rows": len(rows), "prompts_cut": prompts_cut, "mean_score": mean(columns["score"]), "output": output}


def read_texts(path: Path) -> list[Row]:
    """The rows, each with a text as prompt and completion, which may be empty. InputError names the bad rows."""
    rows, problems = [], []
    for place, row in read_rows(path):
        found = [row] if isinstance(row, RowProblem) else _problems(place, row)
        problems += found
        if isinstance(row, dict):
            rows.append(row)
    if problems:
        raise refuse(path, problems, "mend these first")
    if not rows:
        raise InputError(f"{path} is empty; expected rows with prompt and completion.")
    return rows


def score_columns(scorer: Scorer | Ensemble, prompts: list[str], completions: list[str]) -> Columns:
    if isinstance(scorer, Scorer):
        return {"score": scorer(prompts, completions).tolist()}
    of_members = scorer.score_members(prompts, completions)
    return {"score": scorer.combine_members(of_members).tolist(), "member_scores": of_members.T.tolist()}


def _problems(place: str, row: Row) -> list[RowProblem]:
    return [
        RowProblem(place, column, problem)
        for column in ("prompt", "completion")
        for problem in problems_of_text(row.get(column), may_be_empty=True)
    ]


def write_scored(rows: list[Row], columns: Columns, output: Path) -> None:
    """Each row with its entry of every column; the file appears whole or not at all."""
    with write_whole(output) as stream:
        for row, *entries in zip(rows, *columns.values(), strict=True):
            scored = row | dict(zip(columns, entries, strict=True))
            stream.write(json.dumps(scored, ensure_ascii=False, default=str) + "\n")
