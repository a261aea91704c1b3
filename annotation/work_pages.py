"""The page of one HIT. What is the same on every page of a study is rendered once and kept as a frame.

A frame is the page's own template, rendered with a mark at each place where pages differ. It knows a `Study` and
nothing else: neither a worker nor a HIT, so none can be kept in it. Only the page as it first comes is a frame; one
that shows answers and errors again is rendered anew.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from html import escape
from typing import Any

from django.template.loader import render_to_string
from django.utils.formats import localize
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from annotation.forms import LONGEST_COMMENT, set_form, strength_field
from annotation.models import Campaign
from annotation.queries import Earnings
from annotation.rankings import LETTERS
from annotation.reading_time import idle_limit_seconds
from annotation.statements import OwnPage
from annotation.task_templates import TaskTemplate
from annotation.templatetags.texts import completion_text, prompt_text

# Drawn at every start, so that no text of a campaign can hold a mark. It may stand in an address too.
MARK = "mark-{}-" + secrets.token_hex(8)
MARKED = re.compile(MARK.format("([a-z0-9_]+)"))
# What programs that read a page call its completions, by the kind of its task; those of a set are numbered.
PLACES = {"likert": ("completion",), "pairwise": ("left", "right")}


@dataclass(frozen=True, slots=True)
class Study:
    """All that a page says about its campaign."""

    name: str
    template: TaskTemplate
    reward_per_hit: Decimal
    allow_tie: bool
    allow_both_bad: bool
    ask_comment: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """Markup around the values of `names`: there is one more part than there are names."""

    parts: tuple[str, ...]
    names: tuple[str, ...]

    def fill(self, values: Mapping[str, str]) -> str:
        filled = [self.parts[0]]
        for name, part in zip(self.names, self.parts[1:], strict=True):
            value = values[name]
            filled += (value if isinstance(value, SafeString) else escape(value), part)
        return "".join(filled)


def render_work_page(page: OwnPage, csrf_token: str, answered: Mapping[str, str], errors: Mapping[str, str]) -> str:
    """The whole page; if something is wrong with what was sent, with all that was answered."""
    study = study_of(page.assignment.campaign, page.template)
    values = read_values(page, study) | {"csrf_token": csrf_token}
    if errors:
        return render_page(study, values, answered, errors)
    return render_frame(study, len(_texts(values)), get_language()).fill(values)


def study_of(campaign: Campaign, template: TaskTemplate) -> Study:
    return Study(
        name=campaign.name,
        template=template,
        reward_per_hit=campaign.reward_per_hit,
        allow_tie=campaign.allow_tie,
        allow_both_bad=campaign.allow_both_bad,
        ask_comment=campaign.ask_comment,
    )


def read_values(page: OwnPage, study: Study) -> dict[str, str]:
    """What stands on this page alone, by name; texts are markup already."""
    template, prompt, texts = page.template, page.prompt, page.texts
    earnings = Earnings(page.hits_done, study.reward_per_hit)
    values = {
        "token": page.assignment.token,
        "hit_key": page.hit_key,
        "hits_done": localize(earnings.hits),
        "earned": localize(earnings.total),
        "idle_seconds": localize(idle_limit_seconds(template, prompt, texts)),
        "prompt": prompt_text(template, prompt, place="prompt"),
    }
    places = PLACES.get(template.kind) or [f"completion-{number}" for number in range(1, len(texts) + 1)]
    tag = "span" if template.kind == "pairwise" else "div"  # there a label holds the text
    for number, (text, place) in enumerate(zip(texts, places, strict=True), start=1):
        values[f"text_{number}"] = completion_text(template, prompt, text, place=place, tag=tag)
    return values


def _texts(values: Mapping[str, str]) -> list[str]:
    """The completions in the order shown."""
    return [value for name, value in values.items() if name.startswith("text_")]


@lru_cache(maxsize=64)
def render_frame(study: Study, texts: int, language: str | None) -> Frame:
    """The page of any HIT with so many texts, in `language`, which is the active one."""
    names = ["token", "csrf_token", "hit_key", "hits_done", "earned", "idle_seconds", "prompt"]
    names += [f"text_{number}" for number in range(1, texts + 1)]
    page = render_page(study, {name: MARK.format(name) for name in names}, {}, {})
    pieces = MARKED.split(page)
    return Frame(parts=tuple(pieces[::2]), names=tuple(pieces[1::2]))


def render_page(study: Study, values: Mapping[str, str], answered: Mapping[str, str], errors: Mapping[str, str]) -> str:
    """The whole page, by its template."""
    template = study.template
    context = {
        **values,
        "campaign": study,
        "template": template,
        "guide": render_guide(template, get_language()),
        "questions": [(q, answered.get(q.name, ""), errors.get(q.name)) for q in template.questions],
        "has_errors": bool(errors),
        "comment": answered.get("comment", ""),
        "comment_error": errors.get("comment"),
        "longest_comment": LONGEST_COMMENT,
        **_describe_answers(study, _texts(values), answered, errors),
    }
    return render_to_string(f"annotation/{template.kind}.html", context)


def _describe_answers(
    study: Study, texts: Sequence[str], answered: Mapping[str, str], errors: Mapping[str, str]
) -> dict[str, Any]:
    """What the page of one kind of HIT shows beside the questions: strength, or the cards of a set."""
    if study.template.kind in PLACES:
        strength = strength_field(study.template.questions[0].name)
        # Where it was not asked for, it is taken back: a radio, once chosen, cannot be unchosen without JavaScript.
        kept = "" if strength in errors else answered.get(strength, "")
        return {"strength": {"field": strength, "chosen": kept, "error": errors.get(strength)}}
    # A page numbers its cards in the order shown; which letters of the set they have is not to be seen.
    form = set_form(study.template, LETTERS[: len(texts)], study.allow_tie, answered)
    own_errors = [message for name, message in errors.items() if name in form.fields]
    return {"form": form, "cards": form.cards(texts, errors), "errors": own_errors}


@lru_cache(maxsize=64)
def render_guide(template: TaskTemplate, language: str | None) -> str:
    """Instructions and examples are the same on every page of a campaign in `language`, which is the active one."""
    return render_to_string("annotation/_guide.html", {"template": template})
