"""Which database: a SQLite file, or the PostgreSQL that DATABASE_URL names. Django's settings for either."""

from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from annotation.errors import InputError

FORM = "postgres://user:password@host:port/name, or postgres://user@/name?host=/folder/of/the/socket"
ESCAPES = "in a password, write @ : / ? # as %40 %3A %2F %3F %23"
SCHEMES = ("postgres", "postgresql")
# What may follow the question mark: libpq's words, handed on as they are.
OPTIONS = ("host", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name")
LOCK_TIMEOUT_MS, IDLE_TIMEOUT_MS = 30_000, 300_000
PREPARED_FROM = 5  # executions, psycopg's own default, which Django switches off


def sqlite_settings(path: Path) -> dict[str, Any]:
    """WAL lets pages be read while a judgment is written. IMMEDIATE takes the write lock at BEGIN, so that a
    transaction waits for its turn instead of failing half-way. FULL: a judgment that was acknowledged survives a
    power cut.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }


def postgres_settings(url: str) -> dict[str, Any]:
    """READ COMMITTED is named here because the queue's locks are meant for it, whatever a server's default is.

    A connection stays with its thread; each request tries it first, so that a restart of the server costs nobody a
    page. Nobody waits longer than 30 s for a lock, and a client that went away in a transaction holds none for long.
    What a connection has asked five times it has the server prepare: to plan a worker's statements took longer than to
    run them. That needs parameters that are sent apart from the statement, at most 65,535 of them.
    """
    from psycopg import IsolationLevel

    parts = _split(url)
    given = _read_options(parts)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": given.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": given
        | {
            "isolation_level": IsolationLevel.READ_COMMITTED,
            "server_side_binding": True,
            "prepare_threshold": PREPARED_FROM,
            "options": f"-c lock_timeout={LOCK_TIMEOUT_MS} -c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS}",
        },
    }


def _split(url: str) -> SplitResult:
    """The parts of `url`. No error repeats more of it than the scheme: it may hold a password, perhaps misplaced."""
    if "#" in url:
        raise InputError(f"DATABASE_URL: found a bare #; {ESCAPES}.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InputError(f"DATABASE_URL: host or port cannot be read; expected {FORM}; {ESCAPES}.") from None
    if parts.scheme not in SCHEMES:
        found = f"found {parts.scheme}://" if "://" in url else "found no scheme"
        hint = " (for SQLite, set PREFLOOP_DATABASE to the file's path)" if parts.scheme.startswith("sqlite") else ""
        raise InputError(f"DATABASE_URL: expected {FORM}; {found}{hint}.")
    if not unquote(parts.path[1:]) or "/" in parts.path[1:]:
        raise InputError(f"DATABASE_URL: expected one database name after the host, as in {FORM}.")
    if port == 0:
        raise InputError("DATABASE_URL: expected a port from 1 to 65535, found 0.")
    return parts


def _read_options(parts: SplitResult) -> dict[str, Any]:
    try:
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise InputError("DATABASE_URL: after the question mark, expected option=value, joined by &.") from None
    for name in given:
        if name not in OPTIONS:
            raise InputError(f"DATABASE_URL: unknown option {name!r}; expected one of {', '.join(OPTIONS)}.")
    if "host" in given and parts.hostname:
        raise InputError("DATABASE_URL: found two hosts; expected one, before the name or as ?host=.")
    return given


def environment_of(database: Path | str) -> dict[str, str]:
    """What makes another process use `database`: the path of a SQLite file, or a DATABASE_URL."""
    if isinstance(database, Path):
        return {"PREFLOOP_DATABASE": str(database.resolve()), "DATABASE_URL": ""}
    return {"DATABASE_URL": database}
