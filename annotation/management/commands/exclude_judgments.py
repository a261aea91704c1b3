"""Work that is not to count: excluded with a reason, or let in again."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from annotation.errors import InputError
from annotation.exclusions import assignments_named, exclude, readmit, work_of
from annotation.management.command import PipelineCommand
from annotation.queries import find_campaign
from annotation.run_folders import plain


class Command(PipelineCommand):
    help = "Exclude a worker's judgments, or those of single assignments: kept, paid and exported, but not counted."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the campaign")
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--worker", metavar="PSEUDONYM", help="all submitted work of this worker of the export")
        whose.add_argument("--assignment", nargs="+", metavar="TOKEN", help="these assignments of the export")
        parser.add_argument("--reason", help="why, for the manifest; needed unless --undo")
        parser.add_argument("--reopen", action="store_true", help="let another worker take the place on each HIT")
        parser.add_argument("--undo", action="store_true", help="let the work count again")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        undo, reason = options["undo"], options["reason"]
        if undo and (reason is not None or options["reopen"]):
            raise InputError("--undo takes neither --reason nor --reopen.")
        if not undo and reason is None:
            raise InputError("--reason is missing: expected why the judgments are not to count.")
        campaign = find_campaign(options["name"])
        tokens = options["assignment"]
        found = assignments_named(campaign, tokens) if tokens else work_of(campaign, options["worker"])
        result = readmit(found) if undo else exclude(found, reason, reopen=options["reopen"])
        return {"campaign": campaign.name, **plain(result)}
