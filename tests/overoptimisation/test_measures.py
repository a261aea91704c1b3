"""What the bench measures: gains on one scale, best-of-n of each reward, and how far a policy has moved."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from annotation.configuration import load_config
from annotation.errors import InputError
from rl.config import TrainingConfig
from rl.generate import Sample
from rl.management.demo.workshop import open_workshop
from rl.management.overoptimisation.best_of import Candidates, gold_gains, measure_curves, score_distinct
from rl.management.overoptimisation.nlpo import Arm, arms_of, sequence_kl
from rl.management.overoptimisation.outcome import fit_best_of_n, fit_nlpo
from rl.management.overoptimisation.page import judge_gain
from rl.management.overoptimisation.rewards import REWARDS, SINGLE, member_command, member_folders, reward_settings
from rl.management.overoptimisation.study import STUDY_FILE, BestOfN, Overoptimisation
from rl.management.overoptimisation.yardstick import make_yardstick, mean_over_prompts
from rl.policy import response_logits
from rl.rollout import sample_responses
from rl.sampling import Noise
from tests.rl.tiny import PROMPTS, build_model, build_tokenizer

GENERATOR = np.random.default_rng(0)
CANDIDATES = Candidates(GENERATOR.normal(2, 0.5, (3, 6)), GENERATOR.normal(0, 2, (2, 3, 6)), penalty=0.5)
COMBINED = {
    "mean": CANDIDATES.members.mean(axis=0),
    "worst": CANDIDATES.members.min(axis=0),
    "uncertainty": CANDIDATES.members.mean(axis=0) - 0.5 * CANDIDATES.members.var(axis=0),
}


def sigmoid(scores: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-scores))


def mean_of_bests(proxy: np.ndarray, values: np.ndarray, n: int) -> list[float]:
    """For each prompt the mean, over all subsets of n samples, of the value of the proxy's best."""
    subsets = [list(subset) for subset in itertools.combinations(range(proxy.shape[1]), n)]
    return [
        float(np.mean([row[subset][scores[subset].argmax()] for subset in subsets]))
        for scores, row in zip(proxy, values, strict=True)
    ]


@pytest.mark.parametrize("reward", REWARDS)
def test_the_curves_are_those_of_all_subsets(reward: str) -> None:
    sizes, gold = [1, 2, 4], CANDIDATES.gold
    proxies = list(CANDIDATES.members) if reward == SINGLE else [COMBINED[reward]]
    rows = measure_curves(CANDIDATES, reward, sizes, seed=0)
    for row, n in zip(rows, sizes, strict=True):
        gains = [(np.mean(mean_of_bests(proxy, gold, n)) - gold.mean()) / gold.std() for proxy in proxies]
        assert row["gold"]["estimate"] == pytest.approx(np.mean(gains), abs=1e-12)
        paid = [sigmoid(proxy) for proxy in proxies]
        own = [(np.mean(mean_of_bests(pay, pay, n)) - pay.mean()) / pay.std() for pay in paid]
        assert row["proxy"]["estimate"] == pytest.approx(np.mean(own), abs=1e-12)
    assert rows[0]["gold"] == {"estimate": pytest.approx(0), "low": pytest.approx(0), "high": pytest.approx(0)}


def test_the_single_model_of_a_run_is_the_member_of_its_number() -> None:
    for run in range(2):
        assert CANDIDATES.proxy_of_run(SINGLE, run) == pytest.approx(sigmoid(CANDIDATES.members[run]))
        assert CANDIDATES.proxy_of_run("worst", run) == pytest.approx(sigmoid(COMBINED["worst"]))


def test_a_perfect_proxy_gains_what_gold_does_and_a_contrary_one_loses_it() -> None:
    perfect = Candidates(CANDIDATES.gold, np.stack([CANDIDATES.gold] * 2), 0.0)
    contrary = Candidates(CANDIDATES.gold, np.stack([-CANDIDATES.gold] * 2), 0.0)
    best = (CANDIDATES.gold.max(axis=1) - CANDIDATES.gold.mean(axis=1)) / CANDIDATES.gold.std()
    worst = (CANDIDATES.gold.min(axis=1) - CANDIDATES.gold.mean(axis=1)) / CANDIDATES.gold.std()
    for reward in REWARDS:
        assert gold_gains(perfect, reward, [6])[:, 0] == pytest.approx(best)
        assert gold_gains(contrary, reward, [6])[:, 0] == pytest.approx(worst)


