"""Who tried a campaign's qualification test, and who may work. An attempt is stored once and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Q

from annotation.models import Campaign, QualificationAttempt, Worker
from annotation.qualification import count_needed, count_right, lay_out
from annotation.task_templates import template_of


class NotQualifiedError(Exception):
    """A worker who has not passed the campaign's test asked for a HIT."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a worker stands with a test: attempts made, of those allowed, and the last of them."""

    made: int
    allowed: int
    needed: int
    asked: int
    last: QualificationAttempt | None

    @property
    def is_passed(self) -> bool:
        return self.last is not None and self.last.is_passed

    @property
    def attempts_left(self) -> int:
        return 0 if self.is_passed else self.allowed - self.made


@dataclass(frozen=True, slots=True)
class QualificationCounts:
    """How many workers tried the test of a campaign, and how many of them passed."""

    tried: int
    passed: int


def may_work(campaign: Campaign, worker: Worker) -> bool:
    """Whether the campaign has no test, or the worker has passed it. Once passed, it is passed for good."""
    if not campaign.template.get("qualification"):
        return True
    return QualificationAttempt.objects.filter(campaign=campaign, worker=worker, is_passed=True).exists()


def find_standing(campaign: Campaign, worker: Worker) -> Standing | None:
    """None if the campaign has no test."""
    test = template_of(campaign.template).qualification
    if test is None:
        return None
    attempts = list(QualificationAttempt.objects.filter(campaign=campaign, worker=worker).order_by("number"))
    return Standing(
        made=len(attempts),
        allowed=test.attempts,
        needed=count_needed(test),
        asked=sum(len(item.questions) for item in test.items),
        last=attempts[-1] if attempts else None,
    )


def record_attempt(campaign: Campaign, worker: Worker, standing: Standing, answers: Mapping[str, str]) -> None:
    """Store the attempt that follows `standing`. Of two that arrive at once, the first one stands."""
    if not standing.attempts_left:
        raise ValueError(f"{worker} has no attempt left in {campaign}")
    right = count_right(lay_out(template_of(campaign.template)), answers)
    QualificationAttempt.objects.get_or_create(
        campaign=campaign,
        worker=worker,
        number=standing.made + 1,
        defaults={
            "answers": dict(answers),
            "right": right,
            "asked": standing.asked,
            "is_passed": right >= standing.needed,
        },
    )


def count_workers(campaign: Campaign) -> QualificationCounts:
    attempts = QualificationAttempt.objects.filter(campaign=campaign)
    passed = Count("worker", filter=Q(is_passed=True), distinct=True)
    return QualificationCounts(**attempts.aggregate(tried=Count("worker", distinct=True), passed=passed))
