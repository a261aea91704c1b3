"""Best-of-n: gold and proxy of the best of 1, 2, 4, ... samples of the supervised policy, for every reward.

Shapes: P prompts, N samples of each, K members.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from analysis.best_of_n import best_of_n_kl, expected_best_of_n
from analysis.resampling import Floats
from reward_models.ensembles import combine_scores, standardise
from rl.generate import Sample, generate_samples
from rl.management.demo.completions import task_items
from rl.management.demo.training import SYSTEMS
from rl.management.demo.workshop import Result, Workplace
from rl.management.overoptimisation.rewards import REWARDS, SINGLE, load_members, pay
from rl.management.overoptimisation.study import Overoptimisation
from rl.management.overoptimisation.yardstick import make_yardstick, mean_over_prompts
from rl.policy import load_policy
from rl.tasks.commongen_mini.judge import load_judge

PURPOSE = 12  # tells this draw of completions from the others of the study
CHUNK = 4096  # texts between two steps of the progress bar


@dataclass(frozen=True, slots=True)
class Candidates:
    """gold (P, N): utilities of the supervised policy's samples. members (K, P, N): their scores on one scale.

    penalty: λ of the uncertainty-penalised ensemble.
    """

    gold: Floats
    members: Floats
    penalty: float

    def proxies(self, reward: str) -> list[Floats]:
        """What the reward pays for each sample, (P, N); for the single model once by each member, who all may be it."""
        if reward == SINGLE:
            return [pay(scores) for scores in self.members]
        combination: Any = reward
        return [pay(combine_scores(self.members, combination, self.penalty))]

    def proxy_of_run(self, reward: str, run: int) -> Floats:
        return self.proxies(reward)[run if reward == SINGLE else 0]


def measure_best_of_n(shop: Workplace[Overoptimisation]) -> Result:
    """Gains of gold and proxy at each n, with intervals over prompts."""
    candidates, study = load_candidates(shop), shop.experiment
    sizes = study.best_of_n.sizes
    curves = {reward: measure_curves(candidates, reward, sizes, study.seed) for reward in REWARDS}
    single = curves[SINGLE][-1]
    return {
        "prompts": len(candidates.gold),
        "samples": candidates.gold.shape[1],
        "gold_of_the_supervised_policy": float(candidates.gold.mean()),
        "gold_spread_of_the_supervised_policy": float(candidates.gold.std()),
        "curves": curves,
        "line": f"single model, best of {sizes[-1]}: proxy {single['proxy']['estimate']:+.2f}, gold "
        f"{single['gold']['estimate']:+.2f} standard deviations",
    }


def measure_curves(candidates: Candidates, reward: str, sizes: Sequence[int], seed: int) -> list[dict[str, Any]]:
    """A row for each n: its KL, and the gains of proxy and gold. Of the single model, the mean over the members."""
    gold = gold_gains(candidates, reward, sizes)
    own = [make_yardstick(proxy).gain(expected_best_of_n(proxy, proxy, sizes)) for proxy in candidates.proxies(reward)]
    proxy = np.mean(own, axis=0)
    return [
        {
            "n": n,
            "kl_nats": best_of_n_kl(n),
            "proxy": mean_over_prompts(proxy[:, place], seed),
            "gold": mean_over_prompts(gold[:, place], seed),
        }
        for place, n in enumerate(sizes)
    ]


def gold_gains(candidates: Candidates, reward: str, sizes: Sequence[int]) -> Floats:
    """(P, len(sizes)): what the reward's choice gains in gold over one sample."""
    yardstick = make_yardstick(candidates.gold)
    proxies = candidates.proxies(reward)
    gains = [yardstick.gain(expected_best_of_n(proxy, candidates.gold, sizes)) for proxy in proxies]
    return np.mean(gains, axis=0)


def load_candidates(shop: Workplace[Overoptimisation]) -> Candidates:
    """The supervised policy's samples and their scores: made at the first call, then read from the file."""
    path = shop.folder / "best-of-n" / "scores.npz"
    if not path.exists():
        save_candidates(path, *score_candidates(shop))
    with np.load(path) as stored:
        return Candidates(stored["gold"], stored["members"], shop.experiment.reward_models.penalty)


def save_candidates(path: Path, gold: Floats, members: Floats) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name("scores.partial.npz")
    np.savez_compressed(partial, gold=gold, members=members)
    partial.rename(path)


def score_candidates(shop: Workplace[Overoptimisation]) -> tuple[Floats, Floats]:
    """Gold (P, N) and the members' scores (K, P, N) of N samples for each test prompt."""
    wanted = shop.experiment.best_of_n
    items = task_items(shop, "test", wanted.prompts)
    model, tokenizer = load_policy(shop.folder / SYSTEMS["supervised"])
    decoder = shop.experiment.decoder(PURPOSE, samples_per_item=wanted.samples)
    samples = generate_samples(model, tokenizer, items, "supervised", decoder)
    judge, shape = load_judge(shop.folder / "task"), (len(items), wanted.samples)

    def utilities(prompts: Sequence[str], texts: Sequence[str]) -> Floats:
        return np.array([judge(prompt, text).utility for prompt, text in zip(prompts, texts, strict=True)])

    scorers = [(lambda *texts, member=member: standardise(member, member(*texts))) for member in load_members(shop)]
    gold, *members = (
        score_distinct(score, samples, name).reshape(shape)
        for name, score in [("gold", utilities), *((f"member {n}", scorer) for n, scorer in enumerate(scorers))]
    )
    return gold, np.stack(members)


def score_distinct(
    score: Callable[[Sequence[str], Sequence[str]], Floats], samples: Sequence[Sample], name: str
) -> Floats:
    """A score for each sample, each distinct text scored once: a tie is then one to the last bit."""
    keys = [(sample.prompt, sample.completion) for sample in samples]
    distinct = list(dict.fromkeys(keys))
    scores: dict[tuple[str, str], float] = {}
    for start in tqdm(range(0, len(distinct), CHUNK), desc=f"scores by {name}", unit="chunk"):
        chunk = distinct[start : start + CHUNK]
        prompts, texts = zip(*chunk, strict=True)
        scores.update(zip(chunk, score(prompts, texts).tolist(), strict=True))
    return np.array([scores[key] for key in keys])
