"""`manage.py convert_preferences EXPORT --view V --output DIR`: an export's preferences for other trainers."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from annotation.record_files import write_export
from annotation.records import SPLITS, read_preferences
from reward_models.preference_views import VIEWS


class Command(PipelineCommand):
    help = "Write an export's preferences as another trainer reads them: a JSON-lines file for each split that has any."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("export", type=Path, help="a folder that export_judgments wrote")
        parser.add_argument("--view", choices=VIEWS, required=True)
        parser.add_argument("--output", type=Path, required=True, help="the folder to make; it must not exist yet")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        preferences = read_preferences(options["export"])
        labelled = [pair for pair in preferences if pair.label]
        if not labelled:
            raise InputError(f"{options['export']} has no pair with a majority; expected some, as a view has no ties.")
        with write_export(options["output"]) as folder:
            for split in SPLITS:
                rows = VIEWS[options["view"]](pair for pair in labelled if pair.split == split)
                text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                if text:
                    (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
        without_majority = len(preferences) - len(labelled)
        return {"output": options["output"], "pairs": len(labelled), "pairs_without_majority": without_majority}
