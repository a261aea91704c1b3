"""Sessions in signed cookies that end when they say, on the server too.

Django's own signed cookies know one age for all (`SESSION_COOKIE_AGE`); a session with an earlier end would be ended by
the browser alone, and a copied cookie would go on.
"""

from datetime import datetime
from typing import Any

from django.contrib.sessions.backends import signed_cookies
from django.utils import timezone


class SessionStore(signed_cookies.SessionStore):
    """`set_expiry(moment)` is kept, whatever the browser does."""

    def load(self) -> dict[str, Any]:
        data: dict[str, Any] = super().load()
        end = data.get("_session_expiry")
        if isinstance(end, str) and datetime.fromisoformat(end) <= timezone.now():
            return {}
        return data
