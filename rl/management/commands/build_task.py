"""`manage.py build_task commongen-mini --output DIR`: write a generated task's items and world."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.configuration import build_config
from annotation.management.command import PipelineCommand, seed
from annotation.run_folders import open_run
from rl.tasks.commongen_mini.corpus import CorpusConfig, build_corpus, write_corpus

DEFAULTS = CorpusConfig()


class Command(PipelineCommand):
    help = "Generate the built-in task commongen-mini: items in three splits, and the world that they describe."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("task", choices=["commongen-mini"])
        parser.add_argument("--seed", type=seed, default=0, help="draws the words, the sentences and the flawed verbs")
        parser.add_argument("--train", type=int, default=DEFAULTS.train, help="concept sets for training")
        parser.add_argument("--validation", type=int, default=DEFAULTS.validation)
        parser.add_argument("--test", type=int, default=DEFAULTS.test)
        parser.add_argument(
            "--flaw-share", type=float, default=DEFAULTS.flaw_share, help="of the concept sets, implausible ones"
        )
        parser.add_argument(
            "--flawed-verbs",
            type=float,
            default=DEFAULTS.flawed_verbs,
            help="of the verbs, those that may go wrong",
        )
        parser.add_argument("--references", type=int, default=DEFAULTS.references, help="for each concept set")
        parser.add_argument("--output", type=Path, required=True)

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        chosen = {
            key: options[key] for key in ("train", "validation", "test", "references", "flaw_share", "flawed_verbs")
        }
        config = build_config(CorpusConfig, chosen, "build_task")
        with open_run(options["output"], config=config, seed=options["seed"]) as folder:
            world, task = build_corpus(config, options["seed"])
            write_corpus(world, task, folder.path)
            summary = {"train": len(task.train), "validation": len(task.validation), "test": len(task.test)}
            folder.write_summary(summary | {"flawed_verbs": sorted(world.flawed_verbs)})
        return summary
