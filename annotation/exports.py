"""Judgments out of the database: rows become records, records become a folder with a manifest.

HIT after HIT is read and written, so that of a campaign of any size only its prompts are in memory at once, while their
near-duplicates are looked for. The folder appears whole or not at all. Workers are pseudonyms in it, and times are
dates.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.db.models import F
from tqdm import tqdm

from annotation.errors import InputError
from annotation.manifests import Tally, describe_campaign, start_tally
from annotation.models import HIT, Assignment, Campaign, Judgment
from annotation.near_duplicates import PromptClusters, cluster_prompts
from annotation.pseudonyms import pseudonym
from annotation.ranked_pairs import comparisons_of_ranking
from annotation.record_files import AnyRecord, RecordFile, describe_files, open_record_files, write_export
from annotation.records import (
    FILE_STEMS,
    Comment,
    Comparison,
    Preference,
    Ranking,
    Rating,
    aggregate_preferences,
)
from annotation.run_folders import write_json
from annotation.task_templates import Question, TaskTemplate, template_of

JUDGMENTS_AT_ONCE = 500  # about so many are in memory, with their texts

RecordsByStem = dict[str, Sequence[AnyRecord]]


def export_judgments(
    campaign: Campaign, output: Path, file_format: str = "jsonl", *, with_comments: bool = False
) -> dict[str, Any]:
    """Write the export of `campaign` to `output`; returns the manifest. Free text is in it only `with_comments`."""
    if not Judgment.objects.filter(assignment__campaign=campaign).exists():
        raise InputError(f"campaign {campaign.name!r} has no judgments yet; there is nothing to export.")
    record_types = RECORD_TYPES[campaign.kind] + ((Comment,) if with_comments else ())
    with write_export(output) as folder:
        tally = start_tally(campaign)
        clusters = cluster_items(campaign) if Preference in record_types else None
        with open_record_files(folder, record_types, file_format) as files:
            _write_records(campaign, files, tally, clusters)
            if with_comments:
                files[FILE_STEMS[Comment]].write(comments_in_order(campaign))
        manifest = describe_campaign(campaign, tally, describe_files(files))
        if clusters:
            manifest["near_duplicates"] = clusters.describe()
        write_json(folder / "manifest.json", manifest)
    return manifest


def cluster_items(campaign: Campaign) -> PromptClusters:
    """Of all items, judged or not: their splits then stay what they are as judgments come in."""
    return cluster_prompts(campaign.items.values_list("prompt", flat=True).iterator())


def _write_records(
    campaign: Campaign, files: dict[str, RecordFile], tally: Tally, clusters: PromptClusters | None
) -> None:
    template = template_of(campaign.template)
    records_of_hit = RECORDS_OF_HIT[campaign.kind]
    hits = judged_hits(campaign)
    for _, judgments in tqdm(hits, "export", campaign.hits.count(), unit="HIT", disable=None, leave=False):
        tally.add_hit(judgments)
        for stem, records in records_of_hit(judgments, template, clusters).items():
            files[stem].write(records)


def judged_hits(campaign: Campaign) -> Iterator[tuple[HIT, list[Judgment]]]:
    """Every HIT in publication order, with its judgments by slot."""
    related = ("item", "completion_a__system", "completion_b__system")
    hits = campaign.hits.select_related(*related).order_by("position")
    if campaign.shows_sets:
        hits = hits.prefetch_related("members__completion__system")
    a_hit_has = campaign.raters_per_hit * len(template_of(campaign.template).questions)
    after = -1
    while page := list(hits.filter(position__gt=after)[: max(1, JUDGMENTS_AT_ONCE // a_hit_has)]):
        judgments = _judgments_of(campaign, page)
        yield from ((hit, judgments[hit.pk]) for hit in page)
        after = page[-1].position


def _judgments_of(campaign: Campaign, page: Sequence[HIT]) -> dict[int, list[Judgment]]:
    hits = {hit.pk: hit for hit in page}
    found: dict[int, list[Judgment]] = {pk: [] for pk in hits}
    judgments = Judgment.objects.filter(assignment__hit__in=list(hits)).select_related("assignment__worker")
    slot = F("assignment__slot").asc(nulls_last=True)
    for judgment in judgments.order_by(slot, "assignment_id", "id"):
        assignment = judgment.assignment
        assignment.campaign, assignment.hit = campaign, hits[assignment.hit_id]
        found[assignment.hit_id].append(judgment)
    return found


# A HIT's judgments -> records, a function a kind of campaign


def _ratings_of_hit(
    judgments: Sequence[Judgment], template: TaskTemplate, clusters: PromptClusters | None
) -> RecordsByStem:
    questions = {question.name: question for question in template.questions}
    return {FILE_STEMS[Rating]: [rating_of(judgment, questions[judgment.question]) for judgment in judgments]}


def _comparisons_of_hit(
    judgments: Sequence[Judgment], template: TaskTemplate, clusters: PromptClusters | None
) -> RecordsByStem:
    comparisons = [comparison_of(judgment) for judgment in judgments]
    # Within a campaign a pair is a HIT, so all its votes are here.
    preferences = aggregate_preferences(comparisons, clusters)
    return {FILE_STEMS[Comparison]: comparisons, FILE_STEMS[Preference]: preferences}


def _rankings_of_hit(
    judgments: Sequence[Judgment], template: TaskTemplate, clusters: PromptClusters | None
) -> RecordsByStem:
    rankings = [ranking_of(judgment) for judgment in judgments]
    comparisons = [comparison for ranking in rankings for comparison in comparisons_of_ranking(ranking)]
    preferences = aggregate_preferences(comparisons, clusters)
    return {FILE_STEMS[Ranking]: rankings, FILE_STEMS[Comparison]: comparisons, FILE_STEMS[Preference]: preferences}


RECORD_TYPES: dict[str, tuple[type[AnyRecord], ...]] = {
    Campaign.Kind.LIKERT: (Rating,),
    Campaign.Kind.PAIRWISE: (Comparison, Preference),
    Campaign.Kind.RANKING: (Ranking, Comparison, Preference),
    Campaign.Kind.BEST_WORST: (Ranking, Comparison, Preference),
}
RECORDS_OF_HIT: dict[str, Callable[[Sequence[Judgment], TaskTemplate, PromptClusters | None], RecordsByStem]] = {
    Campaign.Kind.LIKERT: _ratings_of_hit,
    Campaign.Kind.PAIRWISE: _comparisons_of_hit,
    Campaign.Kind.RANKING: _rankings_of_hit,
    Campaign.Kind.BEST_WORST: _rankings_of_hit,
}


def comments_in_order(campaign: Campaign) -> Iterator[Comment]:
    """What workers wrote, in publication order and, within a HIT, by slot."""
    assignments = Assignment.objects.filter(campaign=campaign, comment__isnull=False)
    related = ("comment", "worker", "campaign", "hit__item")
    slot = F("slot").asc(nulls_last=True)
    for assignment in assignments.select_related(*related).order_by("hit__position", slot, "id").iterator():
        item, text = assignment.hit.item.key, assignment.comment.text
        yield Comment(item=item, comment=text, **_provenance(assignment, assignment.hit))


def rating_of(judgment: Judgment, question: Question) -> Rating:
    assignment, hit = judgment.assignment, judgment.assignment.hit
    assert judgment.value is not None, "a Likert judgment has a value"
    assert hit.completion_a is not None, "a Likert HIT has a completion"
    return Rating(
        item=hit.item.key,
        system=hit.completion_a.system.name,
        prompt=hit.item.prompt,
        completion=hit.completion_a.text,
        references=tuple(hit.item.references),
        question=judgment.question,
        value=judgment.value,
        scale_min=question.scale_min,
        scale_max=question.scale_max,
        **_provenance(assignment, hit),
    )


def comparison_of(judgment: Judgment) -> Comparison:
    assignment, hit = judgment.assignment, judgment.assignment.hit
    assert hit.completion_a is not None and hit.completion_b is not None, "a pairwise HIT has two sides"
    return Comparison(
        item=hit.item.key,
        pair=hit.pair,
        prompt=hit.item.prompt,
        completion_a=hit.completion_a.text,
        completion_b=hit.completion_b.text,
        system_a=hit.completion_a.system.name,
        system_b=hit.completion_b.system.name,
        left=assignment.left,
        choice=judgment.choice,
        strength=judgment.strength,
        **_provenance(assignment, hit),
    )


def ranking_of(judgment: Judgment) -> Ranking:
    assignment, hit = judgment.assignment, judgment.assignment.hit
    completions = [member.completion for member in hit.members.all()]
    return Ranking(
        item=hit.item.key,
        set=hit.set,
        prompt=hit.item.prompt,
        completions=tuple(completion.text for completion in completions),
        systems=tuple(completion.system.name for completion in completions),
        shown=assignment.shown,
        asked=assignment.campaign.kind,
        ranking=judgment.ranking,
        **_provenance(assignment, hit),
    )


def _provenance(assignment: Assignment, hit: HIT) -> dict[str, Any]:
    assert assignment.submitted_at is not None, "a judgment belongs to a submitted assignment"
    return {
        "campaign": assignment.campaign.name,
        "hit": hit.key,
        "worker": pseudonym(assignment.worker),
        "assignment": assignment.token,
        "kind": assignment.kind,
        "excluded": assignment.excluded,
        "active_seconds": round(assignment.active_seconds or 0.0, 2),
        "submitted_on": assignment.submitted_at.date().isoformat(),
    }
