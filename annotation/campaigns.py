"""Create, publish and close campaigns. A campaign is stored whole, in one transaction, or not at all."""

import dataclasses
import hashlib
from collections.abc import Sequence

from django.db import transaction

from annotation import statements
from annotation.campaign_files import CampaignConfig, LikertRow, PairwiseRow, row_identity
from annotation.errors import InputError
from annotation.models import HIT, Campaign, Completion, Item, System
from annotation.run_folders import plain
from annotation.task_templates import TaskTemplate

BATCH = 2000


@transaction.atomic
def create_campaign(
    config: CampaignConfig, template: TaskTemplate, rows: Sequence[LikertRow] | Sequence[PairwiseRow]
) -> Campaign:
    """A draft campaign with one HIT a row. Publication order is by HIT key, so systems come well mixed."""
    if Campaign.objects.filter(name=config.name).exists():
        raise InputError(f"campaign {config.name!r} exists already; choose another name.")
    if config.title or config.instructions:
        title, instructions = config.title or template.title, config.instructions or template.instructions
        template = dataclasses.replace(template, title=title, instructions=instructions)
    campaign = Campaign.objects.create(
        name=config.name,
        task=config.task,
        kind=template.kind,
        template=plain(template),
        raters_per_hit=config.raters_per_hit,
        seed=config.seed,
        allow_tie=config.allow_tie,
        allow_both_bad=config.allow_both_bad,
        reward_per_hit=config.reward,
        lease_minutes=config.lease_minutes,
        access=config.access,
    )
    _store_hits(campaign, rows)
    return campaign


def publish(campaign: Campaign) -> None:
    """Let workers in."""
    statements.learn_sizes()
    campaign.state = Campaign.State.OPEN
    campaign.save(update_fields=["state"])


def close(campaign: Campaign) -> None:
    """Hand out nothing more; work that is under way can still be submitted."""
    campaign.state = Campaign.State.CLOSED
    campaign.save(update_fields=["state"])


def hit_key(campaign: Campaign, row: LikertRow | PairwiseRow) -> str:
    """A HIT's stable name. It may be seen by workers, so it is a digest under the campaign's seed."""
    text = "\x1f".join((str(campaign.seed), campaign.name, *row_identity(row)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _store_hits(campaign: Campaign, rows: Sequence[LikertRow] | Sequence[PairwiseRow]) -> None:
    items = _store_items(campaign, rows)
    completions = _store_completions(campaign, rows, items)
    in_order = sorted(((hit_key(campaign, row), row) for row in rows), key=lambda pair: pair[0])
    hits = []
    for position, (key, row) in enumerate(in_order):
        sides = [completions[identity] for identity in _completion_identities(row)]
        hits.append(
            HIT(
                campaign=campaign,
                item=items[row.item],
                key=key,
                pair=row.pair if isinstance(row, PairwiseRow) else "",
                completion_a=sides[0],
                completion_b=sides[1] if len(sides) == 2 else None,
                position=position,
                free_slots=campaign.raters_per_hit,
            )
        )
    HIT.objects.bulk_create(hits, batch_size=BATCH)


def _store_items(campaign: Campaign, rows: Sequence[LikertRow] | Sequence[PairwiseRow]) -> dict[str, Item]:
    items: dict[str, Item] = {}
    for row in rows:
        item = items.setdefault(row.item, Item(campaign=campaign, key=row.item, prompt=row.prompt, references=[]))
        item.references = item.references or list(row.references)
    Item.objects.bulk_create(items.values(), batch_size=BATCH)
    return items


def _store_completions(
    campaign: Campaign, rows: Sequence[LikertRow] | Sequence[PairwiseRow], items: dict[str, Item]
) -> dict[tuple[str, str, str], Completion]:
    identities = dict.fromkeys(identity for row in rows for identity in _completion_identities(row))
    systems = {name: System(campaign=campaign, name=name) for _, name, _ in identities}
    System.objects.bulk_create(systems.values())
    completions = {
        (item, system, text): Completion(
            item=items[item], system=systems[system], text=text, digest=hashlib.sha256(text.encode()).hexdigest()
        )
        for item, system, text in identities
    }
    Completion.objects.bulk_create(completions.values(), batch_size=BATCH)
    return completions


def _completion_identities(row: LikertRow | PairwiseRow) -> list[tuple[str, str, str]]:
    """(item, system, text) of each completion that the row shows."""
    if isinstance(row, PairwiseRow):
        return [(row.item, row.system_a, row.completion_a), (row.item, row.system_b, row.completion_b)]
    return [(row.item, row.system, row.completion)]
