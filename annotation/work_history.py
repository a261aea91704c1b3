"""A worker's own work: what was sent, what was answered, in words, and what it pays. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Prefetch, Q, QuerySet
from django.utils.translation import gettext

from annotation.models import Assignment, Campaign, Judgment, Participation, Worker
from annotation.queries import PAID_STATES
from annotation.ranking_forms import CARD_NAMES
from annotation.rankings import parse_ranking
from annotation.task_templates import TaskTemplate, template_of

State, Kind = Assignment.State, Assignment.Kind
MOST_CHARACTERS_SHOWN = 120


@dataclass(frozen=True, slots=True)
class AnsweredQuestion:
    """A question and the worker's own answer to it, in words."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class PastWork:
    """One HIT that the worker sent. `active_seconds` in seconds, `pay` in US$; `reason` is why it was rejected."""

    prompt: str
    submitted_at: datetime
    active_seconds: float
    answers: tuple[AnsweredQuestion, ...]
    state: str
    reason: str
    pay: Decimal


@dataclass(frozen=True, slots=True)
class CampaignWork:
    """What the worker did in one campaign, and what it pays in US$."""

    campaign: Campaign
    template: TaskTemplate
    hits: int

    @property
    def earned(self) -> Decimal:
        return self.hits * self.campaign.reward_per_hit


def find_sent(campaign: Campaign, worker: Worker) -> QuerySet[Assignment]:
    """The worker's submitted assignments, the latest first, with what `describe_work` reads."""
    sent = Assignment.objects.filter(campaign=campaign, worker=worker, submitted_at__isnull=False)
    judgments = Prefetch("judgments", Judgment.objects.order_by("pk"))
    return sent.select_related("hit__item").prefetch_related(judgments).order_by("-submitted_at", "-pk")


def describe_work(campaign: Campaign, template: TaskTemplate, sent: Assignment) -> PastWork:
    prompt = " ".join(sent.hit.item.prompt.split())
    is_cut = len(prompt) > MOST_CHARACTERS_SHOWN
    rejected = sent.state == State.REJECTED
    return PastWork(
        prompt=f"{prompt[:MOST_CHARACTERS_SHOWN].rstrip()}…" if is_cut else prompt,
        submitted_at=sent.submitted_at,  # type: ignore[arg-type]  # the query leaves out those without
        active_seconds=sent.active_seconds or 0.0,
        answers=_answers_in_words(template, sent),
        state=_state_in_words(sent),
        reason=sent.excluded if rejected else "",
        pay=campaign.reward_per_hit if sent.state in PAID_STATES else Decimal("0.00"),
    )


def _answers_in_words(template: TaskTemplate, sent: Assignment) -> tuple[AnsweredQuestion, ...]:
    questions = {question.name: question for question in template.questions}
    return tuple(
        AnsweredQuestion(questions[judgment.question].text, _in_words(judgment, sent, template))
        for judgment in sent.judgments.all()
    )


def _in_words(judgment: Judgment, sent: Assignment, template: TaskTemplate) -> str:
    if judgment.value is not None:
        points = {question.name: dict(question.points) for question in template.questions}
        return f"{judgment.value} · {points[judgment.question][judgment.value]}"
    if judgment.ranking:
        return _ranking_in_words(judgment.ranking, sent.shown, template.kind)
    # On the worker's page A stood left, whichever completion that was.
    side = {sent.left: gettext("A is better")}.get(judgment.choice, gettext("B is better"))
    words = {"a": side, "b": side, "tie": gettext("Both are equally good"), "both_bad": gettext("Both are bad")}
    strength = dict(template.strength_points).get(judgment.strength or 0)
    return " · ".join(filter(None, (words[judgment.choice], strength)))


def _ranking_in_words(ranking: str, shown: str, kind: str) -> str:
    """By the names that the page gave to the texts, in the order in which it showed them: "B, A = C, D"."""
    groups = [sorted(CARD_NAMES[shown.index(letter)] for letter in group) for group in parse_ranking(ranking, shown)]
    if kind == "best_worst":
        return gettext("Best: %(best)s. Worst: %(worst)s.") % {"best": groups[0][0], "worst": groups[-1][0]}
    return ", ".join(" = ".join(group) for group in groups)


def _state_in_words(sent: Assignment) -> str:
    if sent.state == State.REJECTED:
        return gettext("rejected")
    if sent.state == State.APPROVED:
        return gettext("approved")
    return gettext("came late, paid") if sent.kind == Kind.SURPLUS else gettext("counted")


def list_campaigns_of(worker: Worker) -> list[CampaignWork]:
    """The campaigns that the worker joined, the latest first."""
    own = Q(campaign__assignments__worker=worker, campaign__assignments__state__in=PAID_STATES)
    joined = Participation.objects.filter(worker=worker).exclude(campaign__state=Campaign.State.DRAFT)
    counted = joined.select_related("campaign").annotate(hits=Count("campaign__assignments", filter=own))
    return [
        CampaignWork(found.campaign, template_of(found.campaign.template), found.hits)
        for found in counted.order_by("-consented_at", "-pk")
    ]