def test_a_gain_is_counted_from_the_prompts_own_start() -> None:
    """Starts 1 and 5; the four scores lie 3, 1, 1 and 3 from their mean."""
    yardstick = make_yardstick(np.array([[0.0, 2.0], [4.0, 6.0]]))
    assert yardstick.start.tolist() == [1, 5]
    assert yardstick.spread == pytest.approx(np.sqrt((9 + 1 + 1 + 9) / 4))
    assert yardstick.gain(np.array([[1.0], [5.0]])).tolist() == [[0], [0]]
    assert yardstick.gain(np.array([[2.0], [7.0]]))[:, 0] == pytest.approx([1 / np.sqrt(5), 2 / np.sqrt(5)])
    assert make_yardstick(np.ones((2, 2))).gain(np.full((2, 1), 3.0)).tolist() == [[2], [2]]


def test_the_interval_is_over_prompts() -> None:
    """A thousand values with standard deviation 2: the standard error is .063, the interval 1.96 of it either way."""
    values = np.random.default_rng(1).normal(1, 2, 1000)
    interval = mean_over_prompts(values, seed=0)
    half = 1.96 * values.std() / np.sqrt(1000)
    assert interval["estimate"] == pytest.approx(values.mean())
    # the ends of 1,000 draws are themselves uncertain by some 5 % of the half width
    assert (interval["high"] - interval["low"]) / 2 == pytest.approx(half, rel=0.1)


def test_each_distinct_text_is_scored_once_and_ties_are_exact() -> None:
    samples = [Sample(item, "s", f"prompt {item}", text, (), ()) for item in "ab" for text in ("x", "y", "x")]
    seen: list[tuple[str, str]] = []

    def score(prompts: Any, texts: Any) -> np.ndarray:
        seen.extend(zip(prompts, texts, strict=True))
        return np.arange(len(texts)) + 0.1

    assert score_distinct(score, samples, "test").tolist() == [0.1, 1.1, 0.1, 2.1, 3.1, 2.1]
    assert seen == [("prompt a", "x"), ("prompt a", "y"), ("prompt b", "x"), ("prompt b", "y")]


@torch.no_grad()
def test_the_distance_of_a_policy_by_a_pass_for_every_token() -> None:
    policy, reference, tokenizer = build_model("t5", seed=2), build_model("t5", seed=3), build_tokenizer()
    rollout = sample_responses(policy, tokenizer, PROMPTS, horizon=5, noise=Noise(0))
    expected = []
    for row in range(len(PROMPTS)):
        total = 0.0
        for position in range(int(rollout.is_response[row].sum())):
            part = rollout.rows(torch.tensor([row]))
            prefix = part.response_ids[:, : position + 1]
            p, q = (
                response_logits(model, part.prompt_ids, part.is_prompt, prefix)[0, -1].double().div(0.7).softmax(-1)
                for model in (policy, reference)
            )
            total += float((p * (p / q).log()).sum())
        expected.append(total)
    assert min(expected) > 0.01
    # float32 logits, summed in another order
    assert sequence_kl(policy, reference, rollout, 0.7).tolist() == pytest.approx(expected, rel=1e-4)
    assert sequence_kl(policy, policy, rollout, 0.7).abs().max() < 1e-5


def test_the_fits_name_what_they_are_of() -> None:
    """Planted: gold d(2 − .5 d) and proxy d(3 − .1 d) for best-of-n, gold d(1 − .4 log d) for NLPO."""
    distances = [0.0, 0.5, 1.0, 2.0]
    rows = [
        {"kl_nats": d**2, "gold": {"estimate": d * (2 - 0.5 * d)}, "proxy": {"estimate": d * (3 - 0.1 * d)}}
        for d in distances
    ]
    fits = fit_best_of_n(dict.fromkeys(REWARDS, rows))
    assert [(fit["reward"], fit["scale"]) for fit in fits[:2]] == [(SINGLE, "gold"), (SINGLE, "proxy")]
    assert (fits[0]["alpha"], fits[0]["beta"]) == (pytest.approx(2), pytest.approx(0.5))
    assert (fits[0]["peak"], fits[0]["peak_gain"], fits[0]["notes"]) == (pytest.approx(2), pytest.approx(2), [])
    assert fits[1]["notes"] == ["the fitted peak lies beyond the observed distances"]
    run = [
        {"kl_nats": d**2, "gold": np.full(4, d * (1 - 0.4 * np.log(d or 1))), "proxy": np.full(4, d)} for d in distances
    ]
    study = load_config(Overoptimisation, STUDY_FILE)
    found = fit_nlpo(dict.fromkeys(arms_of(study), run))
    assert {fit["points"] for fit in found} == {3 * study.nlpo.runs}
    gold = [fit for fit in found if fit["scale"] == "gold"]
    assert all((fit["alpha"], fit["beta"]) == (pytest.approx(1), pytest.approx(0.4)) for fit in gold)
    assert {(fit["penalty"], fit["reward"]) for fit in gold} == {(arm.penalty, arm.reward) for arm in arms_of(study)}


