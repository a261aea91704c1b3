"""Signed links for workers, one each."""

import csv
import io
import os
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from annotation.errors import InputError
from annotation.invitations import link_path, make_handles, read_handles
from annotation.management.command import PipelineCommand
from annotation.queries import find_campaign


class Command(PipelineCommand):
    help = "Make one signed link for each worker of a campaign; nobody can make or change one, or use it elsewhere."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the campaign")
        whom = parser.add_mutually_exclusive_group(required=True)
        whom.add_argument(
            "--handles", type=Path, help="a file with one worker's handle, such as a platform's id, a line"
        )
        whom.add_argument("--count", type=int, help="make so many links with new handles")
        parser.add_argument("--days", type=float, default=14, help="how long they work (default: %(default)s)")
        parser.add_argument(
            "--url", default=settings.PUBLIC_ORIGIN, help="where the app is served (default: %(default)s)"
        )
        parser.add_argument(
            "--output", type=Path, help="write a CSV with handle, link and until instead of printing it"
        )

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        campaign, days, origin = find_campaign(options["name"]), options["days"], _read_origin(options["url"])
        if not 0 < days <= 3660:
            raise InputError(f"--days: expected more than 0 and at most 3660, found {days:g}.")
        handles = read_handles(options["handles"]) if options["handles"] else make_handles(options["count"])
        until = (datetime.now(UTC) + timedelta(days=days)).isoformat(timespec="seconds")
        table = _write_table([(handle, origin + link_path(campaign.name, handle, days), until) for handle in handles])
        if options["output"]:
            _store(options["output"], table)
        else:
            self.stdout.write(table, ending="")
        return {"campaign": campaign.name, "links": len(handles), "until": until}


def _read_origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise InputError(f"--url {url!r}: expected an address such as https://study.example.org.")
    return f"{parts.scheme}://{parts.netloc}"


def _write_table(rows: Sequence[tuple[str, str, str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("handle", "link", "until"))
    writer.writerows(rows)
    return text.getvalue()


def _store(path: Path, table: str) -> None:
    """A new file that its owner alone may read: whoever has a link is its worker."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    except FileExistsError:
        raise InputError(f"{path} exists; name another --output.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}).") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(table)
