"""Template tags that show a task's texts: `{% prompt_text template prompt %}`, `{% completion_text … %}`."""

from django import template
from django.template.loader import get_template

from annotation.presentation import ShownText, present_completion, present_prompt
from annotation.task_templates import TaskTemplate

register = template.Library()


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
    part = "p" if tag == "div" else "span"
    context = {"text": shown, "place": place, "tag": tag, "part": part, "language": task.language}
    return get_template(shown.partial).render(context)
