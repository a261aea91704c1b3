"""The statements of a worker's cycle, written out.

A cycle (submit, claim, open the next page) is what the app does all day. Django takes many times longer to build such
statements than the database to run them, so these few are prepared here, in SQL that SQLite and PostgreSQL share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from annotation.models import Assignment, Campaign, Worker
from annotation.stored_rows import build, list_columns
from annotation.task_templates import TaskTemplate, parse_template

# The template comes as its text: nobody has to parse it who knows that text already.
OWN_ASSIGNMENT = f"""
SELECT {list_columns(Assignment, "own")}, {list_columns(Campaign, "campaign", without="template")},
       worker.handle, CAST(campaign.template AS text) {{content}}
FROM annotation_assignment AS own
JOIN annotation_campaign AS campaign ON campaign.id = own.campaign_id
JOIN annotation_worker AS worker ON worker.id = own.worker_id {{tables}}
WHERE own.token = %s AND own.worker_id = %s AND campaign.name = %s
"""
# What its page shows comes along where it is to be shown.
CONTENT = """,
       hit.key, item.prompt, a.text, b.text,
       (SELECT COUNT(*) FROM annotation_assignment AS done WHERE done.campaign_id = own.campaign_id
        AND done.worker_id = own.worker_id AND done.state IN ('submitted', 'approved'))
"""
CONTENT_TABLES = """
JOIN annotation_hit AS hit ON hit.id = own.hit_id
JOIN annotation_item AS item ON item.id = hit.item_id
LEFT JOIN annotation_completion AS a ON a.id = hit.completion_a_id
LEFT JOIN annotation_completion AS b ON b.id = hit.completion_b_id
"""
SET_TEXTS = """
SELECT member.letter, completion.text FROM annotation_setmember AS member
JOIN annotation_completion AS completion ON completion.id = member.completion_id WHERE member.hit_id = %s
"""
SET_SIZE = "SELECT COUNT(*) FROM annotation_setmember WHERE hit_id = %s"
HELD = f"""
SELECT {list_columns(Assignment, "held")} FROM annotation_assignment AS held
WHERE held.campaign_id = %s AND held.worker_id = %s AND held.state = 'accepted'
"""
SUBMIT = """
UPDATE annotation_assignment SET state = 'submitted', submitted_at = %s, active_seconds = %s
WHERE id = %s AND state = 'accepted'
"""
JUDGE = "INSERT INTO annotation_judgment (assignment_id, question, value, choice, strength, ranking) "
# Both in one statement, where the database knows that.
SUBMIT_AND_JUDGE = f"""
WITH submitted AS ({SUBMIT} RETURNING id)
{JUDGE} SELECT submitted.id, answer.* FROM submitted, (VALUES {{answers}}) AS answer
"""
TYPED_ANSWER = "(%s, CAST(%s AS smallint), %s, CAST(%s AS smallint), %s)"
# A lease that another has in hand, or whose HIT another has, is passed over: whoever it is may be ending it.
OVERDUE = """
SELECT lease.id, lease.hit_id FROM annotation_assignment AS lease JOIN annotation_hit AS hit ON hit.id = lease.hit_id
WHERE lease.campaign_id = %s AND lease.state = 'accepted' AND lease.leased_until < %s ORDER BY lease.id {lock}
"""
# Open HITs of a campaign that a worker has not met. OFFSET keeps PostgreSQL from making a join of the inner query:
# before it has statistics of a new campaign, its join compares each open HIT with all that the worker has met.
OPEN_TO = """
FROM annotation_hit AS hit WHERE hit.campaign_id = %s AND hit.free_slots > 0 AND NOT EXISTS (
    SELECT 1 FROM annotation_assignment AS met WHERE met.hit_id = hit.id AND met.worker_id = %s LIMIT 1 OFFSET 0)
"""
# The row is chosen and taken in one statement. Where several writers run at once, a HIT that another is about to
# take is passed over.
TAKE_FIRST_OPEN_HIT = f"""
UPDATE annotation_hit SET free_slots = free_slots - 1 WHERE id = (
    SELECT hit.id {OPEN_TO} {{conditions}} ORDER BY hit.position, hit.id LIMIT 1 {{lock}}) RETURNING id, key
"""
AFTER = "AND hit.position > (SELECT position FROM annotation_hit AS last WHERE last.id = %s)"
# Asked in passing, as the answer is mostly: none.
NONE_OVERDUE = """AND NOT EXISTS (
    SELECT 1 FROM annotation_assignment AS overdue
    WHERE overdue.campaign_id = %s AND overdue.state = 'accepted' AND overdue.leased_until < %s)
