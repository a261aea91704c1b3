"""Exports in S3, or in any server that speaks it: the manifest goes last, so a prefix that has one is whole."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tqdm import tqdm

from annotation.errors import InputError

MANIFEST = "manifest.json"
PART_BYTES = 16 * 2**20  # a larger file goes up in parts
ENDPOINT_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REFUSED = "permission was refused; s3:GetObject, s3:ListBucket, s3:PutObject and s3:DeleteObject are needed"
# What went wrong, by the codes of the protocol and the names of botocore's exceptions.
REASONS = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": REFUSED,
    "403": REFUSED,
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key does not fit the access key",
    "NoCredentialsError": "no credentials; expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile",
    "PartialCredentialsError": "half of the credentials are missing; expected both keys",
    "EndpointConnectionError": "the server cannot be reached",
    "ConnectTimeoutError": "the server cannot be reached",
}


@dataclass(frozen=True, slots=True)
class Destination:
    """A prefix of a bucket. endpoint: the server's address; None for that of the environment, or Amazon's."""

    bucket: str
    prefix: str
    endpoint: str | None = None

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


def parse_destination(url: str, endpoint: str | None = None) -> Destination:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    if not url.startswith("s3://") or not bucket:
        raise InputError(f"--to: expected s3://bucket/prefix, found {url!r}.")
    if endpoint is not None and not endpoint.startswith(("http://", "https://")):
        raise InputError(f"--endpoint-url: expected http://… or https://…, found {endpoint!r}.")
    return Destination(bucket, prefix.strip("/"), endpoint)


def expect_no_export(destination: Destination) -> None:
    """InputError if the prefix has a manifest, or nobody can say."""
    with _plain_errors(destination):
        client = _connect(destination)
        try:
            client.get_object(Bucket=destination.bucket, Key=destination.key(MANIFEST))
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return
            raise
    raise InputError(f"{destination} holds an export already; name another --to.")


def upload_export(folder: Path, destination: Destination) -> None:
    """Send every file of the export at `folder`, its manifest last; if any fails, what was sent is removed again."""
    names = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)
    sent: list[str] = []
    with _plain_errors(destination):
        client = _connect(destination)
        total = sum(path.stat().st_size for path in folder.iterdir())
        try:
            with tqdm(total=total, desc="upload", unit="B", unit_scale=True, disable=None, leave=False) as bar:
                for name in (*names, MANIFEST):
                    sent.append(destination.key(name))
                    client.upload_file(
                        str(folder / name),
                        destination.bucket,
                        sent[-1],
                        Callback=bar.update,
                        Config=TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES),
                    )
        except BaseException:
            _remove(client, destination, sent)
            raise


def _remove(client: Any, destination: Destination, keys: list[str]) -> None:
    """The manifest first, so that nobody takes the rest for whole. What cannot be removed has no manifest."""
    for key in reversed(keys):
        with contextlib.suppress(BotoCoreError, ClientError):
            client.delete_object(Bucket=destination.bucket, Key=key)


def _connect(destination: Destination) -> Any:
    is_amazon = not destination.endpoint and not any(map(os.environ.get, ENDPOINT_VARIABLES))
    config = Config(
        connect_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 3},
        # Other servers know neither buckets as host names nor the newer checksums; the manifest has a sha256 of all.
        s3={"addressing_style": "auto" if is_amazon else "path"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.client("s3", endpoint_url=destination.endpoint, config=config)


@contextlib.contextmanager
def _plain_errors(destination: Destination) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError, S3UploadFailedError) as error:
        raise InputError(f"{destination}: {_reason(error)}; no export was left there.") from error


def _reason(error: Exception) -> str:
    """The cause in plain words, or the library's own on one line."""
    cause: BaseException = error.__context__ or error if isinstance(error, S3UploadFailedError) else error
    code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else type(cause).__name__
    return REASONS.get(code) or " ".join(str(cause).split()).rstrip(".")
