"""Made-up exports: folders as `export_judgments` writes them, with known effects."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from annotation.records import SCHEMA_VERSION

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
