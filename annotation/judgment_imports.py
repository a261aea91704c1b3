"""Judgments that were made elsewhere, as an export: a results file and its mapping become records and a manifest.

They belong to no campaign of the database, so nothing is stored there; every other stage reads the folder.
"""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from annotation.batch_mappings import ComparisonMapping, Mapped, RatingMapping, load_mapping
from annotation.batch_rows import BatchRow
from annotation.errors import InputError
from annotation.manifests import MeanAgreement
from annotation.near_duplicates import PromptClusters, cluster_prompts
from annotation.record_files import AnyRecord, describe_files, open_record_files, write_export
from annotation.records import FILE_STEMS, SCHEMA_VERSION, Comparison, Preference, Rating, aggregate_preferences
from annotation.run_folders import plain, sha256_of_file, write_json
from annotation.table_files import Row, RowProblem, read_rows, refuse, write_report

Judged = Rating | Comparison
FLIPPED = {"a": "b", "b": "a"}


def import_judgments(
    source: Path, mapping_path: Path | None, output: Path, *, file_format: str = "jsonl", report: Path | None = None
) -> dict[str, Any]:
    """Write the judgments of `source` as an export to `output`; returns the manifest.

    InputError if any row cannot be used: it names the first few, and `report` gets a CSV of all.
    """
    header = _read_header(source)
    if mapping_path is None:
        columns = ", ".join([name for name in header if name.startswith(("Input.", "Answer."))] or header)
        raise InputError(f"{source}: --mapping is missing: expected a YAML that says what these mean: {columns}.")
    mapping = load_mapping(mapping_path, header)
    batch = Batch(mapping)
    for place, row in tqdm(read_rows(source), "import", unit="row", disable=None, leave=False):
        batch.add(place, row)
    if batch.problems:
        if report:
            write_report(batch.problems, report)
        raise refuse(source, batch.problems, "--report FILE lists all")
    with write_export(output) as folder:
        clusters = cluster_prompts(record.prompt for records in batch.hits.values() for record in records)
        records = list_records(batch, clusters)
        with open_record_files(folder, records, file_format) as files:
            for record_type, rows in records.items():
                files[FILE_STEMS[record_type]].write(rows)
        origin = {"file": source.name, "sha256": sha256_of_file(source), "mapping": plain(mapping)}
        manifest = describe_batch(batch) | {"imported_from": origin, "files": describe_files(files)}
        if Preference in records:
            manifest["near_duplicates"] = clusters.describe()
        write_json(folder / "manifest.json", manifest)
    return manifest


def _read_header(source: Path) -> list[str]:
    for _, row in read_rows(source):
        if not isinstance(row, RowProblem):
            return list(row)
    raise InputError(f"{source} holds no judgments; expected at least one row.")


@dataclass(slots=True)
class Batch:
    """The rows of a results file, by HIT in order of first appearance, and what is wrong with them."""

    mapping: Mapped
    hits: dict[str, list[Judged]] = field(default_factory=dict)
    problems: list[RowProblem] = field(default_factory=list)
    _place_of_work: dict[tuple[str, str], str] = field(default_factory=dict)
    _prompt_of_item: dict[str, str] = field(default_factory=dict)
    _sides_of_pair: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, place: str, cells: Row | RowProblem) -> None:
        if isinstance(cells, RowProblem):
            self.problems.append(cells)
            return
        row = BatchRow(place, cells, self.mapping.columns)
        judged = self._read_ratings(row) if isinstance(self.mapping, RatingMapping) else self._read_comparison(row)
        self.problems += row.problems
        if not row.problems:
            self.hits.setdefault(judged[0].hit, []).extend(judged)

    def _read_ratings(self, row: BatchRow) -> Sequence[Judged]:
        mapping = self.mapping
        assert isinstance(mapping, RatingMapping)
        prompt, system = row.text("prompt", mapping.prompt), row.name("system", mapping.system)
        completion = row.text("completion", mapping.completion, may_be_empty=True)
        item = self._item(row, mapping.item, prompt)
        shared = self._provenance(row, row_digest(item, system, completion))
        references = tuple(row.text("references", template, may_be_empty=True) for template in mapping.references)
        values = [(question, row.answer(question)) for question in mapping.questions]
        if row.problems:
            return []
        return [
            Rating(
                item=item,
                system=system,
                prompt=prompt,
                completion=completion,
                references=references,
                question=question.name,
                value=int(value),
                scale_min=question.scale_min,
                scale_max=question.scale_max,
                **shared,
            )
            for question, value in values
        ]

    def _read_comparison(self, row: BatchRow) -> Sequence[Judged]:
        mapping = self.mapping
        assert isinstance(mapping, ComparisonMapping)
        prompt = row.text("prompt", mapping.prompt)
        item = self._item(row, mapping.item, prompt)
        shown = (
            *(
                row.text(f"completion_{side}", getattr(mapping, f"completion_{side}"), may_be_empty=True)
                for side in "ab"
            ),
            *(row.name(f"system_{side}", getattr(mapping, f"system_{side}")) for side in "ab"),
        )
        swapped = (shown[1], shown[0], shown[3], shown[2])
        pair = row.name("pair", mapping.pair) if mapping.pair else row_digest(item, *min(shown, swapped))
        # A pair that is shown both ways round in the file is one pair: a is what was a in its first row.
        sides = self._sides_of_pair.setdefault(pair, shown)
        if sides not in (shown, swapped):
            row.note("pair", f"pair {pair!r} has other completions above")
        shared = self._provenance(row, row_digest(pair))
        choice, left = str(row.answer(mapping.question)), mapping.left
        if sides != shown:
            choice, left = FLIPPED.get(choice, choice), FLIPPED[left]
        if row.problems:
            return []
        completion_a, completion_b, system_a, system_b = sides
        return [
            Comparison(
                item=item,
                pair=pair,
                prompt=prompt,
                completion_a=completion_a,
                completion_b=completion_b,
                system_a=system_a,
                system_b=system_b,
                left=left,
                choice=choice,
                strength=None,
                **shared,
            )
        ]

    def _item(self, row: BatchRow, template: str | None, prompt: str) -> str:
        item = row.name("item", template) if template else row_digest(prompt)
        if self._prompt_of_item.setdefault(item, prompt) != prompt:
            row.note("prompt", f"item {item!r} has another prompt above")
        return item

    def _provenance(self, row: BatchRow, derived_hit: str) -> dict[str, Any]:
        columns = self.mapping.columns
        hit = derived_hit if columns.hit is None else row.cell(columns.hit)
        worker = row.worker()
        first = self._place_of_work.setdefault((worker, hit), row.place)
        if first != row.place:
            row.note(columns.worker, f"the same worker judged this HIT on {first}")
        return {
            "campaign": self.mapping.campaign,
            "hit": hit,
            "worker": worker,
            "assignment": row.assignment(hit, worker),
            "kind": row.kind(),
            "excluded": row.excluded(),
            "active_seconds": row.active_seconds(),
            "submitted_on": row.submitted_on(),
        }


