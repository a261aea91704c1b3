"""The over-optimisation bench as a file: everything that is decided before it runs."""

from dataclasses import dataclass, field

from annotation.errors import InputError
from annotation.simulated_workers import CrowdConfig
from rl.management.demo.experiment import ROOT, RewardModelBudget, Study

STUDY_FILE = ROOT / "rl" / "configs" / "overoptimisation.yaml"


def _expect(holds: bool, name: str, found: object, expectation: str) -> None:
    if not holds:
        raise InputError(f"{name}: expected {expectation}, found {found}.")


@dataclass(frozen=True, slots=True)
class Annotators:
    """Who judges how much. pairs: few on purpose, so that a reward model has much left to get wrong."""

    pairs: int = 400
    workers: int = 20
    raters_per_pair: int = 3
    crowd: CrowdConfig = field(default_factory=CrowdConfig)

    def __post_init__(self) -> None:
        _expect(self.pairs > 0, "annotators: pairs", self.pairs, "at least 1")
        within = 0 < self.raters_per_pair <= self.workers
        _expect(within, "annotators: raters_per_pair", self.raters_per_pair, f"1 to {self.workers}, the workers")


@dataclass(frozen=True, slots=True)
class Members:
    """The reward models: `count` of them on the same votes, each with a seed of its own.

    penalty: λ of the uncertainty-penalised ensemble.
    """

    count: int = 5
    penalty: float = 0.5
    training: RewardModelBudget = field(default_factory=RewardModelBudget)

    def __post_init__(self) -> None:
        _expect(self.count >= 2, "reward_models: count", self.count, "at least 2, or there is no ensemble")


@dataclass(frozen=True, slots=True)
class BestOfN:
    """prompts: of the test split, for all measurements. samples: N a prompt; n goes up to `largest` by doubling."""

    prompts: int = 128
    samples: int = 512
    largest: int = 256

    def __post_init__(self) -> None:
        within = 2 <= self.largest <= self.samples
        _expect(within, "best_of_n: largest", self.largest, f"2 to {self.samples}, the samples of a prompt")

    @property
    def sizes(self) -> list[int]:
        """1, 2, 4, ... up to `largest`."""
        return [2**power for power in range(self.largest.bit_length())]


@dataclass(frozen=True, slots=True)
class Tuning:
    """runs: policies for each reward, with and without the KL penalty, each with a seed of its own.

    samples: completions of each test prompt with which a snapshot is measured.
    """

    runs: int = 3
    samples: int = 4

    def __post_init__(self) -> None:
        _expect(self.runs > 0, "nlpo: runs", self.runs, "at least 1")
        _expect(self.samples > 0, "nlpo: samples", self.samples, "at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overoptimisation(Study):
    """Gold judge, simulated annotators, reward models, and what optimising against them does."""

    annotators: Annotators = field(default_factory=Annotators)
    reward_models: Members = field(default_factory=Members)
    best_of_n: BestOfN = field(default_factory=BestOfN)
    nlpo: Tuning = field(default_factory=Tuning)

    def __post_init__(self) -> None:
        most = self.reward_models.count
        _expect(self.nlpo.runs <= most, "nlpo: runs", self.nlpo.runs, f"at most {most}: each has its own single model")
        known = self.task.test
        _expect(self.best_of_n.prompts <= known, "best_of_n: prompts", self.best_of_n.prompts, f"at most {known}")
