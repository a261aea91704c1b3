"""Requests that cannot be read: too large, with too many fields or a file, or for a host that is not ours."""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Rendered without the request: what cannot be read must not be read again."""
    is_too_large = isinstance(exception, RequestDataTooBig)
    page = render_to_string("400.html", {"is_too_large": is_too_large})
    return HttpResponse(page, status=413 if is_too_large else 400)
