"""One row of a results file: its cells as the fields of a record, with a problem noted for each that cannot be used."""

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone

from annotation.batch_mappings import ChoiceQuestion, Columns, RatingQuestion, fill, find_answer
from annotation.pseudonyms import keyed_digest
from annotation.table_files import MOST_TEXT, Row, RowProblem, problems_of_text

MOST_NAME = 200  # characters, as in a campaign
EXCLUDED_BY_STATUS = {"Approved": "", "Submitted": "", "Rejected": "rejected"}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
HOURS_FROM_UTC = {"PST": -8, "PDT": -7, "UTC": 0, "GMT": 0}
BATCH_TIME = re.compile(
    r"\w{3} (\w{3}) (\d{2}) (\d{2}):(\d{2}):(\d{2}) (\w{3}) (\d{4})"
)  # Mon Nov 23 10:15:00 PST 2020


@dataclass(slots=True)
class BatchRow:
    """A row while it is read; only without `problems` are the values that it gave worth anything."""

    place: str
    cells: Row
    columns: Columns
    problems: list[RowProblem] = field(default_factory=list)

    def note(self, name: str, reason: str) -> None:
        self.problems.append(RowProblem(self.place, name, reason))

    def text(self, name: str, template: str, *, most: int = MOST_TEXT, may_be_empty: bool = False) -> str:
        text = fill(template, self.cells)
        for reason in problems_of_text(text, most=most, may_be_empty=may_be_empty):
            self.note(name, reason)
        return text

    def name(self, name: str, template: str) -> str:
        return self.text(name, template, most=MOST_NAME)

    def cell(self, column: str) -> str:
        """A cell that must hold something."""
        text = str(self.cells.get(column) or "").strip()
        if not text:
            self.note(column, "expected text, found nothing")
        return text

    def answer(self, question: RatingQuestion | ChoiceQuestion) -> int | str:
        try:
            answer = find_answer(self.cells, question.column)
            if answer:
                return question.read(answer)
            self.note(question.column, "expected an answer, found nothing")
        except ValueError as error:
            self.note(question.column, str(error))
        return ""

    def worker(self) -> str:
        """A pseudonym, the same in every file that is imported here; the id itself stays behind."""
        return "w" + keyed_digest("imported worker", self.cell(self.columns.worker).encode())

    def assignment(self, hit: str, worker: str) -> str:
        """Platforms tell a requester whose an assignment is, so its id is a pseudonym too."""
        named = f"{hit}\x1f{worker}" if self.columns.assignment is None else self.cell(self.columns.assignment)
        return keyed_digest("imported assignment", named.encode())

    def kind(self) -> str:
        gold = self.columns.gold
        return "gold" if gold is not None and str(self.cells.get(gold) or "").strip() else "work"

    def excluded(self) -> str:
        if self.columns.status is None:
            return ""
        status = self.cell(self.columns.status)
        if status and status not in EXCLUDED_BY_STATUS:
            self.note(self.columns.status, f"expected {', '.join(EXCLUDED_BY_STATUS)}, found {status!r}")
        return EXCLUDED_BY_STATUS.get(status, "")

    def active_seconds(self) -> float:
        if self.columns.seconds is None:
            return 0.0
        text = self.cell(self.columns.seconds)
        try:
            seconds = float(text or 0)
        except ValueError:
            seconds = math.nan
        if not 0 <= seconds < math.inf:
            self.note(self.columns.seconds, f"expected seconds, found {text!r}")
        return seconds

    def submitted_on(self) -> str:
        """The date in UTC; the time of day stays behind."""
        if self.columns.submitted is None:
            return ""
        text = self.cell(self.columns.submitted)
        try:
            return read_time(text).date().isoformat() if text else ""
        except ValueError:
            zones = ", ".join(HOURS_FROM_UTC)
            expected = f"expected a time such as Mon Nov 23 10:15:00 PST 2020 ({zones}) or 2020-11-23T18:15:00Z"
            self.note(self.columns.submitted, f"{expected}, found {text!r}")
            return ""


def read_time(text: str) -> datetime:
    """A time as a batch file writes it, or in ISO 8601 (taken for UTC if it names no zone), in UTC."""
    found = BATCH_TIME.fullmatch(text)
    if found is None:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else time
    month, day, hour, minute, second, zone, year = found.groups()
    if zone not in HOURS_FROM_UTC:
        raise ValueError(f"unknown time zone {zone}")
    offset = timezone(timedelta(hours=HOURS_FROM_UTC[zone]))
    date = (int(year), MONTHS.index(month) + 1, int(day))
    return datetime(*date, int(hour), int(minute), int(second), tzinfo=offset).astimezone(UTC)