"""
# Work that a claim could come by: a HIT with a free slot, or with a lease that has run out.
FIND_WORK = f"""
SELECT id FROM (SELECT hit.id {OPEN_TO} ORDER BY hit.position, hit.id LIMIT 1) AS open_hit
UNION ALL
SELECT hit_id FROM (
    SELECT lease.hit_id FROM annotation_assignment AS lease
    WHERE lease.campaign_id = %s AND lease.state = 'accepted' AND lease.leased_until < %s AND NOT EXISTS (
        SELECT 1 FROM annotation_assignment AS met WHERE met.hit_id = lease.hit_id AND met.worker_id = %s)
    ORDER BY lease.id LIMIT 1) AS overdue
"""
WAIT_FOR_HIT = "SELECT id FROM annotation_hit WHERE id = %s FOR NO KEY UPDATE"
# The lowest slot that is free is 1, or next to one that is held.
LOWEST_FREE_SLOT = """
SELECT MIN(slot) AS slot FROM (
    SELECT 1 AS slot
    UNION ALL SELECT slot + 1 FROM annotation_assignment WHERE hit_id = %s AND slot IS NOT NULL) AS candidate
WHERE slot NOT IN (SELECT slot FROM annotation_assignment WHERE hit_id = %s AND slot IS NOT NULL)
"""
# Slot s begins at the s-th letter of its HIT's order, and goes round: of an order written twice, a part as long as one.
# What is shown left is the first letter of it.
LEASE = f"""
INSERT INTO annotation_assignment
    (campaign_id, hit_id, worker_id, token, state, kind, slot, "left", shown, excluded, accepted_at, leased_until)
SELECT %s, %s, %s, %s, 'accepted', 'work', free.slot,
       substr(%s, 1 + (free.slot - 1) %% 2, 1), substr(%s, 1 + (free.slot - 1) %% %s, %s), '', %s, %s
