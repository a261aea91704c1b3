"""The secret that signs cookies, links and pseudonyms: what is strong enough, and one that is made on first use."""

import os
import secrets
from pathlib import Path

from annotation.errors import InputError

LEAST_CHARACTERS, LEAST_DIFFERENT = 50, 12
KNOWN = ("django-insecure", "changeme", "change-me")  # what examples and generators put in its place


def check_secret(secret: str, source: str) -> None:
    """Refuse what could be guessed; the secret itself is never repeated."""
    if len(secret) < LEAST_CHARACTERS:
        reason = f"found {len(secret)} characters"
    elif len(set(secret)) < LEAST_DIFFERENT or secret in (secret * 2)[1:-1]:
        reason = "found the same few characters again and again"
    elif any(word in secret.lower() for word in KNOWN):
        reason = "found an example's"
    else:
        return
    raise InputError(
        f"{source}: {reason}; expected a random text of at least {LEAST_CHARACTERS} characters, such as "
        'python -c "import secrets; print(secrets.token_urlsafe(50))" prints.'
    )


def read_or_create_secret(path: Path) -> str:
    """The secret in `path`, made on first use; of processes that start together, one makes it and all read it."""
    try:
        return _read_secret(path)
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    candidate = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(candidate, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode=0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(50))
        path.hardlink_to(candidate)  # fails, unlike a rename, if another process was first
    except FileExistsError:
        pass
    finally:
        candidate.unlink()
    return _read_secret(path)


def _read_secret(path: Path) -> str:
    secret = path.read_text(encoding="ascii")
    check_secret(secret, source=str(path))
    return secret
