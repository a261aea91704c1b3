"""What the database holds. The promises of the queue are constraints here, not habits of the code above.

- A worker meets a HIT once, whatever became of it: unique (worker, hit).
- Never more than k raters on a HIT: an assignment that counts holds one of the slots 1..k, unique on its HIT.
- One judgment per assignment and question, one comment per assignment, and none is ever changed (triggers, see
  migrations 0002 and 0005).
"""

import secrets
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.db.models import F, Q


def new_token() -> str:
    return secrets.token_hex(12)


class Campaign(models.Model):
    """One study: a task template, questions, instructions, pay, k raters per HIT."""

    class Kind(models.TextChoices):
        LIKERT = "likert"
        PAIRWISE = "pairwise"
        RANKING = "ranking"
        BEST_WORST = "best_worst", "Best-worst"

    class State(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        CLOSED = "closed"

    class Access(models.TextChoices):
        OPEN = "open"
        LINK = "link"

    name = models.SlugField(max_length=80, unique=True)
    task = models.CharField(max_length=80)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.DRAFT)
    access = models.CharField(max_length=16, choices=Access.choices, default=Access.OPEN)
    # The template as it was on the day of creation: a later edit of the folder changes no running study.
    template = models.JSONField()
    raters_per_hit = models.PositiveSmallIntegerField()
    seed = models.BigIntegerField()
    allow_tie = models.BooleanField(default=False)
    allow_both_bad = models.BooleanField(default=False)
    ask_comment = models.BooleanField(default=False, db_default=False)
    reward_per_hit = models.DecimalField(max_digits=7, decimal_places=2)
    lease_minutes = models.PositiveIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="campaign_wants_a_rater", condition=Q(raters_per_hit__gte=1)),
            models.CheckConstraint(name="campaign_leases_last", condition=Q(lease_minutes__gte=1)),
            models.CheckConstraint(name="campaign_pay_not_negative", condition=Q(reward_per_hit__gte=0)),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def shows_sets(self) -> bool:
        """Whether its HITs show any number of completions, in the rows of SetMember."""
        return self.kind in (self.Kind.RANKING, self.Kind.BEST_WORST)


class System(models.Model):
    """What produced a completion; never shown to a worker."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="systems")
    name = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "name"], name="system_once_per_campaign")]

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    """One prompt with its references."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="items")
    key = models.CharField(max_length=200)
    prompt = models.TextField()
    references = models.JSONField(default=list)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "key"], name="item_once_per_campaign")]

    def __str__(self) -> str:
        return self.key


class Completion(models.Model):
    """One text that one system produced for one item."""

    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="completions")
    system = models.ForeignKey(System, on_delete=models.CASCADE, related_name="completions")
    text = models.TextField()
    digest = models.CharField(max_length=64, help_text="sha256 of the text, so that a long text can be unique")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "system", "digest"], name="completion_once_per_item")]

    def __str__(self) -> str:
        return self.text[:60]


