"""Simulated workers pass a qualification test over real HTTP if the gold score knows the answers, or say why not."""

from pathlib import Path

import pytest

from annotation.crowd_client import run_crowd
from annotation.crowd_qualification import answer_test
from annotation.errors import InputError
from annotation.server import running_server
from annotation.simulated_workers import CrowdConfig
from tests.annotation.conftest import pairwise_rows, run_python
from tests.annotation.test_crowd import _to_json, judge
from tests.annotation.test_simulated_workers import Gold

CAMPAIGN = """
name: {name}
task: commongen-pairwise
raters_per_hit: 2
qualification:
  pass_mark: 1
  items:
    - prompt: dog 0, park, run
      completions: [A park 0 runs in the dog., A dog 0 runs in the park.]
      questions: [{{name: preference, accepted: [{accepted}]}}]
      explanation: Parks do not run.
"""
WORKERS = ["worker-0", "worker-1"]


@pytest.mark.slow
def test_a_crowd_takes_the_test_before_it_works(migrated_file: Path, tmp_path: Path) -> None:
    database, items = tmp_path / "vote.sqlite3", tmp_path / "items.jsonl"
    database.write_bytes(migrated_file.read_bytes())
    items.write_text("".join(f"{_to_json(row)}\n" for row in pairwise_rows(2)))
    for name, accepted in (("right", "b"), ("wrong", "a")):
        config = tmp_path / f"{name}.yaml"
        config.write_text(CAMPAIGN.format(name=name, accepted=accepted))
        run_python(database, "manage.py", "create_campaign", str(config), "--items", str(items))
    with running_server(database) as url:
        assert run_crowd(url, "right", WORKERS, judge, CrowdConfig(), seed=1) == 4
        with pytest.raises(InputError, match="'worker-0' failed the qualification test of 'wrong'"):
            run_crowd(url, "wrong", WORKERS, judge, CrowdConfig(), seed=1)


@pytest.mark.parametrize(("grammar", "point"), [(0.0, "1"), (0.5, "3"), (1.0, "5")])
def test_a_rating_is_answered_at_the_point_that_the_gold_score_means(grammar: float, point: str) -> None:
    texts = {"1.prompt": "dog, run", "1.A": "A dog runs."}
    answers = answer_test(texts, {"1.fluency": list("12345")}, lambda *_: Gold(grammar=grammar))
    assert answers == {"1.fluency": point}


@pytest.mark.parametrize("field", ["1.length", "2.quality"])
def test_a_question_that_no_gold_score_answers_is_named(field: str) -> None:
    texts = {"1.prompt": "dog, run", "1.A": "A dog runs."}
    with pytest.raises(InputError, match=f"cannot answer '{field[2:]}' of the qualification test"):
        answer_test(texts, {field: ["1", "2"]}, lambda *_: Gold())
