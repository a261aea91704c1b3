"""How often one address and one person may knock at each door. Counting is in `shared_counters.py`.

Honest work never comes near: a person who sends a judgment every half second all day is not held up.
"""

import dataclasses
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from annotation.errors import InputError

FORM = "off, or DOOR=PERSON/ADDRESS such as send=240/4800, joined by commas"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many requests in each window: by one person, and from one address, behind which many may sit."""

    per_person: int
    per_address: int
    window_s: int


DEFAULTS = {
    "enter": Limit(per_person=30, per_address=30, window_s=300),  # only links that are refused are counted
    "login": Limit(per_person=10, per_address=30, window_s=300),
    "join": Limit(per_person=20, per_address=120, window_s=60),
    "send": Limit(per_person=120, per_address=2400, window_s=60),
}


def read_limits(text: str) -> Mapping[str, Limit]:
    """The limits by door with those that PREFLOOP_RATE_LIMITS names; none at all for `off`."""
    if text.strip() == "off":
        return {}
    limits = dict(DEFAULTS)
    for entry in filter(None, (part.strip() for part in text.split(","))):
        door, _, counts = entry.partition("=")
        person, _, address = counts.partition("/")
        if door not in DEFAULTS:
            raise InputError(f"PREFLOOP_RATE_LIMITS: no door {door!r}; expected {', '.join(DEFAULTS)}, as in {FORM}.")
        if not (person.isdecimal() and address.isdecimal() and int(person) and int(address)):
            raise InputError(f"PREFLOOP_RATE_LIMITS: expected {FORM}; found {entry!r}.")
        limits[door] = dataclasses.replace(DEFAULTS[door], per_person=int(person), per_address=int(address))
    return limits


def client_address(peer: str, forwarded_for: str, proxies: int) -> str:
    """Who sent a request that came through `proxies` trusted proxies, each of which added whom it heard it from.

    What stands further left in X-Forwarded-For anybody can write. An IPv6 address stands for its /64 network, as one
    household or machine has all of those addresses.
    """
    heard = [part.strip() for part in forwarded_for.split(",")] if forwarded_for else []
    address = heard[-proxies] if 0 < proxies <= len(heard) else peer
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return peer
    if parsed.version == 6:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
