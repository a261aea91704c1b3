"""Requesters: Django staff users, and the signed links that let one in without a password."""

import secrets
from datetime import timedelta

from django.contrib.auth import user_logged_in
from django.contrib.auth.models import User
from django.core import signing
from django.http import HttpRequest
from django.utils import timezone

from annotation.errors import InputError

TICKET_SALT = "annotation.requester-ticket"
TICKET_SECONDS = SESSION_SECONDS = 12 * 3600


def create_requester(name: str) -> str:
    """A staff user with a random password, which is returned and stored nowhere in the clear."""
    if not name.strip() or len(name) > 150:
        raise InputError(f"requester {name!r}: expected a name of 1 to 150 characters.")
    if User.objects.filter(username=name).exists():
        raise InputError(f"requester {name!r} exists already; choose another name.")
    password = secrets.token_urlsafe(12)
    User.objects.create_user(name, password=password, is_staff=True, is_superuser=True)
    return password


def issue_ticket(name: str) -> str:
    """A ticket for the requester `name`, who is made if there is none: without a password, so only a ticket lets in."""
    user = User.objects.filter(username=name).first()
    if user is None:
        user = User.objects.create_user(name, password=None, is_staff=True, is_superuser=True)
    if not (user.is_staff and user.is_active):
        raise InputError(f"{name!r} is no requester; choose another name.")
    return signing.dumps(user.pk, salt=TICKET_SALT)


def requester_of_ticket(ticket: str) -> User | None:
    try:
        pk = signing.loads(ticket, salt=TICKET_SALT, max_age=TICKET_SECONDS)
    except signing.BadSignature:
        return None
    return User.objects.filter(pk=pk, is_staff=True, is_active=True).first()


def end_session_tonight(request: HttpRequest, **event: object) -> None:
    """Whoever signs in, by password, link or in the admin, is signed in for a working day."""
    request.session.set_expiry(timezone.now() + timedelta(seconds=SESSION_SECONDS))


user_logged_in.connect(end_session_tonight, dispatch_uid="end_session_tonight")
# The link signs in by a GET, and reading a page writes nothing to the database.
user_logged_in.disconnect(dispatch_uid="update_last_login")
