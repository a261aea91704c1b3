"""A model of workers, for trying the pipeline without people: pure, and the same on every run.

Who a worker is derives from a hash of (seed, worker); each answer from a hash of (seed, worker, hit). Comparisons
follow Bradley and Terry (1952): P(left) = σ((u_left − u_right)/temperature + side bias). Rankings follow Plackett
(1975) and Luce (1959): the order of u/temperature + Gumbel noise. Ratings are a noisy affine map of a gold score to
the scale. The gold score comes from outside, as a callable.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, Protocol, TypeVar

from annotation.errors import InputError

UTILITY_MAX = 3.0
# How much further apart, in logits, two texts are felt to be for each further degree of strength.
STRENGTH_STEP = 1.0
Option = TypeVar("Option")


class GoldScore(Protocol):
    """What is true of a completion: three parts in [0, 1]; `utility` is their sum."""

    @property
    def plausibility(self) -> float: ...
    @property
    def coverage(self) -> float: ...
    @property
    def grammar(self) -> float: ...
    @property
    def utility(self) -> float: ...


@dataclass(frozen=True, slots=True)
class CrowdConfig:
    """How noisy the crowd is. `temperature` is in units of utility, `tie_threshold` and `side_bias_sd` in logits,
    the two Likert standard deviations in points of the scale."""

    temperature: float = 0.5
    side_bias_sd: float = 0.2
    lapse_rate: float = 0.05
    spammer_share: float = 0.05
    tie_threshold: float = 0.5
    likert_noise_sd: float = 0.8
    severity_sd: float = 0.4

    def __post_init__(self) -> None:
        for name in ("lapse_rate", "spammer_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"crowd: {name}: expected 0 to 1, found {getattr(self, name)}.")
        for name in ("side_bias_sd", "tie_threshold", "likert_noise_sd", "severity_sd"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise InputError(f"crowd: {name}: expected 0 or more, found {getattr(self, name)}.")
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise InputError(f"crowd: temperature: expected more than 0, found {self.temperature}.")


@dataclass(frozen=True, slots=True)
class SimulatedWorker:
    """One worker's traits. `spam` is how a spammer answers; an honest worker has none."""

    seed: int
    handle: str
    side_bias: float
    lapse_rate: float
    severity: float
    likert_noise_sd: float
    spam: Literal["left", "random"] | None

    def _uniform(self, hit: str, purpose: str) -> float:
        return uniform(self.seed, self.handle, hit, purpose)


def uniform(*key: str | int) -> float:
    """A number in (0, 1), never its ends, that depends on nothing but `key`."""
    digest = hashlib.sha256("\x1f".join(map(str, key)).encode()).digest()
    return ((int.from_bytes(digest[:8]) >> 12) + 0.5) / 2**52


def normal(*key: str | int) -> float:
    return NormalDist().inv_cdf(uniform(*key))


def make_worker(config: CrowdConfig, seed: int, handle: str) -> SimulatedWorker:
    """The worker called `handle`; lapse rate and noise vary between half and one and a half times the crowd's."""
    is_spammer = uniform(seed, handle, "spammer") < config.spammer_share
    spam: Literal["left", "random"] = "left" if uniform(seed, handle, "spam") < 0.5 else "random"
    return SimulatedWorker(
        seed=seed,
        handle=handle,
        side_bias=config.side_bias_sd * normal(seed, handle, "side bias"),
        lapse_rate=min(1.0, config.lapse_rate * (0.5 + uniform(seed, handle, "lapse rate"))),
        severity=config.severity_sd * normal(seed, handle, "severity"),
        likert_noise_sd=config.likert_noise_sd * (0.5 + uniform(seed, handle, "noise")),
        spam=spam if is_spammer else None,
    )


