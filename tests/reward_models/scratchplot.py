"""Story endings that a real crowd judged, as pairs: YipingNUS/scratchplot-story-generation (Apache-2.0).

`python -m tests.reward_models.scratchplot SOURCE FOLDER` writes train, validation and test by content plan. A row of
SOURCE's `ending.csv` and `ending-new.csv` is one worker's choice, 1 or 2, between two stories with their endings, from
one plan. The two stories are mostly not the same text, so that a completion here is a story with its ending. Both files
are about the same fifty plans, and pair the same texts in other ways: by plan, no text is in two splits.
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FILES = ("ending", "ending-new")
SPLITS = {"train": 0.5, "validation": 0.15, "test": 0.35}  # shares of the plans


def read_endings(source: Path) -> list[dict[str, Any]]:
    """A row a pair, in the order of its first vote; `plan` names the content plan."""
    pairs: dict[tuple[str, ...], dict[str, Any]] = {}
    for name in FILES:
        with (source / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                key = tuple(row[f"INPUT:{part}_{side}"] for side in "ab" for part in ("story", "ending", "system"))
                pair = pairs.setdefault(key, _pair(row, len(pairs)))
                pair["votes_a" if row["OUTPUT:category"] == "1" else "votes_b"] += 1
    return list(pairs.values())


def _pair(row: Mapping[str, str], number: int) -> dict[str, Any]:
    plan = row["INPUT:content_plan_id"]
    texts = {
        f"completion_{side}": f"{row[f'INPUT:story_{side}']}\n{row[f'INPUT:ending_{side}']}" for side in ("a", "b")
    }
    systems = {f"system_{side}": row[f"INPUT:system_{side}"] for side in ("a", "b")}
    prompt = f"Write a short story with an ending, from content plan {plan}."
    return {"pair": f"pair-{number}", "plan": plan, "prompt": prompt} | texts | systems | {"votes_a": 0, "votes_b": 0}


def split_by_plan(pairs: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Plans in their order, dealt out so that every split has its share all along."""
    plans = list(Counter(pair["plan"] for pair in pairs))
    homes: dict[str, str] = {}
    dealt: Counter[str] = Counter()
    for number, plan in enumerate(plans, start=1):
        homes[plan] = min(SPLITS, key=lambda split: (dealt[split] + 1) / (SPLITS[split] * number))
        dealt[homes[plan]] += 1
    for split in SPLITS:
        yield split, [pair for pair in pairs if homes[pair["plan"]] == split]


def write_endings(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    for split, rows in split_by_plan(read_endings(source)):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    write_endings(Path(sys.argv[1]), Path(sys.argv[2]))
