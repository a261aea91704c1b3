"""Where preference pairs come from: an export, a file or folder of a known layout, or a data set on a hub."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotation.errors import InputError
from annotation.near_duplicates import PromptClusters, cluster_prompts
from annotation.record_readers import holds_records, read_comparisons, read_manifest, read_preferences
from annotation.records import SPLITS, Comparison, Preference, count_preference, split_of_prompt
from reward_models.pair_layouts import VotedPair, recognise_layout

FILES = {".jsonl": "json", ".json": "json", ".csv": "csv", ".parquet": "parquet"}
SPLIT_NAMES = {"train": "train", "validation": "validation", "valid": "validation", "dev": "validation", "test": "test"}
EXPORT = "export"
PAIRS_HELP = "an export's folder, a file or folder of a known layout (TRL, HH, SHP, MultiPref), or a hub name"


@dataclass(frozen=True, slots=True)
class PairSource:
    """Preferences, and the layout that they were read from.

    degrees: how much better a is said to be, from -1 (b by the most that anyone said) to 1, by the pair's name; of
    pairs about which anyone said so. near_duplicates: how many prompts have some (PromptClusters.describe), if all
    splits were drawn with those together.
    """

    layout: str
    preferences: list[Preference]
    degrees: Mapping[str, float] = field(default_factory=dict)
    near_duplicates: Mapping[str, int] | None = None

    @property
    def is_clustered(self) -> bool:
        """Whether its splits need no check for near-duplicates."""
        return self.near_duplicates is not None

    @property
    def description(self) -> str:
        by_split = {split: sum(pair.split == split for pair in self.preferences) for split in SPLITS}
        counted = ", ".join(f"{split} {count:,}" for split, count in by_split.items())
        described = f"layout {self.layout}: {len(self.preferences):,} pairs ({counted})"
        if not self.near_duplicates or not self.near_duplicates["prompts"]:
            return described
        found = "near-duplicate prompts {prompts:,}, clusters of them {clusters:,}, the largest {largest:,}"
        return f"{described}; {found.format(**self.near_duplicates)}"


def read_pairs(source: str | Path) -> PairSource:
    """The preferences of `source`: an export's folder, a file, another folder, or the name of a data set on a hub.

    Splits that the data have are kept. From a train split alone, validation and test are drawn by prompt; beside a test
    split, validation is. What is drawn has near-duplicate prompts together.
    """
    path, source = Path(source), str(source)
    if (path / "manifest.json").is_file():
        # Exports before 2026-11-29 do not know of near-duplicates.
        near_duplicates = read_manifest(path).get("near_duplicates")
        return PairSource(EXPORT, read_preferences(path), _scale(_degrees_of_export(path)), near_duplicates)
    # A hub's names have an owner.
    if not path.exists() and source.count("/") != 1:
        raise InputError(f"{source}: no such folder or file; expected {PAIRS_HELP}.")
    tables = _load_tables(source)
    names: set[str] = set()
    pairs: dict[str, list[VotedPair]] = {}
    for split, rows in tables.items():
        if not len(rows):
            continue
        layout = recognise_layout(rows.column_names, rows[0])
        names.add(layout.name)
        pairs[split] = list(layout.read(rows))
    if not any(pairs.values()):
        raise InputError(f"{source} holds no pair; expected some to learn from.")
    if len(names) > 1:
        raise InputError(f"{source} mixes the layouts {', '.join(sorted(names))}; expected one.")
    return _draw_missing_splits(names.pop(), pairs, set(tables))


def _draw_missing_splits(layout: str, pairs: Mapping[str, list[VotedPair]], given: set[str]) -> PairSource:
    """Pairs by their given split as preferences; from the train split come those for the splits that the data lack."""
    prompts = (pair.prompt for some in pairs.values() for pair in some)
    clusters = None if "validation" in given else cluster_prompts(prompts)
    preferences: list[Preference] = []
    degrees: dict[str, float] = {}
    for split, some in pairs.items():
        for number, pair in enumerate(some):
            drawn = _draw_split(pair.prompt, clusters, given) if split == "train" else split
            preference, is_turned = _preference(pair, f"{split}-{number}", drawn)
            preferences.append(preference)
            if pair.degree:
                degrees[preference.pair] = -pair.degree if is_turned else pair.degree
    near_duplicates = clusters.describe() if clusters and given == {"train"} else None
    return PairSource(layout, preferences, _scale(degrees), near_duplicates)


def _draw_split(prompt: str, clusters: PromptClusters | None, given: set[str]) -> str:
    if clusters is None:
        return "train"
    drawn = split_of_prompt(clusters.home_of(prompt))
    return "train" if drawn in given else drawn


def _load_tables(source: str) -> dict[str, Any]:
    """`datasets` tables by split."""
    from datasets import load_dataset  # takes seconds to import

    path = Path(source)
    if path.is_file() and path.suffix not in FILES:
        raise InputError(f"{source}: expected an export's folder, or one of {', '.join(FILES)}.")
    try:
        loaded = load_dataset(FILES[path.suffix], data_files=source) if path.is_file() else load_dataset(source)
    except Exception as error:  # a library of many loaders raises errors of all of them
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        missing = "" if path.exists() else "is no folder or file here, and "
        raise InputError(f"{source} {missing}cannot be read as a data set: {reason}") from None
    unknown = [name for name in loaded if name not in SPLIT_NAMES]
    if unknown:
        raise InputError(f"{source}: unknown split {unknown[0]!r}; expected {', '.join(SPLIT_NAMES)}.")
    return {SPLIT_NAMES[name]: rows for name, rows in loaded.items()}


def _degrees_of_export(folder: Path) -> dict[str, float]:
    """Mean degree over the votes on each pair, a tie counted 0, where workers were asked how much better one is."""
    if not holds_records(folder, Comparison):
        return {}
    signs = {"a": 1, "b": -1}
    said: dict[str, list[float]] = {}
    for vote in read_comparisons(folder):
        if vote.counts and (vote.strength is not None or vote.choice not in signs):
            said.setdefault(vote.pair, []).append(signs.get(vote.choice, 0) * float(vote.strength or 0))
    return {pair: sum(degrees) / len(degrees) for pair, degrees in said.items() if any(degrees)}


def _scale(degrees: Mapping[str, float]) -> dict[str, float]:
    """Degrees as shares of the largest."""
    largest = max(map(abs, degrees.values()), default=1.0)
    return {pair: degree / largest for pair, degree in degrees.items()}


def _preference(pair: VotedPair, name: str, split: str) -> tuple[Preference, bool]:
    """The pair, and whether its sides were exchanged.

    Which completion is a is drawn, where a layout always has the chosen one first: else its place gave it away.
    """
    texts = [(pair.completion_a, pair.system_a), (pair.completion_b, pair.system_b)]
    votes = {choice: pair.votes.get(choice, 0) for choice in ("a", "b", "tie", "both_bad")}
    is_turned = not pair.name and _digest(pair)[0] % 2 == 1
    if is_turned:
        texts.reverse()
        votes["a"], votes["b"] = votes["b"], votes["a"]
    (completion_a, system_a), (completion_b, system_b) = texts
    preference = count_preference(
        votes,
        pair=pair.name or name,
        item=hashlib.sha256(pair.prompt.encode()).hexdigest()[:16],
        prompt=pair.prompt,
        completion_a=completion_a,
        completion_b=completion_b,
        system_a=system_a,
        system_b=system_b,
        split=split,
    )
    return preference, is_turned


def _digest(pair: VotedPair) -> bytes:
    texts = sorted((pair.completion_a, pair.completion_b))
    return hashlib.sha256("\x1f".join([pair.prompt, *texts]).encode()).digest()