def choose(
    config: CrowdConfig,
    worker: SimulatedWorker,
    hit: str,
    left: GoldScore,
    right: GoldScore,
    *,
    same_text: bool,
    offered: Sequence[str],
) -> str:
    """One of `offered` ("left", "right", perhaps "tie" and "both_bad"). An attentive worker never says "both_bad"."""
    if worker.spam == "left":
        return "left"
    if worker.spam == "random" or worker._uniform(hit, "lapse") < worker.lapse_rate:
        return _pick(offered, worker._uniform(hit, "random choice"))
    if same_text and "tie" in offered:
        return "tie"
    felt = _feel_difference(config, worker, hit, left, right)
    if "tie" in offered and abs(felt) < config.tie_threshold:
        return "tie"
    return "left" if felt > 0 else "right"


def _feel_difference(
    config: CrowdConfig, worker: SimulatedWorker, hit: str, left: GoldScore, right: GoldScore
) -> float:
    """How much better the left text is felt to be, in logits."""
    drawn = worker._uniform(hit, "choice")
    logistic = math.log(drawn / (1 - drawn))
    return (left.utility - right.utility) / config.temperature + worker.side_bias + logistic


def choose_strength(
    config: CrowdConfig, worker: SimulatedWorker, hit: str, left: GoldScore, right: GoldScore, points: Sequence[int]
) -> int:
    """One of `points`, from least to most, for a side that `choose` has chosen."""
    if worker.spam == "left":
        return points[0]
    if worker.spam == "random" or worker._uniform(hit, "lapse") < worker.lapse_rate:
        return _pick(points, worker._uniform(hit, "random strength"))
    felt = abs(_feel_difference(config, worker, hit, left, right))
    return points[min(len(points) - 1, int(felt / STRENGTH_STEP))]


def rank(
    config: CrowdConfig,
    worker: SimulatedWorker,
    hit: str,
    golds: Sequence[GoldScore],
    texts: Sequence[str],
    *,
    may_tie: bool,
) -> list[int]:
    """The place of each text, 1 for the best. Of tied texts, all have the place of the first."""
    count = len(texts)
    if worker.spam == "left":
        return list(range(1, count + 1))
    if worker.spam == "random" or worker._uniform(hit, "lapse") < worker.lapse_rate:
        drawn = [worker._uniform(hit, f"random place {index}") for index in range(count)]
        return [1 + sum(other < own for other in drawn) for own in drawn]
    # The same text is felt the same wherever it stands.
    noise = [_gumbel(worker._uniform(hit, f"place {texts.index(text)}")) for text in texts]
    felt = [gold.utility / config.temperature + noise[index] for index, gold in enumerate(golds)]
    order = sorted(range(count), key=lambda index: -felt[index])
    places = [0] * count
    for position, index in enumerate(order):
        above = order[position - 1]
        is_tied = position > 0 and (texts[above] == texts[index] or felt[above] - felt[index] < config.tie_threshold)
        places[index] = places[above] if may_tie and is_tied else position + 1
    return places


def _gumbel(drawn: float) -> float:
    return -math.log(-math.log(drawn))


def rate(worker: SimulatedWorker, hit: str, question: str, gold: GoldScore, points: Sequence[int]) -> int:
    """One of `points`, which run from worst to best."""
    if worker.spam == "left":
        return _pick(points, uniform(worker.seed, worker.handle, "favourite point"))
    if worker.spam == "random" or worker._uniform(hit, f"lapse {question}") < worker.lapse_rate:
        return _pick(points, worker._uniform(hit, f"random point {question}"))
    lowest, highest = points[0], points[-1]
    noise = worker.likert_noise_sd * normal(worker.seed, worker.handle, hit, f"noise {question}")
    felt = lowest + (highest - lowest) * gold_component(question, gold) - worker.severity + noise
    return min(highest, max(lowest, math.floor(felt + 0.5)))


def gold_component(question: str, gold: GoldScore) -> float:
    """The part of the gold score, in [0, 1], that `question` asks for."""
    if question == "quality":
        return gold.utility / UTILITY_MAX
    if question == "fluency":
        return gold.grammar
    if question == "commonsense":
        return gold.plausibility
    raise InputError(f"simulated workers cannot answer {question!r}; they know quality, fluency and commonsense.")


def _pick(options: Sequence[Option], drawn: float) -> Option:
    return options[int(drawn * len(options))]
