"""Django settings; everything that differs between installations comes from the environment.

DATABASE_URL             a PostgreSQL database, as postgres://user:password@host:port/name (default: SQLite)
PREFLOOP_DATABASE        path of the SQLite file (default: prefloop.sqlite3 in the working copy)
PREFLOOP_SECRET_KEY      signs cookies, links and pseudonyms (default: made once, kept beside the SQLite file)
PREFLOOP_ALLOWED_HOSTS   host names, separated by commas (default: this machine only)
PREFLOOP_MAX_INPUT_MB    the largest file of items or judgments that a command takes, in MiB (default: 2048)
PREFLOOP_HTTPS           1 behind HTTPS: cookies travel over it alone
PREFLOOP_PROXIES         how many proxies stand in front and add to X-Forwarded-For (default: 1 behind HTTPS, else 0)
PREFLOOP_RATE_LIMITS     off, or limits other than the defaults, as send=240/4800 (see rate_limits.py)
PREFLOOP_DEBUG           1 shows tracebacks in the browser

docs/security.md says what each of them protects.
"""

import os
from pathlib import Path

from django.utils.functional import SimpleLazyObject

from annotation.databases import postgres_settings, sqlite_settings
from annotation.errors import InputError
from annotation.rate_limits import read_limits
from annotation.secret_key import check_secret, read_or_create_secret


def read_number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise InputError(f"{name}: expected a number such as 1, found {text!r}.")
    return int(text)


BASE_DIR = Path(__file__).resolve().parent.parent
DATABASE_URL = os.environ.get("DATABASE_URL", "")
DATABASE_PATH = Path(os.environ.get("PREFLOOP_DATABASE", BASE_DIR / "prefloop.sqlite3"))
BEHIND_HTTPS = os.environ.get("PREFLOOP_HTTPS") == "1"
DEBUG = os.environ.get("PREFLOOP_DEBUG") == "1"

try:
    MAX_INPUT_BYTES = int(os.environ.get("PREFLOOP_MAX_INPUT_MB", "2048")) * 2**20
except ValueError:
    raise InputError(
        f"PREFLOOP_MAX_INPUT_MB: expected a whole number of MiB, found {os.environ['PREFLOOP_MAX_INPUT_MB']!r}."
    ) from None

if DATABASE_URL and not os.environ.get("PREFLOOP_SECRET_KEY"):
    # A file beside one of several web servers would make cookies and pseudonyms that the others do not know.
    raise InputError(
        "DATABASE_URL is set, so PREFLOOP_SECRET_KEY must be too: a long random text, the same on every server."
    )
if os.environ.get("PREFLOOP_SECRET_KEY") and not DEBUG:
    check_secret(os.environ["PREFLOOP_SECRET_KEY"], source="PREFLOOP_SECRET_KEY")
# Lazy, so that a command that never signs anything leaves no file behind.
SECRET_KEY = SimpleLazyObject(
    lambda: (
        os.environ.get("PREFLOOP_SECRET_KEY")
        or read_or_create_secret(DATABASE_PATH.with_name(DATABASE_PATH.name + ".secret"))
    )
)
PUBLIC_HOSTS = os.environ.get("PREFLOOP_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
PUBLIC_ORIGIN = f"https://{PUBLIC_HOSTS[0]}" if BEHIND_HTTPS else "http://127.0.0.1:8000"
ALLOWED_HOSTS = [*PUBLIC_HOSTS, "127.0.0.1"]  # `serve` asks itself at the loopback address whether it is up

INSTALLED_APPS = [
    "annotation",
    "analysis",
    "reward_models",
    "rl",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "annotation.middleware.SecurityHeaders",  # outermost: static files and errors carry them too
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "annotation.middleware.PageLanguage",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "annotation.middleware.AdminMessages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "annotation.middleware.RateLimits",
]
ROOT_URLCONF = "annotation.urls"
WSGI_APPLICATION = "annotation.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": postgres_settings(DATABASE_URL) if DATABASE_URL else sqlite_settings(DATABASE_PATH)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# A session is one signed cookie: no row to read or write for a page.
SESSION_ENGINE = "annotation.sessions"
SESSION_COOKIE_AGE = 14 * 24 * 3600  # a worker's; a requester's is shorter, see requesters.py
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_HTTPS
SECURE_SSL_REDIRECT = BEHIND_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$"]  # asked for on this machine, without a proxy
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_HTTPS else 0
# Other hosts of a domain, and browsers' lists of HTTPS-only domains, are for the owner of the domain to decide on.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in PUBLIC_HOSTS] if BEHIND_HTTPS else []
TRUSTED_PROXIES = read_number("PREFLOOP_PROXIES", default=int(BEHIND_HTTPS))
RATE_LIMITS = read_limits(os.environ.get("PREFLOOP_RATE_LIMITS", ""))

# Only forms are sent here, none of them with a file.
DATA_UPLOAD_MAX_MEMORY_SIZE = 128 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 0

AUTH_PASSWORD_VALIDATORS = [{"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "home"

STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # served from the packages: no collectstatic step
WHITENOISE_AUTOREFRESH = DEBUG

LANGUAGE_CODE = "en"
# Of workers' pages; a new one is a catalogue in `locale/` (see docs/workers-journey.md).
LANGUAGES = [("en", "English"), ("ko", "한국어")]
LANGUAGE_COOKIE_AGE = 31_536_000
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = BEHIND_HTTPS
TIME_ZONE = "UTC"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
