"""Create, publish and close campaigns. A campaign is stored whole, in one transaction, or not at all."""

import dataclasses
import hashlib
from collections.abc import Sequence

from django.db import transaction

from annotation import statements
from annotation.campaign_files import CampaignConfig, ItemRow, PairwiseRow, SetRow, row_identity
from annotation.errors import InputError
from annotation.models import HIT, Campaign, Completion, Item, SetMember, System
from annotation.qualification import check_template
from annotation.rankings import LETTERS
from annotation.run_folders import plain
from annotation.task_templates import TaskTemplate

BATCH = 2000
STRENGTH_LABELS = {
    2: ("Slightly", "Clearly"),
    3: ("Slightly", "Clearly", "Far better"),
    4: ("Barely", "Slightly", "Clearly", "Far better"),
}
# Labels are kept with the votes, so they are in the language of the campaign, not of a worker's browser.
KOREAN_STRENGTH_LABELS = {
    2: ("조금 더", "확실히 더"),
    3: ("조금 더", "확실히 더", "훨씬 더"),
    4: ("아주 조금 더", "조금 더", "확실히 더", "훨씬 더"),
}


@transaction.atomic
def create_campaign(config: CampaignConfig, template: TaskTemplate, rows: Sequence[ItemRow]) -> Campaign:
    """A draft campaign with one HIT a row. Publication order is by HIT key, so systems come well mixed."""
    expect_free_name(config.name)
    template = adapt_template(template, config)
    check_template(template, source=f"campaign {config.name!r}")
    campaign = Campaign.objects.create(
        name=config.name,
        task=config.task,
        kind=template.kind,
        template=plain(template),
        raters_per_hit=config.raters_per_hit,
        seed=config.seed,
        allow_tie=config.allow_tie,
        allow_both_bad=config.allow_both_bad,
        ask_comment=config.ask_comment,
        reward_per_hit=config.reward,
        lease_minutes=config.lease_minutes,
        access=config.access,
    )
    _store_hits(campaign, rows)
    return campaign


def adapt_template(template: TaskTemplate, config: CampaignConfig) -> TaskTemplate:
    """The template as this campaign's workers read it; InputError if the campaign asks for what its kind has not."""
    if config.allow_both_bad and template.kind != "pairwise":
        raise InputError(f"allow_both_bad: expected false for task {config.task!r}, whose kind is {template.kind}.")
    if config.allow_tie and template.kind not in ("pairwise", "ranking"):
        raise InputError(f"allow_tie: expected false for task {config.task!r}, whose kind is {template.kind}.")
    return dataclasses.replace(
        template,
        title=config.title or template.title,
        instructions=config.instructions or template.instructions,
        language=config.language or template.language,
        qualification=config.qualification or template.qualification,
        strength_labels=_strength_labels(template, config),
    )


def _strength_labels(template: TaskTemplate, config: CampaignConfig) -> tuple[str, ...]:
    """The template's own labels, or the usual ones where it has none."""
    points, own = config.strength_points, template.strength_labels
    if points and template.kind != "pairwise":
        raise InputError(f"strength_points: expected 0 for task {config.task!r}, whose kind is {template.kind}.")
    if points and own and len(own) != points:
        raise InputError(f"strength_points: task {config.task!r} labels {len(own)} points; expected that or 0.")
    usual = KOREAN_STRENGTH_LABELS if (config.language or template.language) == "ko" else STRENGTH_LABELS
    return (own or usual[points]) if points else ()


def expect_free_name(name: str) -> None:
    if Campaign.objects.filter(name=name).exists():
        raise InputError(f"campaign {name!r} exists already; choose another name.")


def publish(campaign: Campaign) -> None:
    """Let workers in."""
    statements.learn_sizes()
    campaign.state = Campaign.State.OPEN
    campaign.save(update_fields=["state"])


def close(campaign: Campaign) -> None:
    """Hand out nothing more; work that is under way can still be submitted."""
    campaign.state = Campaign.State.CLOSED
    campaign.save(update_fields=["state"])


def hit_key(campaign: Campaign, row: ItemRow) -> str:
    """A HIT's stable name. It may be seen by workers, so it is a digest under the campaign's seed."""
    text = "\x1f".join((str(campaign.seed), campaign.name, *row_identity(row)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _store_hits(campaign: Campaign, rows: Sequence[ItemRow]) -> None:
    items = _store_items(campaign, rows)
    completions = _store_completions(campaign, rows, items)
    in_order = sorted(((hit_key(campaign, row), row) for row in rows), key=lambda pair: pair[0])
    hits: list[HIT] = []
    members: list[SetMember] = []
    for position, (key, row) in enumerate(in_order):
        shown = [completions[identity] for identity in _completion_identities(row)]
        sides = [] if isinstance(row, SetRow) else shown
        hit = HIT(
            campaign=campaign,
            item=items[row.item],
            key=key,
            pair=row.pair if isinstance(row, PairwiseRow) else "",
            set=row.set if isinstance(row, SetRow) else "",
            completion_a=sides[0] if sides else None,
            completion_b=sides[1] if len(sides) == 2 else None,
            position=position,
            free_slots=campaign.raters_per_hit,
        )
        hits.append(hit)
        if isinstance(row, SetRow):
            members += _members_of(hit, shown)
    HIT.objects.bulk_create(hits, batch_size=BATCH)
    SetMember.objects.bulk_create(members, batch_size=BATCH)


def _members_of(hit: HIT, shown: Sequence[Completion]) -> list[SetMember]:
    letters = LETTERS[: len(shown)]
    return [SetMember(hit=hit, letter=letter, completion=c) for letter, c in zip(letters, shown, strict=True)]


def _store_items(campaign: Campaign, rows: Sequence[ItemRow]) -> dict[str, Item]:
    items: dict[str, Item] = {}
    for row in rows:
        item = items.setdefault(row.item, Item(campaign=campaign, key=row.item, prompt=row.prompt, references=[]))
        item.references = item.references or list(row.references)
    Item.objects.bulk_create(items.values(), batch_size=BATCH)
    return items


def _store_completions(
    campaign: Campaign, rows: Sequence[ItemRow], items: dict[str, Item]
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


def _completion_identities(row: ItemRow) -> list[tuple[str, str, str]]:
    """(item, system, text) of each completion that the row shows."""
    if isinstance(row, PairwiseRow):
        return [(row.item, row.system_a, row.completion_a), (row.item, row.system_b, row.completion_b)]
    if isinstance(row, SetRow):
        return [(row.item, system, text) for system, text in zip(row.systems, row.completions, strict=True)]
    return [(row.item, row.system, row.completion)]
