"""Every address of the app, filled in: a view that is added is tested by all that walks over them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

ADMIN_ARGUMENTS = {"object_id": "1", "id": "1", "content_type_id": "1"}


@dataclass(frozen=True, slots=True)
class Address:
    """`name` is the view's."""

    name: str
    path: str

    @property
    def is_admin(self) -> bool:
        return self.path.startswith("/admin/")


def every_address(arguments: Mapping[str, str]) -> list[Address]:
    """All of the URL configuration, with `arguments` in the places of that name.

    KeyError for a place that has no argument: name what a test should write there.
    """
    return list(_walk(get_resolver().url_patterns, "/", "", {**ADMIN_ARGUMENTS, **arguments}))


def _walk(
    patterns: list[URLPattern | URLResolver], before: str, namespace: str, arguments: Mapping[str, str]
) -> Iterator[Address]:
    for pattern in patterns:
        path = before + _fill(pattern, arguments)
        if isinstance(pattern, URLResolver):
            yield from _walk(
                pattern.url_patterns, path, f"{pattern.namespace}:" if pattern.namespace else "", arguments
            )
        else:
            yield Address(namespace + (pattern.name or path), path)


def _fill(pattern: URLPattern | URLResolver, arguments: Mapping[str, str]) -> str:
    route = pattern.pattern
    if not isinstance(route, RoutePattern):
        # The admin's own two: the page of an app, and what catches the rest.
        return "annotation/" if "app_label" in str(route) else "nothing/"
    text = str(route)
    for name, converter in route.converters.items():
        for written in (f"<{name}>", *(f"<{kind}:{name}>" for kind in ("int", "path", "slug", "str", "uuid"))):
            text = text.replace(written, converter.to_url(arguments[name]))
    assert "<" not in text, f"the address {text!r} has a place of a kind that this test does not know"
    return text
