"""Fills a database for the browser tests; run as a process of its own on that database. Prints ways in, as JSON."""

import json
import sys


def main() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from annotation import campaigns
    from annotation.campaign_files import CampaignConfig
    from annotation.invitations import link_path
    from annotation.requesters import issue_ticket
    from annotation.task_templates import load_template
    from tests.annotation.conftest import likert_rows, pairwise_rows
    from tests.e2e.kinds import KINDS

    call_command("migrate", verbosity=0)
    rows = {"likert": likert_rows, "pairwise": pairwise_rows}
    for kind in KINDS:
        config = CampaignConfig(
            name=kind.campaign, task=kind.task, raters_per_hit=100, reward_per_hit=0.25, **kind.settings
        )
        campaign = campaigns.create_campaign(config, load_template(kind.task), rows[kind.rows](kind.hits_for_rows))
        campaigns.publish(campaign)
    invited = CampaignConfig(name="invited", task="commongen-pairwise", access="link")
    campaigns.publish(campaigns.create_campaign(invited, load_template(invited.task), pairwise_rows(2)))
    ways = {"worker": link_path("invited", "ada", days=1), "requester": f"/requester/enter/{issue_ticket('rosa')}/"}
    json.dump(ways, sys.stdout)


main()
