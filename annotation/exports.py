"""Judgments out of the database: rows become records, records become a folder with a manifest.

The folder appears whole or not at all. Workers are pseudonyms in it, and times are dates.
"""

import hashlib
import hmac
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F

from annotation.errors import InputError
from annotation.models import HIT, Assignment, Campaign, Judgment, Worker
from annotation.ranked_pairs import comparisons_of_ranking
from annotation.records import (
    FILE_STEMS,
    SCHEMA_VERSION,
    Comment,
    Comparison,
    Preference,
    Ranking,
    Rating,
    aggregate_preferences,
    share_of_agreeing_pairs,
    to_dict,
)
from annotation.run_folders import sha256_of_file, write_json
from annotation.task_templates import Question, TaskTemplate, template_of

FORMATS = ("jsonl", "parquet")
Records = Sequence[Rating] | Sequence[Comparison] | Sequence[Ranking] | Sequence[Preference] | Sequence[Comment]


def export_judgments(
    campaign: Campaign, output: Path, file_format: str = "jsonl", *, with_comments: bool = False
) -> dict[str, Any]:
    """Write the export of `campaign` to `output`; returns the manifest. Free text is in it only `with_comments`."""
    if output.exists():
        raise InputError(f"{output} exists already; name another --output or remove it first.")
    tables = collect_records(campaign)
    if not any(tables.values()):
        raise InputError(f"campaign {campaign.name!r} has no judgments yet; there is nothing to export.")
    if with_comments:
        tables[FILE_STEMS[Comment]] = collect_comments(campaign)
    partial = output.with_name(output.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        paths = {stem: _write_records(records, partial / f"{stem}.{file_format}") for stem, records in tables.items()}
        files = {path.name: {"rows": len(tables[stem]), "sha256": sha256_of_file(path)} for stem, path in paths.items()}
        manifest = describe_campaign(campaign, tables) | {"files": files}
        write_json(partial / "manifest.json", manifest)
        partial.rename(output)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def collect_records(campaign: Campaign) -> dict[str, Records]:
    """The records of `campaign` by file stem, in publication order and, within a HIT, by slot."""
    template = template_of(campaign.template)
    judgments = judgments_in_order(campaign)
    if campaign.kind == Campaign.Kind.LIKERT:
        questions = {question.name: question for question in template.questions}
        return {FILE_STEMS[Rating]: [rating_of(j, questions[j.question]) for j in judgments]}
    tables: dict[str, Records] = {}
    if campaign.shows_sets:
        rankings = [ranking_of(judgment) for judgment in judgments]
        tables[FILE_STEMS[Ranking]] = rankings
        comparisons = [comparison for ranking in rankings for comparison in comparisons_of_ranking(ranking)]
    else:
        comparisons = [comparison_of(judgment) for judgment in judgments]
    preferences = aggregate_preferences(comparisons)
    return tables | {FILE_STEMS[Comparison]: comparisons, FILE_STEMS[Preference]: preferences}


def collect_comments(campaign: Campaign) -> list[Comment]:
    """What workers wrote, in publication order and, within a HIT, by slot."""
    assignments = Assignment.objects.filter(campaign=campaign, comment__isnull=False)
    related = ("comment", "worker", "campaign", "hit__item")
    slot = F("slot").asc(nulls_last=True)
    return [
        Comment(item=a.hit.item.key, comment=a.comment.text, **_provenance(a, a.hit))
        for a in assignments.select_related(*related).order_by("hit__position", slot, "id")
    ]


def judgments_in_order(campaign: Campaign) -> Iterable[Judgment]:
    related = ("worker", "campaign", "hit__item", "hit__completion_a__system", "hit__completion_b__system")
    judgments = Judgment.objects.filter(assignment__campaign=campaign)
    judgments = judgments.select_related(*(f"assignment__{path}" for path in related))
    if campaign.shows_sets:
        judgments = judgments.prefetch_related("assignment__hit__members__completion__system")
    slot = F("assignment__slot").asc(nulls_last=True)
    return judgments.order_by("assignment__hit__position", slot, "assignment_id", "id").iterator(chunk_size=2000)


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


def pseudonym(worker: Worker) -> str:
    """A keyed digest of the worker's random identity: with the identity gone, nothing leads back to the person."""
    key = hashlib.sha256(b"prefloop pseudonym\x1f" + str(settings.SECRET_KEY).encode()).digest()
    return "w" + hmac.digest(key, worker.identity.bytes, "sha256").hex()[:16]


def describe_campaign(campaign: Campaign, tables: dict[str, Records]) -> dict[str, Any]:
    """The manifest: what was asked of whom, how much came back, and what does not count and why."""
    template = template_of(campaign.template)
    assignments = Assignment.objects.filter(campaign=campaign, submitted_at__isnull=False)
    sources = Counter(assignments.order_by().values_list("worker", "worker__source").distinct())
    by_source = Counter(source for _, source in sources)
    judgments = next(iter(tables.values()))
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": campaign.name,
        "task": campaign.task,
        "kind": campaign.kind,
        "simulated": Worker.Source.SIMULATION in by_source,
        "title": template.title,
        "instructions": list(template.instructions),
        "questions": [_describe_question(question) for question in template.questions],
        "raters_per_hit": campaign.raters_per_hit,
        "allow_tie": campaign.allow_tie,
        "allow_both_bad": campaign.allow_both_bad,
        "strength_labels": list(template.strength_labels),
        "reward_per_hit": str(campaign.reward_per_hit),
        "seed": campaign.seed,
        "counts": {
            "hits": campaign.hits.count(),
            "hits_complete": campaign.hits.filter(free_slots=0).exclude(assignments__state="accepted").count(),
            "assignments": assignments.count(),
            "judgments": len(judgments),
            "workers": sum(by_source.values()),
            "workers_by_source": dict(sorted(by_source.items())),
            "kinds": dict(Counter(assignments.order_by("id").values_list("kind", flat=True))),
        },
        "exclusions": [
            {"assignment": token, "reason": reason}
            for token, reason in assignments.exclude(excluded="").order_by("id").values_list("token", "excluded")
        ],
        "agreement": describe_agreement(tables, template),
    }


