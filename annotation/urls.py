"""Addresses. A worker's begin with /c/, those over all campaigns with /me/; a requester's with /requester/."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path
from django.views.i18n import set_language

from annotation.views import history, home, qualification, requester, worker

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", home.healthz, name="healthz"),
    path("c/<slug:campaign_name>/", worker.landing, name="landing"),
    path("c/<slug:campaign_name>/enter/<str:ticket>/", worker.enter, name="worker_link"),
    path("c/<slug:campaign_name>/join/", worker.join, name="join"),
    path("c/<slug:campaign_name>/instructions/", worker.instructions, name="instructions"),
    path("c/<slug:campaign_name>/qualification/", qualification.qualification, name="qualification"),
    path("c/<slug:campaign_name>/qualification/submit/", qualification.submit, name="qualification_submit"),
    path("c/<slug:campaign_name>/qualification/result/", qualification.result, name="qualification_result"),
    path("c/<slug:campaign_name>/accept/", worker.accept, name="accept"),
    path("c/<slug:campaign_name>/work/<slug:token>/", worker.assignment, name="assignment"),
    path("c/<slug:campaign_name>/work/<slug:token>/submit/", worker.submit, name="submit"),
    path("c/<slug:campaign_name>/work/<slug:token>/skip/", worker.skip, name="skip"),
    path("c/<slug:campaign_name>/finish/", worker.finish, name="finish"),
    path("c/<slug:campaign_name>/history/", history.history, name="history"),
    path("me/", history.me, name="me"),
    path("language/", set_language, name="set_language"),
    path("requester/", requester.dashboard, name="dashboard"),
    path("requester/enter/<str:ticket>/", requester.enter, name="enter"),
    path("requester/login/", LoginView.as_view(template_name="annotation/login.html"), name="login"),
    path("requester/logout/", LogoutView.as_view(), name="logout"),
    path("requester/c/<slug:campaign_name>/", requester.campaign, name="campaign"),
    path("requester/c/<slug:campaign_name>/quality/", requester.quality, name="quality"),
    path("admin/", admin.site.urls),
]

handler400 = "annotation.views.refusals.bad_request"
