"""What workers send: consent, ratings, comparisons, comments. Every question must be answered and none has a default.

What they send about a set of completions stands in `ranking_forms.py`.
"""

import math
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.assignments import Answer
from annotation.models import Assignment, Campaign
from annotation.ranking_forms import BestWorstForm, RankingForm
from annotation.task_templates import TaskTemplate

LONGEST_COMMENT = 2000  # characters


class ConsentForm(forms.Form):
    consent = forms.BooleanField(error_messages={"required": _("Please tick the box if you agree to take part.")})


class CommentForm(forms.Form):
    """The box beside the questions: it may stay empty."""

    comment = forms.CharField(
        required=False,
        max_length=LONGEST_COMMENT,
        error_messages={"max_length": _("Please write at most 2,000 characters.")},
    )

    def __init__(self, data: Mapping[str, Any]) -> None:
        # Browsers send a line's end as two characters, and count it as one.
        super().__init__({"comment": data.get("comment", "").replace("\r\n", "\n")})

    @property
    def text(self) -> str:
        return self.cleaned_data["comment"]


class RatingForm(forms.Form):
    """One radio group a question, one radio a point of its scale."""

    def __init__(self, template: TaskTemplate, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        for question in template.questions:
            self.fields[question.name] = forms.TypedChoiceField(
                choices=question.points, coerce=int, error_messages={"required": _("Please choose one of the points.")}
            )

    def answers(self) -> list[Answer]:
        return [Answer(question=name, value=value) for name, value in self.cleaned_data.items()]


class ComparisonForm(forms.Form):
    """One choice between what is shown left and right, what else the campaign allows, and how much better it is."""

    def __init__(self, campaign: Campaign, template: TaskTemplate, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)
        self.question = template.questions[0].name
        offered = ["left", "right"]
        offered += ["tie"] if campaign.allow_tie else []
        offered += ["both_bad"] if campaign.allow_both_bad else []
        self.fields[self.question] = forms.ChoiceField(
            choices=[(choice, choice) for choice in offered],
            error_messages={"required": _("Please choose one of the answers.")},
        )
        if template.strength_labels:
            self.fields[strength_field(self.question)] = forms.TypedChoiceField(
                choices=template.strength_points, coerce=int, required=False, empty_value=None
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self.cleaned_data
        choice, strength = cleaned.get(self.question), strength_field(self.question)
        if strength in cleaned and choice is not None:
            if choice in ("left", "right") and cleaned[strength] is None:
                self.add_error(strength, _("Please say how much better it is."))
            elif choice not in ("left", "right") and cleaned[strength] is not None:
                self.add_error(strength, _("This is asked only if one of the two is better. It is empty again now."))
        return cleaned

    def answers(self, left: str) -> list[Answer]:
        """The answer in terms of a and b; `left` is the completion that was shown left."""
        choice = self.cleaned_data[self.question]
        sides = {"left": left, "right": "b" if left == "a" else "a"}
        strength = self.cleaned_data.get(strength_field(self.question))
        return [Answer(question=self.question, choice=sides.get(choice, choice), strength=strength)]


def strength_field(question: str) -> str:
    return f"{question}-strength"  # a question's name has no hyphen


AnswerForm = RatingForm | ComparisonForm | RankingForm | BestWorstForm


def read_answers(
    assignment: Assignment, template: TaskTemplate, data: Mapping[str, Any]
) -> tuple[list[Answer], AnswerForm]:
    """The answers sent for `assignment`, empty if the form has errors, and the form that holds them."""
    campaign = assignment.campaign
    if campaign.kind == Campaign.Kind.LIKERT:
        ratings = RatingForm(template, data)
        return (ratings.answers() if ratings.is_valid() else []), ratings
    if campaign.kind == Campaign.Kind.PAIRWISE:
        comparison = ComparisonForm(campaign, template, data)
        return (comparison.answers(assignment.left) if comparison.is_valid() else []), comparison
    ranking = set_form(template, assignment.shown, campaign.allow_tie, data)
    return (ranking.answers() if ranking.is_valid() else []), ranking


def set_form(
    template: TaskTemplate, shown: str, allow_tie: bool, data: Mapping[str, Any]
) -> RankingForm | BestWorstForm:
    """The form about the completions with the letters `shown`, in that order."""
    question = template.questions[0].name
    if template.kind == Campaign.Kind.RANKING:
        return RankingForm(question, shown, allow_tie, data)
    return BestWorstForm(question, shown, data)


def read_comment(campaign: Campaign, data: Mapping[str, Any]) -> CommentForm:
    """What was written into the box, which is nothing where the campaign has none."""
    return CommentForm(data if campaign.ask_comment else {})


def read_active_seconds(data: Mapping[str, Any]) -> float | None:
    """What the page measured; None without JavaScript, or if what came is no duration."""
    try:
        seconds = float(data.get("active_seconds", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
