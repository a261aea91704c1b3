"""What workers send: consent, ratings, comparisons. Every answer is required and none has a default."""

import math
from collections.abc import Mapping
from typing import Any

from django import forms

from annotation.assignments import Answer
from annotation.models import Assignment, Campaign
from annotation.task_templates import TaskTemplate, template_of


class ConsentForm(forms.Form):
    consent = forms.BooleanField(error_messages={"required": "Please tick the box if you agree to take part."})


class RatingForm(forms.Form):
    """One radio group a question, one radio a point of its scale."""

    def __init__(self, template: TaskTemplate, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        for question in template.questions:
            self.fields[question.name] = forms.TypedChoiceField(
                choices=question.points, coerce=int, error_messages={"required": "Please choose one of the points."}
            )

    def answers(self) -> list[Answer]:
        return [Answer(question=name, value=value) for name, value in self.cleaned_data.items()]


class ComparisonForm(forms.Form):
    """One choice between what is shown left and right, and what else the campaign allows."""

    def __init__(self, campaign: Campaign, template: TaskTemplate, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        offered = ["left", "right"]
        offered += ["tie"] if campaign.allow_tie else []
        offered += ["both_bad"] if campaign.allow_both_bad else []
        self.fields[template.questions[0].name] = forms.ChoiceField(
            choices=[(choice, choice) for choice in offered],
            error_messages={"required": "Please choose one of the answers."},
        )

    def answers(self, left: str) -> list[Answer]:
        """The answers in terms of a and b; `left` is the completion that was shown left."""
        sides = {"left": left, "right": "b" if left == "a" else "a"}
        return [Answer(question=name, choice=sides.get(choice, choice)) for name, choice in self.cleaned_data.items()]


def read_answers(assignment: Assignment, data: Mapping[str, Any]) -> tuple[list[Answer], RatingForm | ComparisonForm]:
    """The answers sent for `assignment`, empty if the form has errors, and the form that holds them."""
    campaign, template = assignment.campaign, template_of(assignment.campaign.template)
    if campaign.kind == Campaign.Kind.LIKERT:
        ratings = RatingForm(template, data)
        return (ratings.answers() if ratings.is_valid() else []), ratings
    comparison = ComparisonForm(campaign, template, data)
    return (comparison.answers(assignment.left) if comparison.is_valid() else []), comparison


def read_active_seconds(data: Mapping[str, Any]) -> float | None:
    """What the page measured; None without JavaScript, or if what came is no duration."""
    try:
        seconds = float(data.get("active_seconds", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
