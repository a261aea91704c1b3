"""What every response carries, the language of a page, and what every request at a door is counted against."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.messages.middleware import MessageMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

from annotation import doors

GetResponse = Callable[[HttpRequest], HttpResponse]
POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
NOT_NEEDED = ("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "microphone", "payment", "usb")
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": ", ".join(f"{name}=()" for name in NOT_NEEDED),
    "Cross-Origin-Resource-Policy": "same-origin",
    # Django's own middleware sets these on pages; some refusals pass it by.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

ADMIN = "/admin/"
ENGLISH_ONLY = ("/requester/", ADMIN)


class SecurityHeaders:
    """Only our own scripts and styles run, whatever text an item brings."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
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


class AdminMessages(MessageMiddleware):
    """Django's admin says by such messages what it did; no other page does, and a worker's need not pay for them."""

    def process_request(self, request: HttpRequest) -> None:
        if request.path_info.startswith(ADMIN):
            super().process_request(request)


class RateLimits:
    """Whoever knocks too often is asked to wait; what they sent stands in the page, to be sent again.

    Simulated workers are not held up: they come by links that only the installation itself can sign.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        door = doors.door_of(request)
        limit = settings.RATE_LIMITS.get(door)
        if limit is None or doors.is_simulated(request):
            return None
        # A classroom may open its links at once behind one address: only links that are refused are counted.
        seconds = doors.seconds_to_wait(request, door, limit, add=0 if door == "enter" else 1)
        return doors.too_many_requests(request, door, seconds) if seconds else None
