"""Pseudonyms: keyed digests under this installation's secret, from which nobody without it finds the way back."""

import hashlib
import hmac

from django.conf import settings

from annotation.models import Worker


def pseudonym(worker: Worker) -> str:
    """A keyed digest of the worker's random identity: with the identity gone, nothing leads back to the person."""
    return "w" + keyed_digest("pseudonym", worker.identity.bytes)


def keyed_digest(purpose: str, identity: bytes) -> str:
    """16 hexadecimal digits; digests of one identity for two purposes have nothing in common."""
    key = hashlib.sha256(f"prefloop {purpose}\x1f".encode() + str(settings.SECRET_KEY).encode()).digest()
    return hmac.digest(key, identity, "sha256").hex()[:16]
