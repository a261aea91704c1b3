"""A worker's own history and pay: one campaign's HITs, and all campaigns together."""

from decimal import Decimal

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from annotation.arrivals import worker_in
from annotation.models import Worker
from annotation.queries import count_earnings
from annotation.task_templates import template_of
from annotation.views.worker import find_visible_campaign, see_other
from annotation.work_history import describe_work, find_sent, list_campaigns_of

ROWS_PER_PAGE = 50


@never_cache
@require_GET
def history(request: HttpRequest, campaign_name: str) -> HttpResponse:
    campaign = find_visible_campaign(campaign_name)
    worker = worker_in(request, campaign)
    if worker is None:
        return see_other("landing", campaign_name)
    template = template_of(campaign.template)
    page = Paginator(find_sent(campaign, worker), ROWS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "campaign": campaign,
        "template": template,
        "earnings": count_earnings(campaign, worker),
        "page": page,
        "rows": [describe_work(campaign, template, sent) for sent in page.object_list],
    }
    return render(request, "annotation/history.html", context)


@never_cache
@require_GET
def me(request: HttpRequest) -> HttpResponse:
    """Whose browser this is is all that the page goes by, so there is nobody else's to ask for."""
    worker = Worker.objects.filter(pk=request.session.get("worker", 0)).first()
    rows = list_campaigns_of(worker) if worker else []
    context = {
        "rows": rows,
        "hits": sum(row.hits for row in rows),
        "earned": sum((row.earned for row in rows), Decimal(0)),
    }
    return render(request, "annotation/me.html", context)
