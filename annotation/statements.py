"""The statements of a worker's cycle, written out.

A cycle (submit, claim, open the next page) is what the app does all day. Django takes many times longer to build such
statements than the database to run them, so these few are prepared here, in SQL that SQLite and PostgreSQL share.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from annotation.models import Assignment, Campaign, Worker

ASSIGNMENT = "SELECT * FROM annotation_assignment WHERE token = %s AND worker_id = %s"
CAMPAIGN = "SELECT * FROM annotation_campaign WHERE id = %s"
WORKER = "SELECT * FROM annotation_worker WHERE id = %s"
PAGE = """
SELECT hit.key, item.prompt, a.text, b.text,
       (SELECT COUNT(*) FROM annotation_assignment AS own
        WHERE own.campaign_id = %s AND own.worker_id = %s AND own.state IN ('submitted', 'approved'))
FROM annotation_hit AS hit
JOIN annotation_item AS item ON item.id = hit.item_id
JOIN annotation_completion AS a ON a.id = hit.completion_a_id
LEFT JOIN annotation_completion AS b ON b.id = hit.completion_b_id
WHERE hit.id = %s
"""
HELD = "SELECT * FROM annotation_assignment WHERE campaign_id = %s AND worker_id = %s AND state = 'accepted'"
# A lease that another has in hand, or whose HIT another has, is passed over: whoever it is may be ending it.
OVERDUE = """
SELECT lease.id, lease.hit_id FROM annotation_assignment AS lease JOIN annotation_hit AS hit ON hit.id = lease.hit_id
WHERE lease.campaign_id = %s AND lease.state = 'accepted' AND lease.leased_until < %s ORDER BY lease.id {lock}
"""
# The row is chosen and taken in one statement. Where several writers run at once, a HIT that another is about to
# take is passed over.
TAKE_FIRST_OPEN_HIT = """
UPDATE annotation_hit SET free_slots = free_slots - 1 WHERE id = (
    SELECT hit.id FROM annotation_hit AS hit
    WHERE hit.campaign_id = %s AND hit.free_slots > 0 AND NOT EXISTS (
        SELECT 1 FROM annotation_assignment AS met WHERE met.hit_id = hit.id AND met.worker_id = %s)
    ORDER BY hit.position LIMIT 1 {lock}
) RETURNING id, key
"""
# Work that a claim could come by: a HIT with a free slot, or with a lease that has run out.
FIND_WORK = """
SELECT id FROM (
    SELECT hit.id FROM annotation_hit AS hit
    WHERE hit.campaign_id = %s AND hit.free_slots > 0 AND NOT EXISTS (
        SELECT 1 FROM annotation_assignment AS met WHERE met.hit_id = hit.id AND met.worker_id = %s)
    ORDER BY hit.position LIMIT 1) AS open_hit
UNION ALL
SELECT hit_id FROM (
    SELECT lease.hit_id FROM annotation_assignment AS lease
    WHERE lease.campaign_id = %s AND lease.state = 'accepted' AND lease.leased_until < %s AND NOT EXISTS (
        SELECT 1 FROM annotation_assignment AS met WHERE met.hit_id = lease.hit_id AND met.worker_id = %s)
    ORDER BY lease.id LIMIT 1) AS overdue
"""
WAIT_FOR_HIT = "SELECT id FROM annotation_hit WHERE id = %s FOR NO KEY UPDATE"
SLOTS = "SELECT slot FROM annotation_assignment WHERE hit_id = %s AND slot IS NOT NULL"


@dataclass(frozen=True, slots=True)
class PageContent:
    """What a worker's page shows: the texts in order a, b, and how many HITs the worker has done before."""

    hit_key: str
    prompt: str
    texts: tuple[str, ...]
    hits_done: int


def find_assignment(campaign_name: str, token: str, worker_id: int) -> Assignment | None:
    """An assignment with its campaign; None if it is not this worker's, or of another campaign."""
    found = next(iter(Assignment.objects.raw(ASSIGNMENT, [token, worker_id])), None)
    if found is None:
        return None
    found.campaign = Campaign.objects.raw(CAMPAIGN, [found.campaign_id])[0]
    return found if found.campaign.name == campaign_name else None


def find_worker(worker_id: int) -> Worker:
    return Worker.objects.raw(WORKER, [worker_id])[0]


def read_page_content(assignment: Assignment) -> PageContent:
    ((key, prompt, text_a, text_b, done),) = _rows(
        PAGE, assignment.campaign_id, assignment.worker_id, assignment.hit_id
    )
    return PageContent(key, prompt, (text_a,) if text_b is None else (text_a, text_b), done)


def find_held(campaign: Campaign, worker: Worker) -> Assignment | None:
    return next(iter(Assignment.objects.raw(HELD, [campaign.pk, worker.pk])), None)


def list_overdue(campaign: Campaign, now: datetime) -> list[tuple[int, int]]:
    """(assignment, HIT) of each lease of `campaign` that has run out."""
    lock = "FOR NO KEY UPDATE SKIP LOCKED" if passes_over_locked_rows() else ""
    return _rows(OVERDUE.format(lock=lock), campaign.pk, connection.ops.adapt_datetimefield_value(now))


def take_first_open_hit(campaign: Campaign, worker: Worker) -> tuple[int, str] | None:
    """Take a place on the first HIT that has one and that the worker has not met; its id and key."""
    lock = "FOR NO KEY UPDATE SKIP LOCKED" if passes_over_locked_rows() else ""
    rows = _rows(TAKE_FIRST_OPEN_HIT.format(lock=lock), campaign.pk, worker.pk)
    return rows[0] if rows else None


def find_work(campaign: Campaign, worker: Worker, now: datetime) -> int | None:
    """A HIT that the worker has not met and that looks as if a claim could have it now; nothing is locked."""
    until = connection.ops.adapt_datetimefield_value(now)
    rows = _rows(FIND_WORK, campaign.pk, worker.pk, campaign.pk, until, worker.pk)
    return rows[0][0] if rows else None


def wait_for_hit(hit_id: int) -> None:
    """Wait until whoever has the HIT locked is done with it. Outside a transaction, so the lock is gone at once."""
    _rows(WAIT_FOR_HIT, hit_id)


def passes_over_locked_rows() -> bool:
    """Whether writers run side by side, each passing over what others have locked; SQLite's take turns."""
    return connection.features.has_select_for_update_skip_locked


def list_slots(hit_id: int) -> set[int]:
    """The slots of a HIT that are held."""
    return {slot for (slot,) in _rows(SLOTS, hit_id)}


def _rows(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()
