"""The comment box: optional, bounded, stored once, read by the requester, exported only when asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from annotation.comments import MOST_SHOWN
from annotation.exports import export_judgments, pseudonym
from annotation.models import Assignment, Campaign, Comment, Judgment, Worker
from annotation.record_readers import read_comments, read_manifest
from annotation.requesters import issue_ticket
from tests.annotation.test_worker_pages import accept, arrive, open_page

MakeCampaign = Callable[..., Campaign]
ANSWERS = {
    "pairwise": {"preference": "left"},
    "likert": {"quality": "4", "fluency": "5"},
    "ranking": {"order-1": "1", "order-2": "2", "order-3": "3", "order-4": "4"},
    "best_worst": {"extremes-best": "1", "extremes-worst": "2"},
}


def begin(campaign: Campaign) -> tuple[Client, str]:
    browser = arrive(campaign)
    return browser, open_page(browser, accept(browser, campaign)).actions[0]


@pytest.mark.parametrize("kind", sorted(ANSWERS))
def test_a_comment_is_stored_once_with_its_submission(make_campaign: MakeCampaign, kind: str) -> None:
    campaign = make_campaign(hits=1, kind=kind, ask_comment=True)
    browser, action = begin(campaign)
    sent = ANSWERS[kind] | {"comment": "  Both odd,\r\nI think. "}
    assert browser.post(action, sent).status_code == 303
    assert browser.post(action, sent | {"comment": "Again."}).status_code == 303
    assert list(Comment.objects.values_list("text", flat=True)) == ["Both odd,\nI think."]


@pytest.mark.parametrize("text", ["", "  \r\n "])
def test_the_box_may_stay_empty(make_campaign: MakeCampaign, text: str) -> None:
    browser, action = begin(make_campaign(hits=1, ask_comment=True))
    assert browser.post(action, {"preference": "left", "comment": text}).status_code == 303
    assert (Judgment.objects.count(), Comment.objects.count()) == (1, 0)


def test_a_comment_may_have_2000_characters_with_a_line_end_counted_once(make_campaign: MakeCampaign) -> None:
    browser, action = begin(make_campaign(hits=1, ask_comment=True))
    fits = "é\r\n" * 999 + "ab"
    refused = browser.post(action, {"preference": "left", "comment": fits + "c"})
    body = refused.content.decode()
    assert refused.status_code == 422
    assert 'maxlength="2000"' in body and "At most 2,000 characters." in body
    assert 'id="error-comment">Please write at most 2,000 characters.' in body
    assert "é\r\né" in body, "what was written is still there"
    assert not Judgment.objects.exists()
    assert browser.post(action, {"preference": "left", "comment": fits}).status_code == 303
    assert len(Comment.objects.get().text) == 2000


def test_a_comment_that_the_database_could_not_store_is_refused(make_campaign: MakeCampaign) -> None:
    browser, action = begin(make_campaign(hits=1, ask_comment=True))
    assert browser.post(action, {"preference": "left", "comment": "a\0b"}).status_code == 422
    assert not Judgment.objects.exists()


def test_a_campaign_without_the_box_takes_no_comment(make_campaign: MakeCampaign) -> None:
    browser, action = begin(make_campaign(hits=1))
    assert "textarea" not in browser.get(action.removesuffix("submit/")).content.decode()
    assert browser.post(action, {"preference": "left", "comment": "Hello?"}).status_code == 303
    assert not Comment.objects.exists()


def test_comments_are_append_only_even_for_plain_sql(make_campaign: MakeCampaign) -> None:
    browser, action = begin(make_campaign(hits=1, ask_comment=True))
    browser.post(action, {"preference": "left", "comment": "Odd."})
    comment = Comment.objects.get()
    for change in (comment.save, comment.delete, Comment.objects.all().delete, lambda: Comment.objects.update(text="")):
        with pytest.raises(TypeError, match="comments are append-only"):
            change()
    for statement in ("UPDATE annotation_comment SET text = 'Fine.'", "UPDATE annotation_judgment SET choice = 'b'"):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_the_requester_reads_the_newest_comments_under_pseudonyms(make_campaign: MakeCampaign) -> None:
    campaign = make_campaign(hits=MOST_SHOWN + 1, ask_comment=True)
    browser, action = begin(campaign)
    for number in range(MOST_SHOWN + 1):
        path = browser.post(action, {"preference": "left", "comment": f"Odd <b>no.</b> {number}."}).headers["Location"]
        action = f"{path}submit/"
    requester = Client()
    requester.get(f"/requester/enter/{issue_ticket('rosa')}/")
    body = requester.get(f"/requester/c/{campaign.name}/").content.decode()
    assert f"Odd &lt;b&gt;no.&lt;/b&gt; {MOST_SHOWN}." in body and "no.&lt;/b&gt; 0." not in body
    assert body.index(f"{MOST_SHOWN}.</blockquote>") < body.index("1.</blockquote>")
    assert f"{MOST_SHOWN + 1}, the newest {MOST_SHOWN} here" in body
    assert pseudonym(Worker.objects.get()) in body and ">ada<" not in body
    other = make_campaign(hits=1, name="other")
    assert "blockquote>Odd" not in requester.get(f"/requester/c/{other.name}/").content.decode()


def test_free_text_leaves_the_house_only_when_asked_for(make_campaign: MakeCampaign, tmp_path: Path) -> None:
    campaign = make_campaign(hits=1, ask_comment=True)
    browser, action = begin(campaign)
    browser.post(action, {"preference": "left", "comment": "한국어도 됩니다."})
    export_judgments(campaign, tmp_path / "plain")
    assert not any("한국어" in path.read_text() for path in (tmp_path / "plain").iterdir())
    call_command("export_judgments", campaign.name, output=tmp_path / "full", comments=True)
    (comment,) = read_comments(tmp_path / "full")
    assignment = Assignment.objects.get()
    assert (comment.comment, comment.assignment) == ("한국어도 됩니다.", assignment.token)
    assert comment.worker == pseudonym(assignment.worker)
    assert read_manifest(tmp_path / "full")["files"]["comments.jsonl"]["rows"] == 1
    assert read_manifest(tmp_path / "full")["counts"]["judgments"] == 1
