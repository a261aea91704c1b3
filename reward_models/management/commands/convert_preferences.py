"""`manage.py convert_preferences PAIRS --view V --output DIR`: preferences from one layout to another."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from annotation.record_files import write_export
from annotation.records import SPLITS
from reward_models.pair_sources import PAIRS_HELP, read_pairs
from reward_models.preference_views import KEEPS_TIES, VIEWS


class Command(PipelineCommand):
    help = "Write preferences as another trainer reads them: a JSON-lines file for each split that has any."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("pairs", help=PAIRS_HELP)
        parser.add_argument("--view", choices=VIEWS, required=True)
        parser.add_argument("--output", type=Path, required=True, help="the folder to make; it must not exist yet")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        source = read_pairs(options["pairs"])
        self.stderr.write(source.description)
        written = [pair for pair in source.preferences if pair.label or options["view"] == KEEPS_TIES]
        if not written:
            raise InputError(
                f"{options['pairs']} has no pair with a majority; expected some, as this view has no ties."
            )
        with write_export(options["output"]) as folder:
            for split in SPLITS:
                rows = VIEWS[options["view"]](pair for pair in written if pair.split == split)
                text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                if text:
                    (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
        without_majority = sum(not pair.label for pair in source.preferences)
        return {"output": options["output"], "pairs": len(written), "pairs_without_majority": without_majority}