class HIT(models.Model):
    """One unit of work: an item with one completion (Likert), two (pairwise), or a set of up to six (SetMember)."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="hits", db_index=False)
    item = models.ForeignKey(Item, on_delete=models.CASCADE, related_name="hits")
    # Shown to workers, so it says nothing about the systems: a digest (see campaigns.hit_key).
    key = models.CharField(max_length=32)
    pair = models.CharField(max_length=200, blank=True)
    set = models.CharField(max_length=200, blank=True, default="", db_default="")
    completion_a = models.ForeignKey(Completion, models.CASCADE, "+", null=True, blank=True, db_index=False)
    completion_b = models.ForeignKey(Completion, models.CASCADE, "+", null=True, blank=True, db_index=False)
    position = models.PositiveIntegerField(help_text="publication order")
    free_slots = models.PositiveSmallIntegerField(help_text="k minus the assignments that hold a slot")

    class Meta:
        verbose_name = "HIT"
        constraints = [
            models.UniqueConstraint(fields=["campaign", "key"], name="hit_key_once_per_campaign"),
            models.UniqueConstraint(fields=["campaign", "position"], name="hit_position_once_per_campaign"),
            models.CheckConstraint(
                name="hit_sides_differ",
                condition=Q(completion_b__isnull=True) | ~Q(completion_a=F("completion_b")),
            ),
            models.CheckConstraint(
                name="hit_has_what_its_kind_shows",
                condition=(
                    Q(completion_a__isnull=False, completion_b__isnull=True, pair="", set="")
                    | Q(~Q(pair=""), completion_a__isnull=False, completion_b__isnull=False, set="")
                    | Q(~Q(set=""), completion_a__isnull=True, completion_b__isnull=True, pair="")
                ),
            ),
            # PostgreSQL has no unsigned integers of its own, so the promise is spelled out.
            models.CheckConstraint(name="hit_never_overfilled", condition=Q(free_slots__gte=0)),
        ]
        indexes = [
            # A claim reads its first row here, so its time does not grow with the number of HITs, full or not. With
            # `id` it sorts as the claim does and the unique (campaign, position) does not: PostgreSQL takes this one.
            models.Index(fields=["campaign", "position", "id"], name="hit_open", condition=Q(free_slots__gt=0))
        ]

    def __str__(self) -> str:
        return self.key


class SetMember(models.Model):
    """One completion of a set that is ranked, under the letter by which answers name it."""

    hit = models.ForeignKey(HIT, on_delete=models.CASCADE, related_name="members", db_index=False)
    letter = models.CharField(max_length=1)
    completion = models.ForeignKey(Completion, on_delete=models.CASCADE, related_name="+")

    class Meta:
        ordering = ["letter"]
        constraints = [
            models.UniqueConstraint(fields=["hit", "letter"], name="letter_once_per_set"),
            models.UniqueConstraint(fields=["hit", "completion"], name="completion_once_per_set"),
            models.CheckConstraint(name="letter_is_a_to_f", condition=Q(letter__in=list("abcdef"))),
        ]

    def __str__(self) -> str:
        return f"{self.letter} of {self.hit}"


class Worker(models.Model):
    """A person who judges. Outside they are known by a pseudonym of `identity`, never by their handle."""

    class Source(models.TextChoices):
        DIRECT = "direct"
        LINK = "link"  # with a handle in the address, which anybody can write there
        SIGNED = "signed"
        SIMULATION = "simulation"

    handle = models.CharField(max_length=100)
    identity = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.CharField(max_length=16, choices=Source.choices, default=Source.DIRECT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        # Not the handle alone: whoever came by a signed link is nobody else, whatever others call themselves.
        constraints = [models.UniqueConstraint(fields=["handle", "source"], name="handle_once_per_source")]

    def __str__(self) -> str:
        return self.handle


class Participation(models.Model):
    """A worker's consent to one campaign."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="participations")
    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="participations")
    consented_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "worker"], name="consent_once_per_campaign")]

    def __str__(self) -> str:
        return f"{self.worker} in {self.campaign}"