def _describe_question(question: Question) -> dict[str, Any]:
    described: dict[str, Any] = {"name": question.name, "text": question.text}
    if question.labels:
        described |= {"scale_min": question.scale_min, "scale_max": question.scale_max}
        described |= {"labels": list(question.labels)}
    return described


def describe_agreement(tables: dict[str, Records], template: TaskTemplate) -> dict[str, float | None]:
    """Share of the pairs of raters of a HIT who answered alike, by question, over HITs with two raters or more.

    Of rankings it is the share for each pair of a set's completions, over all pairs that two raters or more ordered.
    """
    answers: dict[str, dict[str, Counter[int | str]]] = {question.name: {} for question in template.questions}
    for record in tables.get(FILE_STEMS[Comparison]) or next(iter(tables.values())):
        if isinstance(record, Rating) and record.counts:
            answers[record.question].setdefault(record.hit, Counter())[record.value] += 1
        elif isinstance(record, Comparison) and record.counts:
            answers[template.questions[0].name].setdefault(record.pair, Counter())[record.choice] += 1
    agreement: dict[str, float | None] = {}
    for question, judged in answers.items():
        shares = [share for votes in judged.values() if (share := share_of_agreeing_pairs(votes.values())) is not None]
        agreement[question] = sum(shares) / len(shares) if shares else None
    return agreement


def _write_records(records: Records, path: Path) -> Path:
    if path.suffix == ".parquet":
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist([to_dict(record) for record in records]), path)
    else:
        with path.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(to_dict(record), ensure_ascii=False) + "\n" for record in records)
    return path
