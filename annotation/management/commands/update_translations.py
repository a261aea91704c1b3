"""The catalogues of workers' pages, brought up to what the code marks and compiled."""

import dataclasses
from argparse import ArgumentParser
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from annotation.errors import InputError
from annotation.management.command import PipelineCommand
from annotation.management.translations import update_catalogues


class Command(PipelineCommand):
    help = "Add new strings to every language's django.po, drop those that are gone, and compile it to django.mo."

    def add_options(self, parser: ArgumentParser) -> None:
        pass

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        if find_spec("polib") is None:
            raise InputError("polib is not installed; install requirements-dev.txt to change translations.")
        return {change.language: dataclasses.asdict(change) for change in update_catalogues()}
