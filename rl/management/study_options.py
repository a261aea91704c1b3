"""What the commands of benches have alike: a study's YAML file, values laid over it, and a folder to go on with."""

from argparse import ArgumentParser
from pathlib import Path


def add_study_options(parser: ArgumentParser, default: Path) -> None:
    parser.add_argument("--config", type=Path, default=default, help="the study's YAML file")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="lay a value over the file's")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--resume", action="store_true", help="go on with a bench that was interrupted")
