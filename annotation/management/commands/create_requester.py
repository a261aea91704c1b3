"""A requester's account."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from annotation.management.command import PipelineCommand
from annotation.requesters import create_requester


class Command(PipelineCommand):
    help = "Create a requester who may see the campaigns; prints a random password, once."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="to sign in with")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        return {"name": options["name"], "password": create_requester(options["name"])}
