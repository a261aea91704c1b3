"""A requester's pages: campaigns and how far each has come. For staff only."""

from django.contrib.auth import login
from django.contrib.auth.decorators import login_required, user_passes_test
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from annotation.comments import count_comments, read_latest_remarks
from annotation.doors import count_refused_link
from annotation.models import Campaign
from annotation.qualification_attempts import count_workers
from annotation.queries import measure_progress, summarize_exclusions
from annotation.requesters import requester_of_ticket
from annotation.task_templates import template_of

staff_only = user_passes_test(lambda user: user.is_staff)


@never_cache
@require_GET
@staff_only
def dashboard(request: HttpRequest) -> HttpResponse:
    campaigns = Campaign.objects.order_by("-created_at", "-pk")
    rows = [(campaign, template_of(campaign.template), measure_progress(campaign)) for campaign in campaigns]
    return render(request, "annotation/dashboard.html", {"rows": rows})


@never_cache
@require_GET
@login_required
@staff_only
def campaign(request: HttpRequest, campaign_name: str) -> HttpResponse:
    found = get_object_or_404(Campaign, name=campaign_name)
    context = {
        "campaign": found,
        "template": template_of(found.template),
        "progress": measure_progress(found),
        "exclusions": summarize_exclusions(found),
        "qualification": count_workers(found),
        "origin": request.build_absolute_uri("/").rstrip("/"),
        "worker_link": request.build_absolute_uri(f"/c/{found.name}/"),
    }
    if found.ask_comment:
        context |= {"remarks": read_latest_remarks(found), "comment_count": count_comments(found)}
    return render(request, "annotation/campaign.html", context)


@never_cache
@require_GET
@login_required
@staff_only
def quality(request: HttpRequest, campaign_name: str) -> HttpResponse:
    """Agreement so far, and how each worker judges."""
    from annotation.quality import recent_quality  # pandas and scipy, which no other page needs, take a second to load

    found = get_object_or_404(Campaign, name=campaign_name)
    return render(request, "annotation/quality.html", {"campaign": found, "quality": recent_quality(found)})


@never_cache
@require_GET
def enter(request: HttpRequest, ticket: str) -> HttpResponse:
    """The link that `manage.py serve` prints signs its reader in."""
    user = requester_of_ticket(ticket)
    if user is None:
        count_refused_link(request)
        raise Http404("the link is not valid, or no longer")
    login(request, user)
    return redirect("dashboard")
