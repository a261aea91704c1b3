"""Doors: where somebody comes in or sends something. Who knocks, how often, and what they are told if too often."""

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from annotation.models import Worker
from annotation.rate_limits import Limit, client_address
from annotation.shared_counters import COUNTERS

NAMES = {"enter": "enter", "worker_link": "enter", "login": "login", "admin:login": "login", "join": "join"}


def door_of(request: HttpRequest) -> str:
    """The door that a request knocks at; every POST is one, and so is a link that signs somebody in."""
    assert request.resolver_match is not None, "a view was found"
    door = NAMES.get(request.resolver_match.view_name)
    if door == "enter":
        return door
    return (door or "send") if request.method == "POST" else ""


def is_simulated(request: HttpRequest) -> bool:
    return bool(request.session.get("arrival", {}).get("source") == Worker.Source.SIMULATION)


def seconds_to_wait(request: HttpRequest, door: str, limit: Limit, *, add: int) -> int:
    """Seconds until the next request is let in; 0 if this one is."""
    counted = {f"{door} address {address_of(request)}": limit.per_address}
    person = person_of(request, door)
    if person:
        counted[f"{door} person {person}"] = limit.per_person
    waits = [0]
    for key, most in counted.items():
        found = COUNTERS.count(key, limit.window_s, add=add)
        if found.count + (add == 0) > most:
            waits.append(found.seconds_left)
    return max(waits)


def count_refused_link(request: HttpRequest) -> None:
    """A link that was refused: whoever tries many is guessing."""
    limit = settings.RATE_LIMITS.get("enter")
    if limit is not None:
        seconds_to_wait(request, "enter", limit, add=1)


def address_of(request: HttpRequest) -> str:
    forwarded_for = request.headers.get("X-Forwarded-For", "")
    return client_address(request.META["REMOTE_ADDR"], forwarded_for, settings.TRUSTED_PROXIES)


def person_of(request: HttpRequest, door: str) -> str:
    """Who knocks: the name that wants to sign in, or whom the session knows; empty if that is nobody yet."""
    if door == "login":
        return request.POST.get("username", "").strip().lower()
    worker, arrival = request.session.get("worker"), request.session.get("arrival")
    if worker:
        return f"worker {worker}"
    if SESSION_KEY in request.session:
        return f"requester {request.session[SESSION_KEY]}"
    return f"{arrival['source']} {arrival['handle']}" if arrival else ""


def too_many_requests(request: HttpRequest, door: str, seconds: int) -> HttpResponse:
    """The page keeps what a worker sent; of other forms, which may hold a password, it keeps nothing."""
    is_work = request.method == "POST" and request.path.startswith("/c/")
    sent = request.POST.lists() if is_work else ()
    fields = [(name, value) for name, values in sent for value in values if name != "csrfmiddlewaretoken"]
    context = {"seconds": seconds, "minutes": -(-seconds // 60), "fields": fields, "door": door}
    response = render(request, "429.html", context, status=429)
    response.headers["Retry-After"] = str(seconds)
    response.headers["Cache-Control"] = "no-store"
    return response