FROM ({LOWEST_FREE_SLOT}) AS free RETURNING id, slot, "left", shown
"""
StoredAnswer = tuple[str, int | None, str, int | None, str]  # question, value, choice, strength, ranking
DEADLOCK_DETECTED = "40P01"  # PostgreSQL's name for it


@dataclass(frozen=True, slots=True)
class OwnPage:
    """A worker's assignment, its campaign's template, and what its page shows: the texts in the order shown, and how
    many HITs the worker has done before.
    """

    assignment: Assignment
    template: TaskTemplate
    hit_key: str
    prompt: str
    texts: tuple[str, ...]
    hits_done: int


def find_assignment(campaign_name: str, token: str, worker_id: int) -> tuple[Assignment, TaskTemplate] | None:
    """An assignment with its campaign and worker, and the campaign's template; None if it is not this worker's, or of
    another campaign.
    """
    rows = _rows(OWN_ASSIGNMENT.format(content="", tables=""), token, worker_id, campaign_name)
    return _build_assignment(rows[0], worker_id)[:2] if rows else None


def find_page(campaign_name: str, token: str, worker_id: int) -> OwnPage | None:
    """The same, with what its page shows."""
    rows = _rows(OWN_ASSIGNMENT.format(content=CONTENT, tables=CONTENT_TABLES), token, worker_id, campaign_name)
    if not rows:
        return None
    found, template, (key, prompt, text_a, text_b, done) = _build_assignment(rows[0], worker_id)
    if found.shown:
        by_letter = dict(_rows(SET_TEXTS, found.hit_id))
        texts = tuple(by_letter[letter] for letter in found.shown)
    elif found.left:
        texts = (text_b, text_a) if found.left == "b" else (text_a, text_b)
    else:
        texts = (text_a,)
    return OwnPage(found, template, key, prompt, texts, done)


def _build_assignment(row: Sequence[Any], worker_id: int) -> tuple[Assignment, TaskTemplate, Sequence[Any]]:
    """What OWN_ASSIGNMENT found, and the columns that come along."""
    found, rest = build(Assignment, row)
    found.campaign, (handle, template, *content) = build(Campaign, rest, without="template")
    # Of the worker, a cycle needs no more than this.
    found.worker = Worker(pk=worker_id, handle=handle)
    return found, parse_template(template), content


def find_held(campaign: Campaign, worker: Worker) -> Assignment | None:
    return next(iter(Assignment.objects.raw(HELD, [campaign.pk, worker.pk])), None)


def submit_held(assignment: Assignment, now: datetime, active_seconds: float, answers: Sequence[StoredAnswer]) -> bool:
    """Mark a running lease as submitted and store its answers; False, and nothing is stored, if it no longer runs.

    Of several submissions at once, one finds the lease still running.
    """
    parameters = [_moment(now), active_seconds, assignment.pk]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            statement = SUBMIT_AND_JUDGE.format(answers=", ".join([TYPED_ANSWER] * len(answers)))
            cursor.execute(statement, parameters + [field for answer in answers for field in answer])
            return cursor.rowcount > 0
        cursor.execute(SUBMIT, parameters)
        is_held = cursor.rowcount == 1
    if is_held:
        store_judgments(assignment, answers)
    return is_held


def store_judgments(assignment: Assignment, answers: Sequence[StoredAnswer]) -> None:
    rows = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(answers))
    with connection.cursor() as cursor:
        cursor.execute(f"{JUDGE} VALUES {rows}", [field for answer in answers for field in (assignment.pk, *answer)])


def store_lease(lease: Assignment, *, sides: str = "", order: str = "") -> None:
    """Store a new lease in the lowest free slot of its HIT. The caller has taken a place there, so there is one.

    What it shows follows from the slot: one of the two `sides` left, or the letters of `order` from one of them on.
    """
    identity = (lease.campaign_id, lease.hit_id, lease.worker_id, lease.token)
    rotation = (sides, order + order, max(1, len(order)), len(order))
    times = (_moment(lease.accepted_at), _moment(lease.leased_until))
    rows = _rows(LEASE, *identity, *rotation, *times, lease.hit_id, lease.hit_id)
    ((lease.pk, lease.slot, lease.left, lease.shown),) = rows


def count_set(hit_id: int) -> int:
    """How many completions the HIT shows, of those that rank a set."""
    ((size,),) = _rows(SET_SIZE, hit_id)
    return size


def list_overdue(campaign: Campaign, now: datetime) -> list[tuple[int, int]]:
    """(assignment, HIT) of each lease of `campaign` that has run out."""
    lock = "FOR NO KEY UPDATE SKIP LOCKED" if passes_over_locked_rows() else ""
    return _rows(OVERDUE.format(lock=lock), campaign.pk, _moment(now))


def take_open_hit(
    campaign: Campaign, worker: Worker, after: int | None, none_overdue_at: datetime | None = None
) -> tuple[int, str] | None:
    """Take a place on the first HIT that has one and that the worker has not met; its id and key.

    With the HIT that the worker has just done, the search begins there: all before it were met or full when they
    passed. Only if there is nothing ahead does it begin anew, so a long day's last claim costs what the first did.
    With a moment, nothing is taken if a lease of the campaign has run out by then.
    """
    conditions, parameters = "", [campaign.pk, worker.pk]
    if none_overdue_at is not None:
        conditions, parameters = NONE_OVERDUE, [*parameters, campaign.pk, _moment(none_overdue_at)]
    lock = "FOR NO KEY UPDATE SKIP LOCKED" if passes_over_locked_rows() else ""
    rows: list[tuple[int, str]] = []
    if after is not None:
        rows = _rows(TAKE_FIRST_OPEN_HIT.format(conditions=conditions + AFTER, lock=lock), *parameters, after)
    if not rows:
        rows = _rows(TAKE_FIRST_OPEN_HIT.format(conditions=conditions, lock=lock), *parameters)
    return rows[0] if rows else None


def find_work(campaign: Campaign, worker: Worker, now: datetime) -> int | None:
    """A HIT that the worker has not met and that looks as if a claim could have it now; nothing is locked."""
    until = _moment(now)
    rows = _rows(FIND_WORK, campaign.pk, worker.pk, campaign.pk, until, worker.pk)
    return rows[0][0] if rows else None


def wait_for_hit(hit_id: int) -> None:
    """Wait until whoever has the HIT locked is done with it. Outside a transaction, so the lock is gone at once."""
    _rows(WAIT_FOR_HIT, hit_id)


def learn_sizes() -> None:
    """Let PostgreSQL count a new campaign's HITs now: it does so by itself, but about a minute later, and until then
    takes the open ones for so few that each claim reads and sorts them all.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE annotation_hit")


def is_deadlock(error: Exception) -> bool:
    """Whether the database ended a circle of transactions that waited for each other, by undoing this one."""
    return getattr(error.__cause__, "sqlstate", None) == DEADLOCK_DETECTED


def passes_over_locked_rows() -> bool:
    """Whether writers run side by side, each passing over what others have locked; SQLite's take turns."""
    return connection.features.has_select_for_update_skip_locked


def find_lowest_free_slot(hit_id: int) -> int:
    ((slot,),) = _rows(LOWEST_FREE_SLOT, hit_id, hit_id)
    return slot


def _moment(moment: datetime) -> Any:
    """A time as the database stores it; SQLite has text."""
    return connection.ops.adapt_datetimefield_value(moment)


def _rows(statement: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()
