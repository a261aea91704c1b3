"""Signed links that let one worker into one campaign until a day: nobody can make one, or change whom it is for."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from django.core import signing
from django.urls import reverse

from annotation.errors import InputError
from annotation.models import Worker

SALT = "annotation.worker-link"
MOST_LINKS = 100_000


@dataclass(frozen=True, slots=True)
class Invitation:
    """Who may come in where; `until` in seconds since 1970."""

    campaign: str
    handle: str
    source: str
    until: int


def link_path(campaign: str, handle: str, days: float, source: str = Worker.Source.SIGNED) -> str:
    """The address, without the server's name, that lets `handle` in for so many days from now."""
    content = [campaign, handle, source, int(time.time() + days * 86_400)]
    return reverse("worker_link", args=[campaign, signing.dumps(content, salt=SALT)])


def read_ticket(ticket: str, campaign: str) -> Invitation | None:
    """What the last part of a link says, if we signed it, it is for `campaign`, and its time has not run out."""
    try:
        invitation = Invitation(*signing.loads(ticket, salt=SALT))
    except signing.BadSignature:
        return None
    return invitation if invitation.campaign == campaign and time.time() < invitation.until else None


def make_handles(count: int) -> list[str]:
    """New handles that say nothing about anybody."""
    if not 1 <= count <= MOST_LINKS:
        raise InputError(f"--count: expected 1 to {MOST_LINKS}, found {count}.")
    return [f"worker-{secrets.token_hex(6)}" for _ in range(count)]


def read_handles(path: Path) -> list[str]:
    """One handle a line; InputError names the line of what cannot be one."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); expected one handle a line.") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}.") from None
    handles: dict[str, int] = {}
    for number, handle in enumerate(map(str.strip, lines), start=1):
        if not is_handle(handle):
            raise InputError(f"{path}: line {number}: expected at most 100 printable characters, found {handle!r}.")
        if handle in handles:
            raise InputError(f"{path}: line {number}: handle {handle!r} stands on line {handles[handle]} already.")
        if handle:
            handles[handle] = number
    if not 1 <= len(handles) <= MOST_LINKS:
        raise InputError(f"{path}: expected 1 to {MOST_LINKS} handles, one a line, found {len(handles)}.")
    return list(handles)


def is_handle(text: str) -> bool:
    """Whether a worker may be called so; the empty text is nobody's."""
    return len(text) <= 100 and text.isprintable()
