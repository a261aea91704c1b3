"""Made-up exports: folders as `export_judgments` writes them, with known effects."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from annotation.ranked_pairs import comparisons_of_ranking
from annotation.rankings import LETTERS, rank_best_worst, rank_by_places
from annotation.records import SCHEMA_VERSION, Ranking, to_dict

SYSTEMS = ("zero-shot", "supervised", "supervised+nlpo", "supervised+nlpo+preference")


def write_export(folder: Path, *, kind: str, rows: list[dict[str, Any]], **manifest: Any) -> Path:
    """kind: "ratings" or "comparisons"."""
    folder.mkdir(parents=True)
    header = {"schema_version": SCHEMA_VERSION, "campaign": "made-up", "title": "Made-up judgments", "simulated": True}
    (folder / "manifest.json").write_text(json.dumps(header | manifest))
    (folder / f"{kind}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def make_ratings(
    *, items: int = 60, raters: int = 3, seed: int = 0, systems: tuple[str, ...] = SYSTEMS
) -> list[dict[str, Any]]:
    """Ratings from 1 to 5 of two questions; later systems are better in quality, all alike in fluency."""
    generator = np.random.default_rng(seed)
    item_effects = generator.normal(0, 0.6, items)
    rows = []
    for item in range(items):
        for place, system in enumerate(systems):
            unit_effect = item_effects[item] + generator.normal(0, 0.5)
            workers = generator.choice(12, size=raters, replace=False)
            for question, gain in (("quality", 0.45), ("fluency", 0.0)):
                for worker in workers:
                    value = 2.6 + gain * place + unit_effect + generator.normal(0, 0.8)
                    row = rating(item, system, question, int(np.clip(round(value), 1, 5)), int(worker))
                    rows.append(row)
    return rows


def rating(item: int, system: str, question: str, value: int, worker: int, **changes: Any) -> dict[str, Any]:
    return {
        "campaign": "made-up",
        "hit": f"hit-{item}-{system}",
        "item": f"item-{item}",
        "system": system,
        "prompt": "generate a sentence with: dog run park",
        "completion": "a dog runs in the park",
        "references": ["the dog ran in the park"],
        "question": question,
        "value": value,
        "scale_min": 1,
        "scale_max": 5,
        "worker": f"worker-{worker:02d}",
        "assignment": f"assignment-{item}-{system}-{worker}",
        "kind": "work",
        "excluded": "",
        "active_seconds": 12.5,
        "submitted_on": "2026-01-05",
    } | changes


def make_comparisons(
    *, items: int = 150, raters: int = 3, preference: float = 0.4, seed: int = 0
) -> list[dict[str, Any]]:
    """Votes on two matchups: supervised+nlpo against supervised (b better), and a tie-rich one without effect."""
    generator = np.random.default_rng(seed)
    rows = []
    for matchup, (system_a, system_b, effect) in enumerate(
        (("supervised", "supervised+nlpo", preference), ("supervised+nlpo", "supervised+nlpo+preference", 0.0))
    ):
        for item in range(items):
            leaning = effect + generator.normal(0, 0.8)
            for worker in generator.choice(12, size=raters, replace=False):
                left = "a" if generator.random() < 0.5 else "b"
                # Worker 0 nearly always takes the left one.
                side_bias = (-2.5 if left == "a" else 2.5) if worker == 0 else 0.0
                utility = leaning + side_bias + generator.logistic(0, 0.8)
                choice = "tie" if matchup == 1 and abs(utility) < 0.3 else ("b" if utility > 0 else "a")
                rows.append(comparison(item, system_a, system_b, choice, int(worker), left=left))
    return rows


def comparison(
    item: int, system_a: str, system_b: str, choice: str, worker: int, *, left: str = "a", **changes: Any
) -> dict[str, Any]:
    return {
        "campaign": "made-up",
        "hit": f"hit-{item}-{system_a}-{system_b}",
        "item": f"item-{item}",
        "pair": f"pair-{item}-{system_a}-{system_b}",
        "prompt": "generate a sentence with: dog run park",
        "completion_a": "a dog runs in the park",
        "completion_b": "a park runs in the dog",
        "system_a": system_a,
        "system_b": system_b,
        "left": left,
        "choice": choice,
        "strength": None,
        "worker": f"worker-{worker:02d}",
        "assignment": f"assignment-{item}-{system_a}-{worker}",
        "kind": "work",
        "excluded": "",
        "active_seconds": 9.0,
        "submitted_on": "2026-01-05",
    } | changes


def make_rankings(*, asked: str = "ranking", items: int = 40, raters: int = 3, seed: int = 0) -> list[Ranking]:
    """Orders of four completions, later systems better; a fifth of the full rankings have a tie at the top."""
    generator = np.random.default_rng(seed)
    rankings = []
    for item in range(items):
        order = generator.permutation(len(SYSTEMS))
        quality = 0.5 * order + generator.normal(0, 0.6, len(order))
        for worker in generator.choice(12, size=raters, replace=False):
            utility = quality + generator.gumbel(0, 0.8, len(order))
            ranking = best_and_worst(utility) if asked == "best_worst" else full_ranking(utility, generator)
            shown = "".join(generator.permutation(list(LETTERS[: len(order)])))
            systems = tuple(SYSTEMS[place] for place in order)
            rankings.append(ranking_record(item, systems, ranking, int(worker), asked=asked, shown=shown))
    return rankings


def full_ranking(utility: np.ndarray, generator: np.random.Generator) -> str:
    places = (-utility).argsort().argsort() + 1
    if generator.random() < 0.2:
        places = np.maximum(places - 1, 1)
    return rank_by_places({letter: int(place) for letter, place in zip(LETTERS, places, strict=False)})


def best_and_worst(utility: np.ndarray) -> str:
    return rank_best_worst(LETTERS[utility.argmax()], LETTERS[utility.argmin()], LETTERS[: len(utility)])


def ranking_record(
    item: int, systems: tuple[str, ...], ranking: str, worker: int, *, asked: str = "ranking", shown: str = "abcd"
) -> Ranking:
    return Ranking(
        campaign="made-up",
        hit=f"hit-{item}",
        item=f"item-{item}",
        set=f"set-{item}",
        prompt="generate a sentence with: dog run park",
        completions=tuple(f"a dog runs in the park {'and on ' * SYSTEMS.index(system)}" for system in systems),
        systems=systems,
        shown=shown,
        asked=asked,
        ranking=ranking,
        worker=f"worker-{worker:02d}",
        assignment=f"assignment-{item}-{worker}",
        kind="work",
        excluded="",
        active_seconds=20.0,
        submitted_on="2026-01-05",
    )


def write_rankings(folder: Path, rankings: list[Ranking]) -> Path:
    """With the comparisons that follow, as `export_judgments` writes both."""
    comparisons = [to_dict(found) for ranking in rankings for found in comparisons_of_ranking(ranking)]
    write_export(folder, kind="comparisons", rows=comparisons)
    rows = [json.dumps(to_dict(ranking)) + "\n" for ranking in rankings]
    (folder / "rankings.jsonl").write_text("".join(rows))
    return folder
