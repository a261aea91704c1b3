"""The simulated vote: pairs chosen without gold, and annotators who err as often as they are told to."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotation.errors import InputError
from annotation.record_readers import read_comparisons
from annotation.records import Comparison, aggregate_preferences
from annotation.simulated_workers import CrowdConfig, make_worker
from reward_models.dataset import split_pairs
from reward_models.pair_sources import read_pairs
from rl.generate import Sample
from rl.management.overoptimisation.annotators import (
    CAMPAIGN,
    choose_pairs,
    collect_votes,
    describe_votes,
    write_votes,
)
from rl.management.overoptimisation.study import Annotators
from rl.tasks.commongen_mini.judge import GoldScore

FAITHFUL = {"temperature": 1e-9, "side_bias_sd": 0.0, "lapse_rate": 0.0, "spammer_share": 0.0}
# 600 pairs of three votes: a share has a standard error of at most .5 / √1800 = .012; four of them are .047.
TOLERANCE = 0.047


def sample(item: str, completion: str) -> Sample:
    return Sample(item, "supervised", f"prompt {item}", completion, (), ())


def make_pairs(count: int = 600) -> list[dict[str, Any]]:
    """Texts that name their own gold; a is the better one in every second pair."""
    pairs = []
    for number in range(count):
        texts = [f"worth {(number % 3) / 4} of {number}", f"worth {(number % 3 + 1) / 4} of {number}"]
        first, second = texts if number % 2 else reversed(texts)
        pairs += choose_pairs([sample(f"i{number}", first), sample(f"i{number}", second)], 1)
    return pairs


def judge(prompt: str, completion: str) -> GoldScore:
    found = re.match(r"worth ([\d.]+)", completion)
    assert found
    return GoldScore(float(found[1]), 0.0, 0.0)


def vote(crowd: Mapping[str, float], workers: int = 60) -> list[Comparison]:
    config = CrowdConfig(**FAITHFUL | dict(crowd))
    return collect_votes(make_pairs(), judge, Annotators(600, workers, 3, config), seed=0)


def is_right(vote: Comparison) -> bool:
    golds = {"a": judge("", vote.completion_a).utility, "b": judge("", vote.completion_b).utility}
    return golds[vote.choice] == max(golds.values())


def test_a_pair_is_a_prompts_first_two_different_completions() -> None:
    samples = [
        *(sample("i0", text) for text in ("one", "one", "two", "three")),
        *(sample("i1", text) for text in ("same", "same", "", "")),  # nothing to compare; an empty text is not shown
        *(sample("i2", text) for text in ("", "two", "one", "two")),
    ]
    chosen = choose_pairs(samples, 2)
    assert [(row["item"], row["completion_a"], row["completion_b"]) for row in chosen] == [
        ("i0", "one", "two"),
        ("i2", "two", "one"),
    ]
    with pytest.raises(InputError, match="3 are wanted; only 2 prompts have different completions"):
        choose_pairs(samples, 3)


def test_without_noise_every_vote_follows_gold() -> None:
    votes = vote({})
    assert len(votes) == 1800
    assert all(map(is_right, votes))
    described = describe_votes(votes, judge, seed=0)
    assert described["alpha"]["estimate"] == pytest.approx(1)
    assert described["share_of_other_votes_for_the_better"] == 1


def test_the_side_is_drawn_and_says_nothing_about_the_choice() -> None:
    votes = vote({})
    lefts = np.array([vote.left == "a" for vote in votes])
    chosen = np.array([vote.choice == "a" for vote in votes])
    assert lefts.mean() == pytest.approx(0.5, abs=TOLERANCE)
    assert (lefts == chosen).mean() == pytest.approx(0.5, abs=TOLERANCE)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_the_temperature_errs_as_bradley_and_terry_say(temperature: float) -> None:
    """The better text is better by .25: it is chosen with σ(.25 / temperature)."""
    expected = 1 / (1 + np.exp(-0.25 / temperature))
    assert np.mean([is_right(each) for each in vote({"temperature": temperature})]) == pytest.approx(
        expected, abs=TOLERANCE
    )


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_a_lapse_is_a_coin_so_that_half_of_them_are_flips(rate: float) -> None:
    crowd = CrowdConfig(**FAITHFUL | {"lapse_rate": rate})
    lapses = np.mean([make_worker(crowd, 0, f"annotator-{number}").lapse_rate for number in range(60)])
    assert np.mean([not is_right(each) for each in vote({"lapse_rate": rate})]) == pytest.approx(
        lapses / 2, abs=TOLERANCE
    )


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_spammers_are_as_many_as_stated_and_vote_for_the_left_or_at_random(share: float) -> None:
    """Workers enough that their share is the stated one: √(.25 · .75 / 2000) = .01."""
    workers = 2000
    crowd = CrowdConfig(**FAITHFUL | {"spammer_share": share})
    kinds = [make_worker(crowd, 0, f"annotator-{number}").spam for number in range(workers)]
    assert np.mean([kind is not None for kind in kinds]) == pytest.approx(share, abs=0.04)
    votes = vote({"spammer_share": share}, workers)
    assert np.mean([not is_right(each) for each in votes]) == pytest.approx(share / 2, abs=TOLERANCE)
    assert np.mean([each.choice == each.left for each in votes]) == pytest.approx(0.5 + share / 4, abs=TOLERANCE)


def test_a_bias_moves_votes_to_one_side() -> None:
    """One worker alone has one bias; of many the sides even out, of each they do not."""
    votes = vote({"temperature": 0.5, "side_bias_sd": 3.0}, workers=3)
    shares = [
        np.mean([each.choice == each.left for each in votes if each.worker == name]) for name in workers_of(votes)
    ]
    assert max(abs(share - 0.5) for share in shares) > 0.2


def workers_of(votes: list[Comparison]) -> set[str]:
    return {vote.worker for vote in votes}


def test_three_different_annotators_judge_each_pair() -> None:
    votes = vote({}, workers=4)
    raters: dict[str, set[str]] = {}
    for each in votes:
        raters.setdefault(each.pair, set()).add(each.worker)
    assert {len(names) for names in raters.values()} == {3}
    assert workers_of(votes) == {f"annotator-{number}" for number in range(4)}
    with pytest.raises(InputError, match="raters_per_pair: expected 1 to 2, the workers, found 3"):
        Annotators(workers=2)


def test_the_votes_are_an_export_that_a_reward_model_reads(tmp_path: Path) -> None:
    votes = vote({"temperature": 0.5})
    write_votes(votes, aggregate_preferences(votes), Annotators(), CAMPAIGN, tmp_path / "votes")
    assert read_comparisons(tmp_path / "votes") == votes
    source = read_pairs(tmp_path / "votes")
    assert source.preferences == aggregate_preferences(votes)
    splits = split_pairs(source.preferences)
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 600
    write_votes(votes, aggregate_preferences(votes), Annotators(), CAMPAIGN, tmp_path / "again")
    names = ("manifest.json", "comparisons.jsonl", "preferences.jsonl")
    assert all((tmp_path / "votes" / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in names)