def row_digest(*texts: str) -> str:
    return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:16]


def list_records(batch: Batch, clusters: PromptClusters) -> dict[type[AnyRecord], Sequence[AnyRecord]]:
    """The batch's records by type, HIT by HIT."""
    if isinstance(batch.mapping, RatingMapping):
        return {Rating: [record for records in batch.hits.values() for record in records]}
    comparisons = [record for records in batch.hits.values() for record in records if isinstance(record, Comparison)]
    return {Comparison: comparisons, Preference: aggregate_preferences(comparisons, clusters)}


def describe_batch(batch: Batch) -> dict[str, Any]:
    """The manifest, with the keys of a campaign's; null stands for what a results file does not say."""
    mapping = batch.mapping
    works = {record.assignment: record for records in batch.hits.values() for record in records}
    raters = {hit: len({record.assignment for record in records}) for hit, records in batch.hits.items()}
    most = max(raters.values())
    workers = len({work.worker for work in works.values()})
    return {
        "schema_version": SCHEMA_VERSION,
        "campaign": mapping.campaign,
        "task": None,
        "kind": mapping.kind,
        "simulated": False,
        "title": mapping.title or mapping.campaign,
        "instructions": list(mapping.instructions),
        "questions": [_describe_question(question) for question in mapping.questions],
        "raters_per_hit": most,
        "allow_tie": isinstance(mapping, ComparisonMapping) and bool(mapping.question.tie),
        "allow_both_bad": isinstance(mapping, ComparisonMapping) and bool(mapping.question.both_bad),
        "reward_per_hit": None,
        "seed": None,
        "counts": {
            "hits": len(raters),
            "hits_complete": sum(count == most for count in raters.values()),
            "assignments": len(works),
            "judgments": sum(map(len, batch.hits.values())),
            "workers": workers,
            "workers_by_source": {"imported": workers},
            "kinds": dict(sorted(Counter(work.kind for work in works.values()).items())),
        },
        "exclusions": [
            {"assignment": token, "reason": work.excluded, "excluded_on": None, "replaced": False}
            for token, work in works.items()
            if work.excluded
        ],
        "agreement": _describe_agreement(batch),
    }


def _describe_question(question: Any) -> Mapping[str, Any]:
    described = {"name": question.name, "text": question.text}
    scale = {entry.name: getattr(question, entry.name) for entry in dataclasses.fields(question)}
    return described | plain({key: scale[key] for key in ("scale_min", "scale_max", "labels") if scale.get(key)})


def _describe_agreement(batch: Batch) -> dict[str, float | None]:
    agreement = {question.name: MeanAgreement() for question in batch.mapping.questions}
    for records in batch.hits.values():
        for name, of_question in agreement.items():
            counting = [record for record in records if record.counts]
            of_question.add(
                record.value if isinstance(record, Rating) else record.choice
                for record in counting
                if isinstance(record, Comparison) or record.question == name
            )
    return {name: of_question.mean for name, of_question in agreement.items()}
