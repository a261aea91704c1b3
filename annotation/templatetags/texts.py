"""Template tags that show a task's texts: `{% prompt_text template prompt %}`, `{% completion_text … %}`."""

import secrets
from functools import lru_cache
from html import escape

from django import template
from django.template.loader import get_template
from django.utils.safestring import mark_safe

from annotation.presentation import Plain, ShownText, present_completion, present_prompt
from annotation.task_templates import TaskTemplate

register = template.Library()
MARK = secrets.token_hex(16)  # drawn at every start, so that no text can hold it


@register.simple_tag
def prompt_text(task: TaskTemplate, prompt: str, place: str = "", tag: str = "div") -> str:
    """The prompt in the task's layout, escaped. `place` names it for programs that read the page (`data-text`)."""
    return _render(task, present_prompt(task.prompt_layout, prompt), place, tag)


@register.simple_tag
def completion_text(task: TaskTemplate, prompt: str, completion: str, place: str = "", tag: str = "div") -> str:
    """The completion in the task's layout; `tag` is "span" where a label holds it."""
    shown = present_completion(task.completion_layout, completion, present_prompt(task.prompt_layout, prompt))
    return _render(task, shown, place, tag)


def _render(task: TaskTemplate, shown: ShownText, place: str, tag: str) -> str:
    if isinstance(shown, Plain):
        # Most texts are plain, and a page has several: what stands around them is rendered once.
        before, after = _frame_plain(place, tag, task.language)
        return mark_safe(before + escape(shown.text) + after)
    return _fill(shown, place, tag, task.language)


@lru_cache(maxsize=128)
def _frame_plain(place: str, tag: str, language: str) -> tuple[str, str]:
    before, after = _fill(Plain(MARK), place, tag, language).split(MARK)
    return before, after


def _fill(shown: ShownText, place: str, tag: str, language: str) -> str:
    part = "p" if tag == "div" else "span"
    context = {"text": shown, "place": place, "tag": tag, "part": part, "language": language}
    return get_template(shown.partial).render(context)
