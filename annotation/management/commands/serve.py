"""The app in the browser, by one command."""

import contextlib
import threading
from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management import call_command

from annotation.management.command import PipelineCommand
from annotation.requesters import issue_ticket
from annotation.server import running_server


class Command(PipelineCommand):
    help = "Prepare the database, serve the app on this machine, and print a link that signs a requester in."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)")
        parser.add_argument("--requester", default="requester", help="whom the link signs in (default: %(default)s)")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        call_command("migrate", verbosity=0, interactive=False)
        ticket = issue_ticket(options["requester"])
        with running_server(settings.DATABASE_URL or settings.DATABASE_PATH, port=options["port"]) as url:
            origin = settings.PUBLIC_ORIGIN if settings.BEHIND_HTTPS else url
            self.stdout.write(f"workers:   {origin}/")
            self.stdout.write(f"requester: {origin}/requester/enter/{ticket}/   (for 12 hours)")
            self.stdout.write("Ctrl-C stops it.")
            self.stdout.flush()
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
        return {"stopped": url}
