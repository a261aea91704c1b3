"""The front door, and the page that tells a supervisor that the app is up."""

from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.queries import open_campaigns
from annotation.task_templates import template_of


def home(request: HttpRequest) -> HttpResponse:
    campaigns = [(campaign, template_of(campaign.template)) for campaign in open_campaigns()[:50]]
    return render(request, "annotation/home.html", {"campaigns": campaigns})


def healthz(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")
