"""Exports in S3, against a server that speaks it, on this machine."""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.management import call_command

from annotation import object_storage
from annotation.exports import export_judgments
from annotation.models import Campaign, Worker
from tests.annotation.test_commands import fails_with
from tests.annotation.test_exports import judge_all

MakeCampaign = Callable[..., Campaign]
pytestmark = pytest.mark.xdist_group("object storage")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of moto's server, which keeps buckets in memory."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not is_listening(port):
            assert server.poll() is None and time.monotonic() < deadline, "moto's server does not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """An empty bucket, with keys that may write to it in the environment."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    made = boto3.resource("s3", region_name="us-east-1").Bucket(f"bucket-{os.urandom(6).hex()}")
    made.create()
    return made


@pytest.fixture
def campaign(make_campaign: MakeCampaign, ada: Worker, bea: Worker) -> Campaign:
    campaign = make_campaign(hits=3)
    judge_all(campaign, ada, bea)
    return campaign


def content(bucket: Any, prefix: str = "") -> dict[str, bytes]:
    return {entry.key: entry.get()["Body"].read() for entry in bucket.objects.filter(Prefix=prefix)}


def test_a_prefix_gets_what_a_folder_would(bucket: Any, campaign: Campaign, tmp_path: Path) -> None:
    call_command("export_judgments", campaign.name, to=f"s3://{bucket.name}/studies/pilot/")
    export_judgments(campaign, tmp_path / "export")
    assert content(bucket) == {
        f"studies/pilot/{file.name}": file.read_bytes() for file in (tmp_path / "export").iterdir()
    }


def test_a_large_file_goes_up_in_parts(bucket: Any, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "ratings.parquet").write_bytes(os.urandom(object_storage.PART_BYTES * 2 + 1))
    (folder / "manifest.json").write_text("{}")
    object_storage.upload_export(folder, object_storage.parse_destination(f"s3://{bucket.name}/large"))
    sent = bucket.Object("large/ratings.parquet")
    assert sent.e_tag.endswith('-3"'), "the server says of how many parts it is made"
    digest = hashlib.sha256(sent.get()["Body"].read()).hexdigest()
    assert digest == hashlib.sha256((folder / "ratings.parquet").read_bytes()).hexdigest()


def test_an_export_is_never_overwritten(bucket: Any, campaign: Campaign) -> None:
    bucket.put_object(Key="pilot/manifest.json", Body=b"{}")
    url = f"s3://{bucket.name}/pilot"
    fails_with(lambda: call_command("export_judgments", campaign.name, to=url), "holds an export already")
    assert content(bucket) == {"pilot/manifest.json": b"{}"}


def deny(bucket: Any, action: str, key: str) -> None:
    denied = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket.name}/{key}"}
    bucket.Policy().put(Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))


@pytest.mark.parametrize("refused", ["preferences.jsonl", "manifest.json"])
def test_an_upload_that_fails_half_way_leaves_nothing(bucket: Any, campaign: Campaign, refused: str) -> None:
    deny(bucket, "s3:PutObject", f"pilot/{refused}")
    url = f"s3://{bucket.name}/pilot"
    fails_with(lambda: call_command("export_judgments", campaign.name, to=url), "permission was refused")
    assert content(bucket) == {}


def test_it_says_in_one_sentence_why_nothing_could_be_uploaded(
    bucket: Any, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(url: str, **options: Any) -> Callable[[], None]:
        return lambda: call_command("export_judgments", campaign.name, to=url, **options)

    fails_with(export("bucket/pilot"), "--to: expected s3://bucket/prefix, found 'bucket/pilot'")
    fails_with(export("s3://"), "--to: expected s3://bucket/prefix")
    fails_with(export("s3://b/p", endpoint_url="127.0.0.1"), "--endpoint-url: expected http://")
    fails_with(export("s3://no-such-bucket-anywhere/pilot"), "there is no such bucket; no export was left there")
    url = f"s3://{bucket.name}/pilot"
    fails_with(export(url, endpoint_url=f"http://127.0.0.1:{free_port()}"), "the server cannot be reached")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    fails_with(export(url), "no credentials; expected AWS_ACCESS_KEY_ID")


def test_it_says_when_permission_is_refused(bucket: Any, campaign: Campaign) -> None:
    deny(bucket, "s3:GetObject", "*")
    url = f"s3://{bucket.name}/pilot"
    fails_with(lambda: call_command("export_judgments", campaign.name, to=url), "permission was refused; s3:GetObject")
