"""Who comes: by a signed link, with a handle that a platform or anybody wrote into the address, or without a name.

A handle means one worker among those who came in the same way, so nobody becomes a worker with a signed link by
writing that worker's handle into an address.
"""

import secrets
import time

from django.http import HttpRequest

from annotation.invitations import Invitation
from annotation.models import Campaign, Participation, Worker


def remember_arrival(request: HttpRequest, handle: str, source: str) -> None:
    """Keep in the session who came; someone else at the same browser starts with an empty one."""
    arrival = {"handle": handle, "source": source}
    if request.session.get("arrival") != arrival:
        request.session.flush()
        request.session["arrival"] = arrival


def remember_invitation(request: HttpRequest, invitation: Invitation) -> None:
    remember_arrival(request, invitation.handle, invitation.source)
    request.session["invitation"] = {"campaign": invitation.campaign, "until": invitation.until}


def is_admitted(request: HttpRequest, campaign: Campaign) -> bool:
    """Whether this browser may join: anybody where the campaign is open to all, else by a link or having joined."""
    if campaign.access == Campaign.Access.OPEN:
        return True
    invitation = request.session.get("invitation", {})
    if invitation.get("campaign") == campaign.name and time.time() < invitation["until"]:
        return True
    return worker_in(request, campaign) is not None


def worker_in(request: HttpRequest, campaign: Campaign) -> Worker | None:
    """The worker of this session, if they agreed to take part in `campaign`."""
    consented = Participation.objects.filter(campaign=campaign, worker=request.session.get("worker"))
    participation = consented.select_related("worker").first()
    return participation.worker if participation else None


def worker_of_session(request: HttpRequest) -> Worker:
    """The worker of this session, who is made when they first join a campaign."""
    known = Worker.objects.filter(pk=request.session.get("worker", 0)).first()
    if known is not None:
        return known
    arrival = request.session.get("arrival")
    if arrival is None:
        return Worker.objects.create(handle=f"guest-{secrets.token_hex(8)}")
    return Worker.objects.get_or_create(handle=arrival["handle"], source=arrival["source"])[0]
