"""A worker's way: landing and consent, instructions, HIT after HIT, finish.

Every change is a POST answered by 303, so that a reload repeats nothing. A submission also claims the next HIT:
a whole cycle is one POST and one GET.
"""

from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from annotation import assignments
from annotation.arrivals import is_admitted, remember_arrival, remember_invitation, worker_in, worker_of_session
from annotation.doors import count_refused_link
from annotation.forms import ConsentForm, read_active_seconds, read_answers, read_comment
from annotation.invitations import is_handle, read_ticket
from annotation.models import Assignment, Campaign, Participation, Worker
from annotation.qualification_attempts import NotQualifiedError, may_work
from annotation.queries import count_earnings
from annotation.statements import OwnPage, find_assignment, find_page
from annotation.task_templates import TaskTemplate, template_of
from annotation.work_pages import render_work_page


def see_other(name: str, *arguments: str) -> HttpResponseRedirect:
    response = HttpResponseRedirect(reverse(name, args=arguments))
    response.status_code = 303
    return response


def find_visible_campaign(name: str) -> Campaign:
    return get_object_or_404(Campaign.objects.exclude(state=Campaign.State.DRAFT), name=name)


@never_cache
@require_GET
def landing(request: HttpRequest, campaign_name: str) -> HttpResponse:
    """Recruitment platforms send their workers here with `?worker=HANDLE`, where a campaign is open to all."""
    campaign = find_visible_campaign(campaign_name)
    handle = request.GET.get("worker", "").strip()
    if not is_handle(handle):
        raise Http404("a worker's handle has at most 100 printable characters")
    if request.GET.get("source") == Worker.Source.SIMULATION:
        return refuse_entry(request)  # what an older simulate_crowd sent: its votes must not pass for people's
    if handle and campaign.access == Campaign.Access.OPEN:
        remember_arrival(request, handle, Worker.Source.LINK)
    if not is_admitted(request, campaign):
        return refuse_entry(request)
    return render_landing(request, campaign, ConsentForm())


@never_cache
@require_GET
def enter(request: HttpRequest, campaign_name: str, ticket: str) -> HttpResponse:
    """A link that `manage.py worker_links` made. The address that it leads to holds no ticket: it may be shown."""
    invitation = read_ticket(ticket, campaign_name)
    if invitation is None:
        count_refused_link(request)
        return refuse_entry(request)
    remember_invitation(request, invitation)
    return see_other("landing", campaign_name)


def refuse_entry(request: HttpRequest) -> HttpResponse:
    """The same page whatever is wrong with a link, so that it says nothing about other links."""
    return render(request, "annotation/link_refused.html", status=403)


def render_landing(request: HttpRequest, campaign: Campaign, form: ConsentForm) -> HttpResponse:
    context = {
        "campaign": campaign,
        "template": template_of(campaign.template),
        "form": form,
        "returning": worker_in(request, campaign) is not None,
    }
    return render(request, "annotation/landing.html", context, status=422 if form.errors else 200)


@require_POST
def join(request: HttpRequest, campaign_name: str) -> HttpResponse:
    campaign = find_visible_campaign(campaign_name)
    if not is_admitted(request, campaign):
        return refuse_entry(request)
    form = ConsentForm(request.POST)
    if not form.is_valid():
        return render_landing(request, campaign, form)
    worker = worker_of_session(request)
    Participation.objects.get_or_create(campaign=campaign, worker=worker)
    request.session["worker"] = worker.pk
    return see_other("instructions", campaign_name)


@never_cache
@require_GET
def instructions(request: HttpRequest, campaign_name: str) -> HttpResponse:
    campaign = find_visible_campaign(campaign_name)
    worker = worker_in(request, campaign)
    if worker is None:
        return see_other("landing", campaign_name)
    template = template_of(campaign.template)
    context = {"campaign": campaign, "template": template, "has_test_ahead": not may_work(campaign, worker)}
    return render(request, "annotation/instructions.html", context)


@require_POST
def accept(request: HttpRequest, campaign_name: str) -> HttpResponse:
    campaign = find_visible_campaign(campaign_name)
    worker = worker_in(request, campaign)
    if worker is None:
        return see_other("landing", campaign_name)
    return claim_and_go(campaign, worker)


def claim_and_go(campaign: Campaign, worker: Worker) -> HttpResponse:
    """To the next HIT; to the qualification test, if the worker has yet to pass it."""
    try:
        return go_to(assignments.claim(campaign, worker), campaign.name)
    except NotQualifiedError:
        return see_other("qualification", campaign.name)


def go_to(claimed: Assignment | None, campaign_name: str) -> HttpResponse:
    if claimed is None:
        return see_other("finish", campaign_name)
    return see_other("assignment", campaign_name, claimed.token)


@never_cache
@require_GET
def assignment(request: HttpRequest, campaign_name: str, token: str) -> HttpResponse:
    page = find_own_page(request, campaign_name, token)
    if page.assignment.submitted_at is not None or page.assignment.state == Assignment.State.RETURNED:
        return see_other("finish", campaign_name)
    return HttpResponse(render_work_page(page, get_token(request), {}, {}))


def find_own_page(request: HttpRequest, campaign_name: str, token: str) -> OwnPage:
    page = find_page(campaign_name, token, request.session.get("worker", 0))
    if page is None:
        raise Http404("no such assignment for this worker")
    return page


def find_own_assignment(request: HttpRequest, campaign_name: str, token: str) -> tuple[Assignment, TaskTemplate]:
    found = find_assignment(campaign_name, token, request.session.get("worker", 0))
    if found is None:
        raise Http404("no such assignment for this worker")
    return found


def first_errors(*forms: BaseForm) -> dict[str, str]:
    """What to tell the worker at each question that is not answered."""
    return {name: str(messages[0]) for form in forms for name, messages in form.errors.items()}


@require_POST
def submit(request: HttpRequest, campaign_name: str, token: str) -> HttpResponse:
    """Store the answers, claim the next HIT. Sent twice, it answers twice and stores once."""
    found, template = find_own_assignment(request, campaign_name, token)
    answers, form = read_answers(found, template, request.POST)
    comment = read_comment(found.campaign, request.POST)
    if form.errors or comment.errors:
        page = find_own_page(request, campaign_name, token)
        errors = first_errors(form, comment)
        return HttpResponse(render_work_page(page, get_token(request), request.POST, errors), status=422)
    _, claimed = assignments.submit_and_claim(
        found, found.worker, answers, read_active_seconds(request.POST), comment=comment.text
    )
    return go_to(claimed, campaign_name)


@require_POST
def skip(request: HttpRequest, campaign_name: str, token: str) -> HttpResponse:
    """Give the HIT back, and go on to another or stop."""
    found, _ = find_own_assignment(request, campaign_name, token)
    assignments.give_back(found)
    if "stop" in request.POST:
        return see_other("finish", campaign_name)
    return claim_and_go(found.campaign, found.worker)


@never_cache
@require_GET
def finish(request: HttpRequest, campaign_name: str) -> HttpResponse:
    campaign = find_visible_campaign(campaign_name)
    worker = worker_in(request, campaign)
    if worker is None:
        return see_other("landing", campaign_name)
    if not may_work(campaign, worker):
        return see_other("qualification", campaign_name)
    context = {
        "campaign": campaign,
        "template": template_of(campaign.template),
        "earnings": count_earnings(campaign, worker),
        "has_more": assignments.has_work(campaign, worker),
    }
    return render(request, "annotation/finish.html", context)
