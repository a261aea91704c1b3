"""The commands: what they do, and one sentence with exit code 2 for what they cannot use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.models import HIT, Campaign, Completion, Item
from annotation.secret_key import read_or_create_secret

ROW = {
    "item": "i1", "pair": "p1", "prompt": "dog, run", "completion_a": "A dog runs.", "completion_b": "Dog a run.",
    "system_a": "s", "system_b": "t",
}  # fmt: skip
CONFIG = "name: pilot\ntask: commongen-pairwise\nraters_per_hit: 2\n"
Create = Callable[..., None]


@pytest.fixture
def create(db: None, tmp_path: Path) -> Create:
    """`create(rows, config)` writes both files and runs create_campaign."""

    def run(rows: list[Any], config: str = CONFIG, suffix: str = ".jsonl") -> None:
        (tmp_path / "campaign.yaml").write_text(config)
        items = tmp_path / f"items{suffix}"
        items.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        call_command("create_campaign", str(tmp_path / "campaign.yaml"), items=items)

    return run


def fails_with(action: Callable[[], object], message: str) -> None:
    with pytest.raises(CommandError, match=message) as caught:
        action()
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)


def nothing_is_stored() -> bool:
    return not any(model.objects.exists() for model in (Campaign, Item, Completion, HIT))


def test_it_creates_an_open_campaign(create: Create) -> None:
    create([ROW, ROW | {"pair": "p2", "completion_b": ""}])
    campaign = Campaign.objects.get()
    assert (campaign.state, campaign.hits.count(), campaign.items.count()) == ("open", 2, 1)
    assert sorted(campaign.hits.values_list("position", flat=True)) == [0, 1]
    assert Completion.objects.count() == 3, "a text that two pairs share is stored once"


def test_a_hit_keeps_its_key_whatever_the_order_of_the_file(create: Create) -> None:
    rows = [ROW | {"pair": f"p{number}"} for number in range(5)]
    create(rows)
    first = list(HIT.objects.order_by("position").values_list("pair", "key"))
    Campaign.objects.all().delete()
    create(rows[::-1])
    assert list(HIT.objects.order_by("position").values_list("pair", "key")) == first


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "holds no items; expected at least one row"),
        ([ROW, "{"], "items.jsonl: line 2: not valid JSON"),
        ([ROW, [1]], r"line 2: expected a JSON object, found \[1\]"),
        ([{**ROW, "prompt": None}], "line 1: prompt: expected text, found nothing"),
        ([{**ROW, "prompt": "  "}], "line 1: prompt: expected text, found only blanks"),
        ([{**ROW, "system_b": 3}], "line 1: system_b: expected text, found 3"),
        ([{**ROW, "completion_a": "a\0b"}], "line 1: completion_a: holds a NUL"),
        ([{**ROW, "references": ["fine", "a\0b"]}], "line 1: references: holds a NUL"),
        ([{**ROW, "prompt": "half \ud83d"}], "line 1: prompt: holds a NUL or half a surrogate pair"),
        ([{**ROW, "references": "one"}], "line 1: references: expected a list of texts"),
        ([ROW, ROW], "line 2: pair: the same as on line 1"),
        ([ROW, {**ROW, "pair": "p2", "prompt": "cat"}], "line 2: prompt: item 'i1' has another prompt above"),
        ([{**ROW, "completion_b": "A dog runs.", "system_b": "s"}], "line 1: completion_b: the same text by the same"),
        ([{**ROW, "pair": ""}] * 7, "line 5: pair: expected text, found only blanks; and 2 more"),
    ],
)
def test_it_names_line_field_and_reason_of_a_bad_row(create: Create, rows: list[Any], message: str) -> None:
    fails_with(lambda: create(rows), message)
    assert nothing_is_stored()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (CONFIG + "raters: 3\n", "unknown key 'raters'; did you mean 'raters_per_hit'"),
        ("name: pilot\n", "the key 'task' is missing"),
        (
            CONFIG.replace("commongen-pairwise", "sonnets"),
            "task: no template 'sonnets'; expected one of cnn-dm-likert, commongen-likert",
        ),
        (CONFIG.replace("pilot", "a pilot"), "name: expected letters, digits, - and _, found 'a pilot'"),
        (CONFIG.replace("2", "0"), "raters_per_hit: expected 1 to 1000, found 0"),
        (CONFIG + "reward_per_hit: 0.001\n", "reward_per_hit: expected whole cents"),
        (CONFIG + f"seed: {2**63}\n", "seed: expected -9223372036854775808 to 9223372036854775807"),
        ("[", "is not valid YAML"),
    ],
)
def test_it_names_what_is_wrong_with_a_configuration(create: Create, config: str, message: str) -> None:
    fails_with(lambda: create([ROW], config), message)
    assert nothing_is_stored()


def test_it_refuses_a_name_that_is_taken(create: Create) -> None:
    create([ROW])
    fails_with(lambda: create([ROW]), "campaign 'pilot' exists already")
    assert HIT.objects.count() == 1


def test_it_reads_csv_and_parquet_alike(create: Create, tmp_path: Path, db: None) -> None:
    import pandas

    rows = [ROW, ROW | {"pair": "p2", "completion_b": 'A "dog", running.'}]
    (tmp_path / "campaign.yaml").write_text(CONFIG)
    frame = pandas.DataFrame(rows)
    stored = []
    frame.to_csv(tmp_path / "items.csv", index=False)
    frame.to_parquet(tmp_path / "items.parquet")
    for suffix in ("csv", "parquet"):
        call_command("create_campaign", str(tmp_path / "campaign.yaml"), items=tmp_path / f"items.{suffix}")
        stored.append(list(HIT.objects.order_by("position").values_list("key", "pair", "completion_b__text")))
        Campaign.objects.all().delete()
    assert stored[0] == stored[1]
    assert {text for _, _, text in stored[0]} == {"Dog a run.", 'A "dog", running.'}


def test_it_says_which_files_it_can_read(create: Create, tmp_path: Path) -> None:
    fails_with(lambda: create([ROW], suffix=".txt"), r"name ends in \.jsonl, \.csv or \.parquet")
    fails_with(lambda: create(["not a table"], suffix=".parquet"), "is not a Parquet file")
    missing = tmp_path / "missing.jsonl"
    fails_with(lambda: call_command("create_campaign", str(tmp_path / "campaign.yaml"), items=missing), "no such file")


def test_an_unknown_campaign_is_answered_with_those_there_are(create: Create, tmp_path: Path) -> None:
    create([ROW])
    fails_with(lambda: call_command("campaign_status", "pilots"), "no campaign is called 'pilots'; there are: pilot")
    fails_with(lambda: call_command("export_judgments", "pilot", output=tmp_path / "export"), "no judgments yet")
    assert not (tmp_path / "export").exists()


def test_status_is_a_line_that_a_program_can_read(create: Create, capsys: pytest.CaptureFixture[str]) -> None:
    create([ROW], CONFIG + "reward_per_hit: 0.1\n")
    capsys.readouterr()
    call_command("campaign_status", "pilot", json=True)
    status = json.loads(capsys.readouterr().out.splitlines()[-1])
    expected = {"hits": 1, "assignments_wanted": 2, "judgments": 0, "reward_per_hit": "0.10", "percent": 0.0}
    assert expected.items() <= status.items()


def test_the_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "database.secret"
    secret = read_or_create_secret(path)
    assert len(secret) >= 50
    assert read_or_create_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