class QualificationAttempt(models.Model):
    """One try at a campaign's qualification test. Never changed (a trigger, see migration 0007)."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="qualification_attempts")
    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="qualification_attempts")
    number = models.PositiveSmallIntegerField(help_text="1 for a worker's first attempt")
    answers = models.JSONField(help_text="by the names that the questions have in the form")
    right = models.PositiveSmallIntegerField()
    asked = models.PositiveSmallIntegerField()
    is_passed = models.BooleanField()
    submitted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["campaign", "worker", "number"], name="attempt_made_once"),
            models.UniqueConstraint(
                fields=["campaign", "worker"], name="qualification_passed_once", condition=Q(is_passed=True)
            ),
            models.CheckConstraint(name="attempts_count_from_one", condition=Q(number__gte=1)),
            models.CheckConstraint(name="attempt_right_of_asked", condition=Q(right__lte=F("asked"))),
        ]

    def __str__(self) -> str:
        return f"{self.worker}: {self.right} of {self.asked}"


class Assignment(models.Model):
    """One worker's lease on one HIT and what became of it."""

    class State(models.TextChoices):
        ACCEPTED = "accepted"
        SUBMITTED = "submitted"
        APPROVED = "approved"
        REJECTED = "rejected"
        RETURNED = "returned"
        EXPIRED = "expired"

    class Kind(models.TextChoices):
        WORK = "work"
        GOLD = "gold"
        ATTENTION = "attention"
        REPEAT = "repeat"
        SURPLUS = "surplus"

    # No indexes of their own: those below begin with each of them, and with a choice PostgreSQL once chose badly.
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    hit = models.ForeignKey(HIT, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="assignments", db_index=False)
    token = models.CharField(max_length=32, unique=True, default=new_token, editable=False)
    state = models.CharField(max_length=16, choices=State.choices, default=State.ACCEPTED)
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.WORK)
    slot = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1..k while it counts, else empty")
    left = models.CharField(max_length=1, blank=True, help_text="which completion is shown left: a or b")
    shown = models.CharField(
        max_length=6, blank=True, default="", db_default="", help_text="the letters of a set in the order shown"
    )
    excluded = models.CharField(max_length=200, blank=True, help_text="the reason, if its judgments do not count")
    excluded_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField()
    leased_until = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    active_seconds = models.FloatField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "hit"], name="worker_meets_a_hit_once"),
            # Empty slots are all different in SQL, so only assignments that count compete.
            models.UniqueConstraint(fields=["hit", "slot"], name="slot_held_once"),
            models.UniqueConstraint(
                fields=["worker", "campaign"], name="one_lease_at_a_time", condition=Q(state="accepted")
            ),
            models.CheckConstraint(
                name="assignment_holds_its_slot",
                condition=(
                    # Not null is spelled out: in SQL a check that comes to "unknown" passes.
                    Q(state__in=["accepted", "submitted", "approved"], slot__isnull=False, slot__gte=1)
                    | Q(state__in=["returned", "expired", "rejected"], slot__isnull=True)
                    | Q(state__in=["submitted", "approved"], kind="surplus", slot__isnull=True)
                    # Excluded, and its slot free for another worker.
                    | Q(~Q(excluded=""), state__in=["submitted", "approved"], slot__isnull=True)
                ),
            ),
            models.CheckConstraint(name="assignment_left_is_a_side", condition=Q(left__in=["", "a", "b"])),
            models.CheckConstraint(name="assignment_shows_sides_or_a_set", condition=Q(left="") | Q(shown="")),
        ]
        indexes = [
            models.Index(fields=["campaign", "leased_until"], name="lease_running", condition=Q(state="accepted")),
            models.Index(fields=["campaign", "worker", "state"], name="work_of_a_worker"),
        ]

    def __str__(self) -> str:
        return f"{self.worker} on {self.hit}"

    @property
    def counts(self) -> bool:
        """Whether analysis and training use its judgments: unexcluded work."""
        return self.kind == self.Kind.WORK and not self.excluded

    @property
    def gave_up_its_slot(self) -> bool:
        """Whether it was excluded and its slot opened for another worker."""
        return self.is_done and bool(self.excluded) and self.slot is None and self.kind != self.Kind.SURPLUS

    @property
    def is_done(self) -> bool:
        return self.state in (self.State.SUBMITTED, self.State.APPROVED)


class AppendOnly(models.QuerySet[models.Model]):
    """What workers sent are facts: they are added, never changed or removed."""

    def update(self, **values: Any) -> int:
        raise TypeError(self._refusal())

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        raise TypeError(self._refusal())

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError(self._refusal())

    def _refusal(self) -> str:
        return f"{self.model._meta.verbose_name_plural} are append-only"


class Fact(models.Model):
    """A row that is never changed: here for Python, by a trigger in the database (migrations 0002 and 0005)."""

    objects = AppendOnly.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError(f"{self._meta.verbose_name_plural} are append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError(f"{self._meta.verbose_name_plural} are append-only")


class Judgment(Fact):
    """One answer in a submitted assignment: a rating (value), a comparison (choice, strength) or a ranking.

    A ranking names letters from best to worst, as "c>a=b>d" (see `rankings.py`).
    """

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="judgments", db_index=False)
    question = models.CharField(max_length=80)
    value = models.SmallIntegerField(null=True, blank=True)
    choice = models.CharField(max_length=16, blank=True)
    strength = models.SmallIntegerField(null=True, blank=True)
    ranking = models.CharField(max_length=16, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assignment", "question"], name="one_judgment_per_question"),
            models.CheckConstraint(
                name="judgment_is_one_answer",
                condition=(
                    Q(value__isnull=False, choice="", strength__isnull=True, ranking="")
                    | Q(value__isnull=True, choice__in=["a", "b"], strength__isnull=True, ranking="")
                    | Q(value__isnull=True, choice__in=["a", "b"], strength__gte=1, ranking="")
                    | Q(value__isnull=True, choice__in=["tie", "both_bad"], strength__isnull=True, ranking="")
                    | Q(~Q(ranking=""), value__isnull=True, choice="", strength__isnull=True)
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.question}: {self.ranking or self.choice or self.value}"


class Comment(Fact):
    """What a worker wrote into the box beside a HIT's questions."""

    assignment = models.OneToOneField(Assignment, on_delete=models.PROTECT, related_name="comment")
    text = models.CharField(max_length=2000)

    class Meta:
        constraints = [models.CheckConstraint(name="comment_says_something", condition=~Q(text=""))]

    def __str__(self) -> str:
        return self.text[:60]
