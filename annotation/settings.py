"""Django settings; everything that differs between installations comes from the environment.

DATABASE_URL             a PostgreSQL database, as postgres://user:password@host:port/name (default: SQLite)
PREFLOOP_DATABASE        path of the SQLite file (default: prefloop.sqlite3 in the working copy)
PREFLOOP_SECRET_KEY      signs cookies and pseudonyms (default: made once, kept beside the SQLite file)
PREFLOOP_ALLOWED_HOSTS   host names, separated by commas (default: this machine only)
PREFLOOP_MAX_INPUT_MB    the largest file of items or judgments that a command takes, in MiB (default: 2048)
PREFLOOP_HTTPS           1 behind HTTPS: cookies travel over it alone
PREFLOOP_DEBUG           1 shows tracebacks in the browser
"""

import os
from pathlib import Path

from django.utils.functional import SimpleLazyObject

from annotation.databases import postgres_settings, sqlite_settings
from annotation.errors import InputError
from annotation.secret_key import read_or_create_secret

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
# Lazy, so that a command that never signs anything leaves no file behind.
SECRET_KEY = SimpleLazyObject(
    lambda: (
        os.environ.get("PREFLOOP_SECRET_KEY")
        or read_or_create_secret(DATABASE_PATH.with_name(DATABASE_PATH.name + ".secret"))
    )
)
ALLOWED_HOSTS = os.environ.get("PREFLOOP_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

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
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "annotation.middleware.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "annotation.middleware.PageLanguage",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
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

# A worker's session is one signed cookie: no row to read or write for a page.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_HTTPS
SECURE_SSL_REDIRECT = False  # the proxy in front does that
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_HTTPS else 0
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS] if BEHIND_HTTPS else []

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