def test_the_committed_study_loads_and_unusable_ones_are_refused() -> None:
    study = load_config(Overoptimisation, STUDY_FILE)
    assert study.best_of_n.sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert BestOfN(samples=100, largest=100).sizes == [1, 2, 4, 8, 16, 32, 64]
    names = [arm.name for arm in arms_of(replace(study, nlpo=replace(study.nlpo, runs=1)))]
    assert names[:2] == ["single-free-0", "mean-free-0"] and len(names) == len(set(names)) == 8
    assert Arm("worst", "penalised", 2).folder == "nlpo/worst-penalised-2"
    for setting, sentence in (
        ("nlpo.runs=9", "nlpo: runs: expected at most 5: each has its own single model, found 9"),
        ("reward_models.count=1", "reward_models: count: expected at least 2"),
        ("best_of_n.largest=1024", "best_of_n: largest: expected 2 to 512"),
        ("best_of_n.prompts=5000", "best_of_n: prompts: expected at most 1200"),
        ("annotators.pairs=0", "annotators: pairs: expected at least 1"),
    ):
        with pytest.raises(InputError, match=sentence):
            load_config(Overoptimisation, STUDY_FILE, [setting])


def test_each_member_has_a_seed_of_its_own_and_an_interrupted_one_is_resumed(tmp_path: Path) -> None:
    study = load_config(Overoptimisation, STUDY_FILE, ["seed=2", "reward_models.training.layout=decoder"])
    shop = open_workshop(tmp_path / "bench", study, lambda said: None)
    folders = member_folders(shop)
    folders[1].with_name("member-1.partial").mkdir(parents=True)
    commands = [member_command(shop, folder, number) for number, folder in enumerate(folders)]
    assert [next(word for word in command if str(word).startswith("--seed")) for command in commands] == [
        f"--seed={number}" for number in range(2000, 2005)
    ]
    assert ["--resume" in command for command in commands] == [False, True, False, False, False]
    assert all("--layout=decoder" in command for command in commands)


def test_a_policy_is_paid_by_the_scorer_that_measures_it(tmp_path: Path) -> None:
    """The settings of train_policy name the members that the bench's own scorer has."""
    shop = open_workshop(tmp_path / "bench", load_config(Overoptimisation, STUDY_FILE), lambda said: None)
    folders, config = member_folders(shop), tmp_path / "policy.yaml"
    config.write_text("base_model: m")
    alone = load_config(TrainingConfig, config, reward_settings(shop, SINGLE, 2)).reward
    assert (alone.name, alone.preference_model, alone.preference_models) == ("preference", folders[2], ())
    together = load_config(TrainingConfig, config, reward_settings(shop, "uncertainty", 2)).reward
    assert (together.preference_models, together.ensemble) == (tuple(folders), "uncertainty")
    assert (together.preference_model, together.ensemble_penalty) == (None, shop.experiment.reward_models.penalty)


@pytest.mark.parametrize(
    ("method", "interval", "by_run", "verdict"),
    [
        ("nlpo", (0.1, 0.3, 0.5), [0.2, 0.4], "better"),
        ("nlpo", (-0.5, -0.3, -0.1), [-0.2, -0.4], "worse"),
        ("nlpo", (-0.1, 0.2, 0.5), [0.2, 0.2], "no difference shown"),
        ("nlpo", (0.1, 0.3, 0.5), [0.8, -0.2], "runs disagree"),
        ("nlpo", (0.1, 0.3, 0.5), [0.3], "one run: no verdict"),
        ("best-of-n", (0.1, 0.3, 0.5), [0.3], "better"),  # already a mean over all members
    ],
)
def test_a_verdict_needs_the_interval_and_every_run(
    method: str, interval: tuple[float, float, float], by_run: list[float], verdict: str
) -> None:
    low, estimate, high = interval
    row = {"method": method, "low": low, "estimate": estimate, "high": high, "by_run": by_run}
    assert judge_gain(row) == verdict
