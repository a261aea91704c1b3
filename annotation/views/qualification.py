"""The qualification test: all questions on one page, then how it went. The queue itself lets nobody by who failed."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.crypto import salted_hmac
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotation.arrivals import worker_in
from annotation.models import Campaign, Worker
from annotation.qualification import AskedQuestion, lay_out, read_answers
from annotation.qualification_attempts import Standing, find_standing, record_attempt
from annotation.task_templates import template_of
from annotation.views.worker import find_visible_campaign, see_other

DRAFT_SALT = "annotation.qualification-draft"


@never_cache
@require_GET
def qualification(request: HttpRequest, campaign_name: str) -> HttpResponse:
    found = find_test(request, campaign_name)
    if isinstance(found, HttpResponse):
        return found
    if not found[2].attempts_left:
        return see_other("qualification_result", campaign_name)
    return render_test(request, *found)


def find_test(request: HttpRequest, campaign_name: str) -> tuple[Campaign, Worker, Standing] | HttpResponse:
    """The test and where this session's worker stands with it; or the way to where they belong."""
    campaign = find_visible_campaign(campaign_name)
    worker = worker_in(request, campaign)
    if worker is None or campaign.state != Campaign.State.OPEN:
        return see_other("landing", campaign_name)
    standing = find_standing(campaign, worker)
    return see_other("instructions", campaign_name) if standing is None else (campaign, worker, standing)


def render_test(
    request: HttpRequest, campaign: Campaign, worker: Worker, standing: Standing, missing: Sequence[str] = ()
) -> HttpResponse:
    template, number = template_of(campaign.template), standing.made + 1
    context = {
        "campaign": campaign,
        "template": template,
        "standing": standing,
        "number": number,
        "asked": [
            (item, [(q, request.POST.get(q.field), q.field in missing) for q in item.questions])
            for item in lay_out(template)
        ],
        "has_errors": bool(missing),
        # Drafts lie in a browser that others may use too, so nobody else's page may come by this key.
        "draft_key": salted_hmac(DRAFT_SALT, f"{campaign.pk}-{worker.pk}-{number}").hexdigest()[:24],
    }
    return render(request, "annotation/qualification.html", context, status=422 if missing else 200)


@require_POST
def submit(request: HttpRequest, campaign_name: str) -> HttpResponse:
    """Store the attempt, once. What is not the next one (sent twice, or from an old page) leads to the result."""
    found = find_test(request, campaign_name)
    if isinstance(found, HttpResponse):
        return found
    campaign, worker, standing = found
    if standing.attempts_left and request.POST.get("number") == str(standing.made + 1):
        answers, missing = read_answers(lay_out(template_of(campaign.template)), request.POST)
        if missing:
            return render_test(request, campaign, worker, standing, missing)
        record_attempt(campaign, worker, standing, answers)
    return see_other("qualification_result", campaign_name)


@never_cache
@require_GET
def result(request: HttpRequest, campaign_name: str) -> HttpResponse:
    campaign = find_visible_campaign(campaign_name)
    worker = worker_in(request, campaign)
    if worker is None:
        return see_other("landing", campaign_name)
    standing = find_standing(campaign, worker)
    if standing is None or standing.last is None:
        return see_other("qualification", campaign_name)
    template = template_of(campaign.template)
    # While an attempt is left, to explain would be to tell the answers.
    explained = () if standing.attempts_left else lay_out(template)
    context = {
        "campaign": campaign,
        "template": template,
        "standing": standing,
        "explained": [(item, [explain(q, standing.last.answers) for q in item.questions]) for item in explained],
    }
    return render(request, "annotation/qualification_result.html", context)


def explain(question: AskedQuestion, answers: Mapping[str, str]) -> dict[str, Any]:
    chosen = answers[question.field]
    return {
        "text": question.text,
        "chosen": question.in_words([chosen]),
        "accepted": question.in_words(question.accepted),
        "is_right": chosen in question.accepted,
    }
