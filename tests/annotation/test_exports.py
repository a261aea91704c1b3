"""Exports: what went in comes out, with pseudonyms, whole or not at all."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import load_dataset

from annotation import exports
from annotation.assignments import Answer, claim, expire_leases, submit
from annotation.errors import InputError
from annotation.exports import export_judgments, pseudonym
from annotation.models import Assignment, Campaign, Item, Worker
from annotation.record_files import FORMATS
from annotation.record_readers import read_comparisons, read_manifest, read_preferences, read_ratings
from annotation.records import split_of_prompt, to_dict

MakeCampaign = Callable[..., Campaign]
CHOICES = {"ada": "a", "bea": "b", "cleo": "tie"}


def judge_all(campaign: Campaign, *workers: Worker) -> None:
    for worker in workers:
        while (assignment := claim(campaign, worker)) is not None:
            if campaign.kind == "pairwise":
                submit(assignment, [Answer("preference", choice=CHOICES[worker.handle])], active_seconds=0.0)
            else:
                submit(assignment, [Answer("quality", value=4), Answer("fluency", value=5)], active_seconds=0.0)


@pytest.mark.parametrize("file_format", FORMATS)
def test_it_reloads_to_the_same_votes(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, cleo: Worker, tmp_path: Path, file_format: str
) -> None:
    campaign = make_campaign(hits=4, raters_per_hit=3, allow_tie=True)
    judge_all(campaign, ada, bea, cleo)
    manifest = export_judgments(campaign, tmp_path / "export", file_format)
    comparisons = read_comparisons(tmp_path / "export")
    assert Counter(c.choice for c in comparisons) == {"a": 4, "b": 4, "tie": 4}
    handles = {pseudonym(worker): worker.handle for worker in (ada, bea, cleo)}
    assert all(c.choice == CHOICES[handles[c.worker]] for c in comparisons)
    for comparison in comparisons:
        number = int(comparison.item.removeprefix("item-"))
        assert comparison.completion_a == f"A dog {number} runs <b>in</b> the park."
        assert comparison.system_a == ("supervised" if number % 2 == 0 else "supervised+nlpo")
        assert comparison.left == Assignment.objects.get(token=comparison.assignment).left
    preferences = read_preferences(tmp_path / "export")
    assert [(p.votes_a, p.votes_b, p.votes_tie, p.label) for p in preferences] == [(1, 1, 1, "")] * 4
    assert manifest["counts"]["judgments"] == 12
    assert manifest["agreement"] == {"preference": 0.0}


def test_ratings_carry_their_scale_and_references(make_campaign: MakeCampaign, ada: Worker, tmp_path: Path) -> None:
    campaign = make_campaign(hits=2, kind="likert")
    judge_all(campaign, ada)
    export_judgments(campaign, tmp_path / "export")
    ratings = read_ratings(tmp_path / "export")
    assert Counter((r.system, r.question, r.value) for r in ratings) == {
        (system, question, value): 2
        for system in ("supervised", "supervised+nlpo")
        for question, value in (("quality", 4), ("fluency", 5))
    }
    assert {(r.scale_min, r.scale_max) for r in ratings} == {(1, 5)}
    assert all(r.references == (f"Dog {r.item[-1]} ran.",) for r in ratings)


@pytest.mark.parametrize(("file_format", "loader"), [("jsonl", "json"), ("parquet", "parquet"), ("csv", "csv")])
def test_datasets_loads_it_unchanged(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, tmp_path: Path, file_format: str, loader: str
) -> None:
    campaign = make_campaign(hits=3)
    judge_all(campaign, ada, bea)
    export_judgments(campaign, tmp_path / "export", file_format)
    for stem, records in (("comparisons", read_comparisons), ("preferences", read_preferences)):
        file = str(tmp_path / "export" / f"{stem}.{file_format}")
        # Of CSV, pandas takes an empty cell for a missing value unless it is told.
        options = {"keep_default_na": False, "na_values": {"strength": [""]}} if loader == "csv" else {}
        loaded = load_dataset(loader, data_files=file, split="train", cache_dir=str(tmp_path / "cache"), **options)
        rows = [
            {key: str(value)[:10] if key == "submitted_on" else value for key, value in row.items()} for row in loaded
        ]
        assert rows == [to_dict(record) for record in records(tmp_path / "export")]


def test_datasets_loads_lists_and_scales(make_campaign: MakeCampaign, ada: Worker, tmp_path: Path) -> None:
    campaign = make_campaign(hits=2, kind="likert")
    judge_all(campaign, ada)
    export_judgments(campaign, tmp_path / "export", "parquet")
    file = str(tmp_path / "export" / "ratings.parquet")
    loaded = load_dataset("parquet", data_files=file, split="train", cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == [to_dict(record) for record in read_ratings(tmp_path / "export")]


def test_the_manifest_tells_what_was_asked_and_proves_its_files(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, tmp_path: Path
) -> None:
    campaign = make_campaign(hits=2)
    judge_all(campaign, ada, bea)
    Assignment.objects.filter(worker=bea).update(excluded="too fast")
    Worker.objects.filter(pk=ada.pk).update(source="simulation")
    export_judgments(campaign, tmp_path / "export")
    manifest = read_manifest(tmp_path / "export")
    for name, file in manifest["files"].items():
        assert hashlib.sha256((tmp_path / "export" / name).read_bytes()).hexdigest() == file["sha256"]
    assert set(manifest["files"]) == {"comparisons.jsonl", "preferences.jsonl"}
    assert manifest["simulated"] is True
    assert [row["reason"] for row in manifest["exclusions"]] == ["too fast"] * 2
    assert manifest["counts"] == {
        "hits": 2, "hits_complete": 2, "assignments": 4, "judgments": 4, "workers": 2,
        "workers_by_source": {"direct": 1, "simulation": 1}, "kinds": {"work": 4},
    }  # fmt: skip
    assert {p.votes_b for p in read_preferences(tmp_path / "export")} == {0}


def test_no_handle_and_no_time_of_day_leaves_the_house(
    make_campaign: MakeCampaign, ada: Worker, tmp_path: Path
) -> None:
    campaign = make_campaign(hits=1)
    judge_all(campaign, ada)
    export_judgments(campaign, tmp_path / "export")
    (row,) = read_comparisons(tmp_path / "export")
    assert "ada" not in json.dumps(to_dict(row))
    assert str(ada.identity) not in (tmp_path / "export" / "comparisons.jsonl").read_text()
    assert len(row.submitted_on) == len("2026-11-22")


def test_a_pseudonym_follows_the_identity_not_the_handle(ada: Worker) -> None:
    before = pseudonym(ada)
    ada.handle = "someone else"
    assert pseudonym(ada) == before
    ada.identity = Worker().identity  # erased: a new random identity
    assert pseudonym(ada) != before


def test_near_duplicates_share_a_split_that_does_not_change_as_they_are_judged(
    make_campaign: MakeCampaign, ada: Worker, tmp_path: Path
) -> None:
    campaign = make_campaign(hits=4)
    text = "which three books about the history of sailing would you give to a curious child of"
    first = f"{text} 1"
    other = next(f"{text} {n}" for n in range(2, 99) if split_of_prompt(f"{text} {n}") != split_of_prompt(first))
    assignment = claim(campaign, ada)
    assert assignment is not None
    submit(assignment, [Answer("preference", choice="a")], active_seconds=0.0)
    unjudged, *_ = campaign.items.exclude(pk=assignment.hit.item_id)
    Item.objects.filter(pk=assignment.hit.item_id).update(prompt=other)
    Item.objects.filter(pk=unjudged.pk).update(prompt=first)
    manifest = export_judgments(campaign, tmp_path / "one")
    assert manifest["near_duplicates"] == {"clusters": 1, "prompts": 2, "largest": 2}
    (preference,) = read_preferences(tmp_path / "one")
    assert (preference.prompt, preference.split) == (other, split_of_prompt(first))
    judge_all(campaign, ada)
    export_judgments(campaign, tmp_path / "all")
    splits = {preference.prompt: preference.split for preference in read_preferences(tmp_path / "all")}
    assert splits.pop(other) == splits.pop(first) == split_of_prompt(first)
    assert splits == {prompt: split_of_prompt(prompt) for prompt in splits}
    assert len(splits) == 2


def test_surplus_work_is_exported_and_does_not_vote(
    make_campaign: MakeCampaign, ada: Worker, bea: Worker, tmp_path: Path
) -> None:
    campaign = make_campaign(hits=1, raters_per_hit=1)
    late = claim(campaign, ada)
    assert late is not None
    expire_leases(campaign, late.leased_until.replace(year=late.leased_until.year + 1))
    judge_all(campaign, bea)
    submit(late, [Answer("preference", choice="a")])
    export_judgments(campaign, tmp_path / "export")
    assert [(c.kind, c.choice) for c in read_comparisons(tmp_path / "export")] == [("work", "b"), ("surplus", "a")]
    (preference,) = read_preferences(tmp_path / "export")
    assert (preference.votes_a, preference.votes_b) == (0, 1)


def test_it_refuses_an_empty_campaign_and_an_existing_folder(
    make_campaign: MakeCampaign, ada: Worker, tmp_path: Path
) -> None:
    campaign = make_campaign(hits=1)
    with pytest.raises(InputError, match="has no judgments yet"):
        export_judgments(campaign, tmp_path / "export")
    judge_all(campaign, ada)
    (tmp_path / "taken").mkdir()
    with pytest.raises(InputError, match="taken exists already"):
        export_judgments(campaign, tmp_path / "taken")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_an_export_that_fails_leaves_nothing(
    make_campaign: MakeCampaign, ada: Worker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = make_campaign(hits=1)
    judge_all(campaign, ada)

    def fail(path: Path, content: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(exports, "write_json", fail)
    with pytest.raises(OSError, match="the disk is full"):
        export_judgments(campaign, tmp_path / "export")
    assert list(tmp_path.iterdir()) == []
