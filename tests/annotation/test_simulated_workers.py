"""Simulated workers: that their votes follow the model they claim to follow."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InputError
from annotation.simulated_workers import CrowdConfig, choose, choose_strength, make_worker, rank, rate, uniform

FORCED = ("left", "right")
HONEST = CrowdConfig(temperature=0.5, side_bias_sd=0, lapse_rate=0, spammer_share=0, tie_threshold=0.6)
VOTES = 4000


@dataclass(frozen=True)
class Gold:
    plausibility: float = 1.0
    coverage: float = 1.0
    grammar: float = 1.0

    @property
    def utility(self) -> float:
        return self.plausibility + self.coverage + self.grammar


def votes(config: CrowdConfig, left: Gold, right: Gold, offered: tuple[str, ...] = FORCED) -> list[str]:
    worker = make_worker(config, 1, "ada")
    return [
        choose(config, worker, f"hit-{number}", left, right, same_text=False, offered=offered)
        for number in range(VOTES)
    ]


def close(share: float) -> object:
    """Within four binomial standard deviations at 4,000 votes."""
    return pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / VOTES))


@pytest.mark.parametrize("difference", [-0.5, 0.0, 0.3, 1.0])
def test_the_share_of_left_votes_is_bradley_terry(difference: float) -> None:
    share = votes(HONEST, Gold(), Gold(plausibility=1 - difference)).count("left") / VOTES
    assert share == close(1 / (1 + math.exp(-difference / HONEST.temperature)))


def test_ties_fall_where_the_felt_difference_is_small() -> None:
    counted = votes(HONEST, Gold(), Gold(), (*FORCED, "tie"))
    # P(|logistic| < t) = 2σ(t) − 1 for equal utilities.
    expected = 2 / (1 + math.exp(-HONEST.tie_threshold)) - 1
    assert counted.count("tie") / VOTES == close(expected)


def test_a_side_bias_moves_equal_texts_to_one_side() -> None:
    biased = CrowdConfig(side_bias_sd=1.0, lapse_rate=0, spammer_share=0)
    bias = make_worker(biased, 1, "ada").side_bias
    assert bias != 0
    assert votes(biased, Gold(), Gold()).count("left") / VOTES == close(1 / (1 + math.exp(-bias)))


def test_lapses_pull_towards_chance() -> None:
    lapsing = CrowdConfig(temperature=1e-3, side_bias_sd=0, lapse_rate=0.4, spammer_share=0)
    rate_of_ada = make_worker(lapsing, 1, "ada").lapse_rate
    assert 0.2 <= rate_of_ada <= 0.6
    assert votes(lapsing, Gold(), Gold(0.0)).count("right") / VOTES == close(rate_of_ada / 2)


def test_spammers_come_in_their_share_and_in_both_kinds() -> None:
    crowd = CrowdConfig(spammer_share=0.25)
    kinds = [make_worker(crowd, 1, f"worker-{number}").spam for number in range(VOTES)]
    assert (VOTES - kinds.count(None)) / VOTES == close(0.25)
    assert kinds.count("left") / VOTES == close(0.125)
    spammer = next(
        worker for n in range(100) if (worker := make_worker(CrowdConfig(spammer_share=1), 1, f"w{n}")).spam == "left"
    )
    for same_text in (True, False):
        chosen = choose(crowd, spammer, "hit", Gold(0), Gold(), same_text=same_text, offered=(*FORCED, "tie"))
        assert chosen == "left"


def test_an_honest_worker_calls_identical_texts_a_tie_where_that_is_offered() -> None:
    worker = make_worker(HONEST, 1, "ada")
    assert choose(HONEST, worker, "hit", Gold(), Gold(), same_text=True, offered=(*FORCED, "tie")) == "tie"
    assert choose(HONEST, worker, "hit", Gold(), Gold(), same_text=True, offered=FORCED) in FORCED


def test_the_share_of_first_places_is_plackett_luce() -> None:
    worker = make_worker(HONEST, 1, "ada")
    golds = [Gold(), Gold(0.6), Gold(0.2)]
    ranked = [rank(HONEST, worker, f"hit-{number}", golds, ["x", "y", "z"], may_tie=False) for number in range(VOTES)]
    assert all(sorted(places) == [1, 2, 3] for places in ranked)
    weights = [math.exp(gold.utility / HONEST.temperature) for gold in golds]
    for index, weight in enumerate(weights):
        assert sum(places[index] == 1 for places in ranked) / VOTES == close(weight / sum(weights))
    # Of those left when the first is taken: P(y before z) does not depend on x.
    assert sum(places[1] < places[2] for places in ranked) / VOTES == close(weights[1] / (weights[1] + weights[2]))


def test_places_are_shared_only_where_that_is_offered() -> None:
    worker = make_worker(HONEST, 1, "ada")
    golds, texts = [Gold(0.5), Gold(), Gold(0.5), Gold(0.0)], ["same", "best", "same", "worst"]
    sharp = CrowdConfig(temperature=1e-3, lapse_rate=0, spammer_share=0)
    assert rank(sharp, worker, "hit", golds, texts, may_tie=True) == [2, 1, 2, 4]
    assert rank(sharp, worker, "hit", golds, texts, may_tie=False) == [2, 1, 3, 4]
    close_call = CrowdConfig(temperature=1e3, tie_threshold=100, lapse_rate=0, spammer_share=0)
    assert rank(close_call, worker, "hit", golds, texts, may_tie=True) == [1, 1, 1, 1]


def test_spammers_rank_as_the_page_stands_or_at_random() -> None:
    crowd = CrowdConfig(spammer_share=1)
    golds = [Gold(0.0), Gold(0.5), Gold()]
    ranked: dict[object, set[tuple[int, ...]]] = {"left": set(), "random": set()}
    for number in range(60):
        worker = make_worker(crowd, 1, f"worker-{number}")
        ranked[worker.spam].add(tuple(rank(crowd, worker, "hit", golds, ["x", "y", "z"], may_tie=True)))
    assert ranked["left"] == {(1, 2, 3)}
    assert len(ranked["random"]) == 6 and all(sorted(places) == [1, 2, 3] for places in ranked["random"])


def test_strength_grows_with_what_is_felt() -> None:
    worker, points = make_worker(HONEST, 1, "ada"), (1, 2, 3, 4)
    means = []
    for plausibility in (1.0, 0.5, 0.0):
        drawn = [
            choose_strength(HONEST, worker, f"hit-{number}", Gold(), Gold(plausibility), points)
            for number in range(VOTES)
        ]
        assert set(drawn) <= set(points)
        means.append(sum(drawn) / VOTES)
    assert means == sorted(means) and means[2] - means[0] > 0.5


def test_a_noiseless_rating_is_the_gold_on_the_scale() -> None:
    exact = CrowdConfig(likert_noise_sd=0, severity_sd=0, lapse_rate=0, spammer_share=0)
    worker = make_worker(exact, 1, "ada")
    points = (1, 2, 3, 4, 5)
    for gold, quality, fluency in (
        (Gold(0, 0, 0), 1, 1),
        (Gold(0.5, 0.5, 0.5), 3, 3),
        (Gold(1, 0, 0.5), 3, 3),
        (Gold(), 5, 5),
    ):
        assert rate(worker, "hit", "quality", gold, points) == quality
        assert rate(worker, "hit", "fluency", gold, points) == fluency
    with pytest.raises(InputError, match="cannot answer 'humour'"):
        rate(worker, "hit", "humour", Gold(), points)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 50), st.integers(2, 11))
def test_a_rating_is_always_a_point_of_the_scale(plausibility: float, grammar: float, number: int, top: int) -> None:
    points = tuple(range(1, top + 1))
    worker = make_worker(CrowdConfig(spammer_share=0.3, likert_noise_sd=3), 1, f"worker-{number}")
    assert rate(worker, f"hit-{number}", "quality", Gold(plausibility, 1, grammar), points) in points


@given(st.integers(), st.text(max_size=5), st.text(max_size=5))
def test_the_same_key_always_draws_the_same_number(seed: int, worker: str, hit: str) -> None:
    assert 0 < uniform(seed, worker, hit) < 1
    assert uniform(seed, worker, hit) == uniform(seed, worker, hit)


def test_draws_are_uniform() -> None:
    drawn = sorted(uniform("draw", number) for number in range(VOTES))
    distance = max(abs(value - (rank + 0.5) / VOTES) for rank, value in enumerate(drawn))
    assert distance < 1.95 / math.sqrt(VOTES)  # Kolmogorov-Smirnov at p = .001


@pytest.mark.parametrize("setting", [{"temperature": 0.0}, {"lapse_rate": 1.5}, {"severity_sd": -1.0}])
def test_it_refuses_a_crowd_that_cannot_be(setting: dict[str, float]) -> None:
    with pytest.raises(InputError, match=f"crowd: {next(iter(setting))}: expected"):
        CrowdConfig(**setting)
