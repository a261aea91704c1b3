"""The floors of `bench_annotation`: the least that any Django app does for the same cycle, served the same way.

A page (GET) reads two texts and renders a template with a CSRF token; its answer (POST) inserts a judgment and takes
the next free slot, in one transaction. No form is checked, nothing is leased or expires, nobody is kept from meeting a
text twice, and no campaign, worker or assignment is looked up.

The bare floor keeps sessions in signed cookies, as the app does, and knows no users. The stock floor is what Django's
`startproject` sets up: its middleware, sessions in the database, and a user who is signed in.

It is a project in one file and configures Django for itself: only a server may import it.
"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.template import Context, Engine
from django.urls import path

from annotation import settings as app

IS_STOCK = os.environ.get("PREFLOOP_BENCH_FLOOR") == "stock"
BARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
STOCK = [
    "django.middleware.security.SecurityMiddleware",
    *BARE,
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
settings.configure(
    SECRET_KEY=app.SECRET_KEY,
    DATABASES=app.DATABASES,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions")] if IS_STOCK else [],
    SESSION_ENGINE="django.contrib.sessions.backends.db" if IS_STOCK else app.SESSION_ENGINE,
    MIDDLEWARE=STOCK if IS_STOCK else BARE,
)

TABLES = """
CREATE TABLE floor_slot (id integer PRIMARY KEY, a text NOT NULL, b text NOT NULL, worker varchar(100));
CREATE INDEX floor_free ON floor_slot (id) WHERE worker IS NULL;
CREATE TABLE django_session (
    session_key varchar(40) PRIMARY KEY, session_data text NOT NULL, expire_date {moment} NOT NULL);
CREATE TABLE floor_judgment (slot integer PRIMARY KEY REFERENCES floor_slot, choice varchar(16) NOT NULL);
INSERT INTO floor_slot (id, a, b)
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 60000)
    SELECT n, 'A dog ' || n || ' runs in the park.', 'A park ' || n || ' runs in the dog.' FROM number;
"""
TAKE = """
UPDATE floor_slot SET worker = %s
WHERE id = (SELECT id FROM floor_slot WHERE worker IS NULL ORDER BY id LIMIT 1 {lock}) RETURNING id
"""
READ = "SELECT a, b FROM floor_slot WHERE id = %s AND worker = %s"
JUDGE = "INSERT INTO floor_judgment (slot, choice) VALUES (%s, %s)"
PAGE = Engine().from_string("""<!doctype html><html lang="en"><head><title>Floor</title></head><body>
<form method="post" action="/c/floor/work/{{ slot }}/submit/">
<input type="hidden" name="csrfmiddlewaretoken" value="{{ csrf_token }}">
{% for text in texts %}<label><input type="radio" name="preference" required> {{ text }}</label>{% endfor %}
<button>Send</button></form></body></html>""")


def arrive(request: HttpRequest) -> HttpResponse:
    if IS_STOCK:
        from django.contrib.auth import login
        from django.contrib.auth.models import User

        login(request, User.objects.get_or_create(username=request.GET["worker"])[0])
    request.session["worker"] = request.GET["worker"]
    return HttpResponse(get_token(request))


def worker_of(request: HttpRequest) -> str:
    return request.user.get_username() if IS_STOCK else request.session["worker"]


def join(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/c/floor/")


def accept(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect(f"/c/floor/work/{take_slot(request)}/")


def take_slot(request: HttpRequest) -> int:
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with connection.cursor() as cursor:
        cursor.execute(TAKE.format(lock=lock), [worker_of(request)])
        ((slot,),) = cursor.fetchall()
    return slot


def show(request: HttpRequest, slot: int) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(READ, [slot, worker_of(request)])
        (texts,) = cursor.fetchall()
    context = {"slot": slot, "texts": texts, "csrf_token": get_token(request)}
    return HttpResponse(PAGE.render(Context(context)))


@transaction.atomic
def submit(request: HttpRequest, slot: int) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute(JUDGE, [slot, request.POST["preference"]])
    return HttpResponseRedirect(f"/c/floor/work/{take_slot(request)}/")


def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    path("healthz", healthz),
    path("c/floor/", arrive),
    path("c/floor/join/", join),
    path("c/floor/accept/", accept),
    path("c/floor/work/<int:slot>/", show),
    path("c/floor/work/<int:slot>/submit/", submit),
]
application = get_wsgi_application()
