"""`manage.py score_texts MODEL FILE --output FILE`: a reward model's scores of completions."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from reward_models.scoring import load_scorer


class Command(PipelineCommand):
    help = "Score prompts and completions in a JSON lines file; each row gets a `score`."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("model", type=Path, help="a folder that train_reward_model wrote")
        parser.add_argument("file", type=Path, help="JSON lines with prompt and completion")
        parser.add_argument("--output", type=Path, required=True)

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        output = options["output"]
        if output.exists():
            raise InputError(f"{output} exists already; name another --output or remove it first.")
        rows = read_texts(options["file"])
        scorer = load_scorer(options["model"])
        texts = [row["prompt"] for row in rows], [row["completion"] for row in rows]
        scores = scorer(*texts)
        lines = [
            json.dumps(row | {"score": float(score)}, ensure_ascii=False)
            for row, score in zip(rows, scores, strict=True)
        ]
        output.write_text("\n".join(lines) + "\n", encoding="utf-8")
        prompts_cut = scorer.model.count_cut(*texts)
        return {"rows": len(rows), "prompts_cut": prompts_cut, "mean_score": float(scores.mean()), "output": output}


def read_texts(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected JSON lines with prompt and completion.") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not valid JSON ({error.msg}).") from None
        if not isinstance(row, dict) or not {"prompt", "completion"} <= row.keys():
            raise InputError(f"{path}, line {number}: expected an object with the keys prompt and completion.")
        rows.append(row)
    if not rows:
        raise InputError(f"{path} is empty; expected JSON lines with prompt and completion.")
    return rows
