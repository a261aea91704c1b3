"""Every kind of HIT from its items file to its export, judged by simulated workers over real HTTP."""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest

from annotation.crowd_client import run_crowd
from annotation.ranked_pairs import comparisons_of_ranking
from annotation.record_readers import read_comparisons, read_manifest, read_preferences, read_rankings
from annotation.server import running_server
from annotation.simulated_workers import CrowdConfig
from tests.annotation.conftest import ROWS, TASKS, run_python
from tests.annotation.test_simulated_workers import Gold

pytestmark = pytest.mark.slow
CAMPAIGNS = {
    "ranking": "allow_tie: true\n",
    "best_worst": "",
    "pairwise": "allow_tie: true\nallow_both_bad: true\nstrength_points: 3\n",
}
HANDLES = [f"worker-{number}" for number in range(4)]
CROWD = CrowdConfig(spammer_share=0, lapse_rate=0, temperature=0.1, tie_threshold=0.2)
BEST_FIRST = ("in the park.", "on the grass.", "hill</i>.", "& back.")


def judge(prompt: str, completion: str) -> Gold:
    """Utility 3 for the first text of a set, and half a point less for each further one."""
    assert prompt.startswith("dog "), "the page's own text, nothing around it"
    place = next((place for place, end in enumerate(BEST_FIRST) if completion.endswith(end)), 4)
    return Gold(plausibility=1 - place / 2)


# Several commands by one process, which starts much faster than several.
MANAGE = """
import sys, json, django
django.setup()
from django.core.management import call_command
for arguments in json.loads(sys.argv[1]): call_command(*arguments)
"""


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    database = folder / "vote.sqlite3"
    database.write_bytes(migrated_file.read_bytes())
    creations = []
    for kind, options in CAMPAIGNS.items():
        items, config = folder / f"{kind}.jsonl", folder / f"{kind}.yaml"
        items.write_text("".join(json.dumps(dataclasses.asdict(row)) + "\n" for row in ROWS[kind](4)))
        config.write_text(f"name: {kind}\ntask: {TASKS[kind]}\nraters_per_hit: 3\nseed: 7\n{options}")
        creations.append(["create_campaign", str(config), "--items", str(items)])
    run_python(database, "-c", MANAGE, json.dumps(creations))
    with running_server(database) as url:
        for kind in CAMPAIGNS:
            assert run_crowd(url, kind, HANDLES, judge, CROWD, 3) == 12
    exports = [["export_judgments", kind, "--output", str(folder / kind)] for kind in CAMPAIGNS]
    run_python(database, "-c", MANAGE, json.dumps(exports))
    return {kind: folder / kind for kind in CAMPAIGNS}


@pytest.mark.parametrize("kind", ["ranking", "best_worst"])
def test_a_set_is_ranked_as_the_workers_feel_it(exports: dict[str, Path], kind: str) -> None:
    rankings = read_rankings(exports[kind])
    assert len(rankings) == 12
    assert {ranking.asked for ranking in rankings} == {kind}
    assert read_comparisons(exports[kind]) == [pair for ranking in rankings for pair in comparisons_of_ranking(ranking)]
    # Half a point of utility is five logits here: nearly every answer is the true order, whatever order was shown.
    true_order = Counter(ranking.groups[0] == ["a"] and ranking.groups[-1] == ["d"] for ranking in rankings)
    assert true_order[True] >= 10
    assert len({ranking.shown for ranking in rankings}) > 4
    preferences = read_preferences(exports[kind])
    assert len(preferences) == (4 * 6 if kind == "ranking" else len(preferences)) >= 4 * 5
    assert all(preference.label == "a" for preference in preferences if preference.pair.endswith(":a-d"))
    assert read_manifest(exports[kind])["counts"]["judgments"] == 12


def test_simulated_workers_say_how_much_better_one_is(exports: dict[str, Path]) -> None:
    comparisons = read_comparisons(exports["pairwise"])
    assert len(comparisons) == 12
    assert all((c.strength in (1, 2, 3)) == (c.choice in ("a", "b")) for c in comparisons)
    assert read_manifest(exports["pairwise"])["strength_labels"] == ["Slightly", "Clearly", "Far better"]
