"""What all of Prefloop's commands share: bad input gets one sentence and exit code 2; --json for programs."""

import json
import os
from argparse import Action, ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import OperationalError

from annotation.errors import CheckFailedError, InputError
from annotation.management.results import describe_result
from annotation.run_folders import plain

# Many threads that spin while they wait slow each other down on a shared machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def seed(text: str) -> int:
    """The type of every --seed: what all generators of random numbers take."""
    if not (text.isdecimal() and int(text) < 2**32):
        raise ArgumentTypeError(f"expected a whole number from 0 to {2**32 - 1:,}, found {text!r}")
    return int(text)


class HelpFormatter(DjangoHelpFormatter, ArgumentDefaultsHelpFormatter):
    """Says the default of every option that has one."""

    def _get_help_string(self, action: Action) -> str | None:
        says_something = action.default is not None and action.default is not False and action.default != []
        return super()._get_help_string(action) if says_something else action.help


class PipelineCommand(BaseCommand):
    """A command of the pipeline: implement `add_options` and `run`.

    `run` returns the numbers worth printing; with `--json` they are the last line, as JSON.
    """

    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, **({"formatter_class": HelpFormatter} | kwargs))

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the command's own arguments."""

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        raise NotImplementedError

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as one line of JSON, last")
        self.add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._print_result(self.run(options), options["json"])
        except CheckFailedError as error:
            self._print_result(error.result, options["json"])
            raise CommandError(str(error), returncode=2) from error
        except InputError as error:
            raise CommandError(str(error), returncode=2) from error
        except OperationalError as error:  # no server, no such database, a disk that is full
            raise CommandError(f"the database refused: {' '.join(str(error).split())}", returncode=2) from error
        except KeyboardInterrupt:
            advice = "; the same command with --resume continues it" if "resume" in options else ""
            raise CommandError(f"interrupted{advice}.", returncode=130) from None

    def _print_result(self, result: Mapping[str, Any], as_json: bool) -> None:
        if as_json and result:  # of several processes the first alone has a result
            self.stdout.write(json.dumps(plain(result), ensure_ascii=False))
        else:
            for line in describe_result(plain(result)):
                self.stdout.write(line)
