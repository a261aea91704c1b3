"""What every page has: a content security policy, and a language."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"

ENGLISH_ONLY = ("/requester/", "/admin/")


class ContentSecurityPolicy:
    """Only our own scripts and styles run, whatever text an item brings."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class PageLanguage(LocaleMiddleware):
    """Workers read in the language that they chose, or else that their browser asks for. Requesters' pages are in
    English, but for the login, where a worker may end up too.
    """

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith(ENGLISH_ONLY) and not request.path_info.startswith("/requester/login/"):
            translation.activate("en")
            request.LANGUAGE_CODE = "en"
        else:
            super().process_request(request)
