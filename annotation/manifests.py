"""The manifest of an export: what was asked of whom, how much came back, and what does not count and why."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from annotation.models import Assignment, Campaign, Judgment, Worker
from annotation.rankings import order_pairs
from annotation.records import SCHEMA_VERSION, share_of_agreeing_pairs
from annotation.task_templates import Question, template_of


@dataclass(slots=True)
class MeanAgreement:
    """Share of the pairs of raters of a HIT who answered alike, averaged over HITs with two counting raters or more.

    Of rankings it is the share for each pair of a set's completions, averaged over all pairs that two or more ordered.
    """

    total: float = 0.0
    count: int = 0

    def add(self, answers: Iterable[int | str]) -> None:
        share = share_of_agreeing_pairs(Counter(answers).values())
        if share is not None:
            self.total += share
            self.count += 1

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(slots=True)
class Tally:
    """What a manifest counts, counted while HIT after HIT is written: it tells of the files, whatever else is
    submitted meanwhile."""

    agreement: dict[str, MeanAgreement]
    judgments: int = 0
    assignments: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    source_of_worker: dict[int, str] = field(default_factory=dict)
    exclusions: list[dict[str, Any]] = field(default_factory=list)

    def add_hit(self, judgments: Sequence[Judgment]) -> None:
        self.judgments += len(judgments)
        for assignment in {judgment.assignment_id: judgment.assignment for judgment in judgments}.values():
            self._add_assignment(assignment)
        answers: dict[tuple[str, Any], list[int | str]] = {}
        for judgment in judgments:
            if judgment.assignment.counts:
                for part, answer in answers_of(judgment).items():
                    answers.setdefault((judgment.question, part), []).append(answer)
        for (question, _), given in answers.items():
            self.agreement[question].add(given)

    def _add_assignment(self, assignment: Assignment) -> None:
        self.assignments += 1
        self.kinds[assignment.kind] += 1
        self.source_of_worker[assignment.worker_id] = assignment.worker.source
        if assignment.excluded:
            excluded_at = assignment.excluded_at
            self.exclusions.append(
                {
                    "assignment": assignment.token,
                    "reason": assignment.excluded,
                    "excluded_on": excluded_at.date().isoformat() if excluded_at else None,
                    "replaced": assignment.gave_up_its_slot,
                }
            )


def answers_of(judgment: Judgment) -> Mapping[Any, int | str]:
    """What raters of a HIT agree or disagree on, by part: a ranking orders many pairs, other answers are one."""
    if judgment.ranking:
        return order_pairs(judgment.ranking, judgment.assignment.campaign.kind)
    return {"": judgment.choice if judgment.value is None else judgment.value}


def start_tally(campaign: Campaign) -> Tally:
    return Tally({question.name: MeanAgreement() for question in template_of(campaign.template).questions})


def describe_campaign(campaign: Campaign, tally: Tally, files: Mapping[str, Any]) -> dict[str, Any]:
    template = template_of(campaign.template)
    by_source = Counter(tally.source_of_worker.values())
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": campaign.name,
        "task": campaign.task,
        "kind": campaign.kind,
        "simulated": Worker.Source.SIMULATION in by_source,
        "title": template.title,
        "instructions": list(template.instructions),
        "questions": [describe_question(question) for question in template.questions],
        "raters_per_hit": campaign.raters_per_hit,
        "allow_tie": campaign.allow_tie,
        "allow_both_bad": campaign.allow_both_bad,
        "strength_labels": list(template.strength_labels),
        "reward_per_hit": str(campaign.reward_per_hit),
        "seed": campaign.seed,
        "counts": {
            "hits": campaign.hits.count(),
            "hits_complete": campaign.hits.filter(free_slots=0).exclude(assignments__state="accepted").count(),
            "assignments": tally.assignments,
            "judgments": tally.judgments,
            "workers": len(tally.source_of_worker),
            "workers_by_source": dict(sorted(by_source.items())),
            "kinds": dict(sorted(tally.kinds.items())),
        },
        "exclusions": tally.exclusions,
        "agreement": {question: agreement.mean for question, agreement in tally.agreement.items()},
        "files": dict(files),
    }


def describe_question(question: Question) -> dict[str, Any]:
    described: dict[str, Any] = {"name": question.name, "text": question.text}
    if question.labels:
        described |= {"scale_min": question.scale_min, "scale_max": question.scale_max}
        described |= {"labels": list(question.labels)}
    return described
