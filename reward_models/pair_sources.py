"""Where preference pairs come from: an export, a file or folder of a known layout, or a data set on a hub."""

import hashlib
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from annotation.errors import InputError
from annotation.near_duplicates import PromptClusters, cluster_prompts
from annotation.record_readers import holds_records, read_comparisons, read_manifest, read_preferences
from annotation.records import SPLITS, Comparison, Preference, count_preference, split_of_prompt
from annotation.wording import count_nouns
from reward_models.pair_layouts import VotedPair, recognise_layout
from reward_models.table_sources import Tables, find_tables

EXPORT = "export"
PAIRS_HELP = "an export's folder, a file or folder of a known layout (votes, TRL, HH, SHP, MultiPref), or a hub name"


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
        described = f"layout {self.layout}: {count_nouns(len(self.preferences), 'pair')} ({counted})"
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
    if not source.strip() or not (path.exists() or source.count("/") == 1):  # a hub's names have an owner
        shown = source if source.strip() else repr(source)
        raise InputError(f"{shown}: no such folder or file; expected {PAIRS_HELP}.")
    if (path / "manifest.json").is_file():
        return _read_export(path)
    tables = find_tables(source)
    layout, pairs = _read_tables(source, tables)
    return _draw_missing_splits(layout, pairs, set(tables))


def _read_tables(source: str, tables: Tables) -> tuple[str, dict[str, list[VotedPair]]]:
    """The layout that all tables have, and the pairs of the splits with any rows."""
    names: set[str] = set()
    pairs: dict[str, list[VotedPair]] = {}
    for split, parts in tables.items():
        rows = itertools.chain.from_iterable(parts)
        first = next(rows, None)
        if first is not None:
            layout = recognise_layout(first, source)
            names.add(layout.name)
            pairs[split] = list(layout.read(itertools.chain([first], rows)))
    if not pairs:
        found = "is empty" if Path(source).is_file() and not Path(source).stat().st_size else "has no rows"
        raise InputError(f"{source} {found}; expected at least one pair.")
    if not any(pairs.values()):
        raise InputError(f"{source} holds no pair; expected some to learn from.")
    if len(names) > 1:
        raise InputError(f"{source} mixes the layouts {', '.join(sorted(names))}; expected one.")
    return names.pop(), pairs


def _read_export(folder: Path) -> PairSource:
    # Exports before 2026-11-29 do not know of near-duplicates.
    near_duplicates = read_manifest(folder).get("near_duplicates")
    preferences = read_preferences(folder)
    _expect_distinct((pair.pair, f"{folder}, preference {number}") for number, pair in enumerate(preferences, start=1))
    return PairSource(EXPORT, preferences, _scale(_degrees_of_export(folder)), near_duplicates)


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
    places = (pair.where for some in pairs.values() for pair in some)
    _expect_distinct(zip((pair.pair for pair in preferences), places, strict=True))
    near_duplicates = clusters.describe() if clusters and given == {"train"} else None
    return PairSource(layout, preferences, _scale(degrees), near_duplicates)


def _expect_distinct(named: Iterable[tuple[str, str]]) -> None:
    """named: each pair's name and the place where it stands."""
    places: dict[str, str] = {}
    for name, where in named:
        if name in places:
            raise InputError(f"{where}: the pair {name!r} is in {places[name]} too; expected each once.")
        places[name] = where


def _draw_split(prompt: str, clusters: PromptClusters | None, given: set[str]) -> str:
    if clusters is None:
        return "train"
    drawn = split_of_prompt(clusters.home_of(prompt))
    return "train" if drawn in given else drawn


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
