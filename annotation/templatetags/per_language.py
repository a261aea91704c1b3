"""Parts of pages that differ by language alone: rendered once for each, as a page is served all day."""

from functools import lru_cache

from django import template
from django.template.loader import render_to_string
from django.utils.translation import get_language

register = template.Library()


@register.simple_tag
def render_per_language(template_name: str) -> str:
    """The template, which knows no variables, in the active language."""
    return _render(template_name, get_language())


@lru_cache(maxsize=64)
def _render(template_name: str, language: str | None) -> str:
    return render_to_string(template_name)
