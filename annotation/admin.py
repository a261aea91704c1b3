"""Django's admin for looking things up. Judgments and assignments are read there, not edited."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from annotation.models import HIT, Assignment, Campaign, Comment, Judgment, Worker


class ReadOnly(admin.ModelAdmin):
    """Everything shown, nothing changed: the queue's rules live in `assignments.py`."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Campaign)
class CampaignAdmin(ReadOnly):
    list_display = ["name", "task", "kind", "state", "raters_per_hit", "created_at"]


@admin.register(HIT)
class HITAdmin(ReadOnly):
    list_display = ["key", "campaign", "position", "free_slots"]
    list_filter = ["campaign"]
    list_select_related = ["campaign"]


@admin.register(Worker)
class WorkerAdmin(ReadOnly):
    list_display = ["handle", "source", "created_at"]
    search_fields = ["handle"]


@admin.register(Assignment)
class AssignmentAdmin(ReadOnly):
    list_display = ["token", "campaign", "hit", "worker", "state", "kind", "submitted_at"]
    list_filter = ["campaign", "state", "kind"]
    list_select_related = ["campaign", "hit", "worker"]


@admin.register(Judgment)
class JudgmentAdmin(ReadOnly):
    list_display = ["assignment", "question", "value", "choice", "ranking"]
    list_select_related = ["assignment__hit", "assignment__worker"]


@admin.register(Comment)
class CommentAdmin(ReadOnly):
    list_display = ["assignment", "text"]
    list_select_related = ["assignment__hit", "assignment__worker"]
