"""What workers wrote beside their answers, as a requester reads it."""

from dataclasses import dataclass
from datetime import datetime

from annotation.models import Campaign, Comment
from annotation.pseudonyms import pseudonym

MOST_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Remark:
    """One comment, of whom and on what; the worker is a pseudonym."""

    text: str
    hit: str
    item: str
    worker: str
    submitted_at: datetime | None


def read_latest_remarks(campaign: Campaign) -> list[Remark]:
    """The last comments on the campaign's HITs, newest first, at most `MOST_SHOWN`."""
    comments = Comment.objects.filter(assignment__campaign=campaign)
    related = comments.select_related("assignment__worker", "assignment__hit__item")
    return [
        Remark(
            text=comment.text,
            hit=comment.assignment.hit.key,
            item=comment.assignment.hit.item.key,
            worker=pseudonym(comment.assignment.worker),
            submitted_at=comment.assignment.submitted_at,
        )
        for comment in related.order_by("-assignment__submitted_at", "-pk")[:MOST_SHOWN]
    ]


def count_comments(campaign: Campaign) -> int:
    return Comment.objects.filter(assignment__campaign=campaign).count()
