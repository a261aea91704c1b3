"""Judgments of a campaign, as files that every other stage reads."""

import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.exports import export_judgments
from annotation.management.command import PipelineCommand
from annotation.models import Campaign
from annotation.queries import find_campaign
from annotation.record_files import FORMATS


class Command(PipelineCommand):
    help = (
        "Export a campaign to a new folder, or to a prefix of an S3 bucket: records as JSONL, Parquet or CSV, and a "
        "manifest. Access keys come from the environment or ~/.aws, as for every program that uses boto3."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the campaign")
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--output", type=Path, help="the folder to make; it must not exist yet")
        where.add_argument("--to", metavar="s3://BUCKET/PREFIX", help="where to upload it; no export may be there yet")
        parser.add_argument("--endpoint-url", help="with --to: a server that is not Amazon's, or set AWS_ENDPOINT_URL")
        parser.add_argument("--format", choices=FORMATS, default="jsonl", help="of the records (default: %(default)s)")
        parser.add_argument("--comments", action="store_true", help="also what workers wrote into the comment box")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        if options["endpoint_url"] and not options["to"]:
            raise InputError("--endpoint-url is where --to uploads; expected --to beside it.")
        campaign = find_campaign(options["name"])
        if options["to"]:
            manifest = _export_to_bucket(campaign, options)
        else:
            manifest = export_judgments(
                campaign, options["output"], options["format"], with_comments=options["comments"]
            )
        where = options["to"] or options["output"]
        return {"output": where, **manifest["counts"], "agreement": manifest["agreement"]}


def _export_to_bucket(campaign: Campaign, options: Mapping[str, Any]) -> dict[str, Any]:
    from annotation.object_storage import expect_no_export, parse_destination, upload_export  # boto3 takes a second

    destination = parse_destination(options["to"], options["endpoint_url"])
    expect_no_export(destination)
    with tempfile.TemporaryDirectory() as folder:
        manifest = export_judgments(
            campaign, Path(folder) / "export", options["format"], with_comments=options["comments"]
        )
        upload_export(Path(folder) / "export", destination)
    return manifest
