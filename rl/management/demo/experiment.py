"""The demo's experiment as a file: everything that is decided before the first run."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from annotation.errors import InputError
from annotation.simulated_workers import CrowdConfig
from rl.generate import Decoder
from rl.sampling import Sampler
from rl.tasks.commongen_mini.corpus import CorpusConfig

ROOT = Path(__file__).resolve().parents[3]
EXPERIMENT_FILE = ROOT / "rl" / "configs" / "demo.yaml"
PAPER_PAIRS = 417  # Ramamurthy et al. 2022, human preference study


@dataclass(frozen=True, slots=True)
class SupervisedBudget:
    steps: int = 900
    early_steps: int = 180
    batch: int = 48
    learning_rate: float = 2e-3


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    temperature: float = 1.0
    horizon: int = 24


@dataclass(frozen=True, slots=True)
class Vote:
    """One campaign: its crowd, and how many units it has (pairs in the first vote, items in the others).

    pairs: of completions that use all concepts, as the paper has them; incomplete_pairs: of which one does not.
    """

    crowd: CrowdConfig
    workers: int
    raters_per_hit: int = 3
    pairs: int = 0
    incomplete_pairs: int = 0
    items: int = 0


@dataclass(frozen=True, slots=True)
class RewardModelBudget:
    layout: str = "likelihood"
    learning_rate: float = 6e-4
    batch: int = 16
    epochs: int = 12
    patience: int = 4
    language_weight: float = 0.1
    dropout: float = 0.1


@dataclass(frozen=True, slots=True)
class BestOf:
    samples: int = 16
    prompts: int = 1000


@dataclass(frozen=True, slots=True)
class Controls:
    """How many reward models learn shuffled votes, and how many policies are tuned on the first of them."""

    shuffled_models: int = 20
    shuffled_policies: int = 5

    def __post_init__(self) -> None:
        if self.shuffled_policies < 2:  # one has no spread to judge it by
            raise InputError(f"controls: shuffled_policies: expected at least 2, found {self.shuffled_policies}.")
        if self.shuffled_models < self.shuffled_policies:
            expected = f"at least as many as shuffled_policies, {self.shuffled_policies}"
            raise InputError(f"controls: shuffled_models: expected {expected}, found {self.shuffled_models}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """What every study on the built-in task decides: its world and corpus, the supervised policy, how policies are
    tuned and sampled. `policy_set` lays KEY=VALUE over the policy configuration of every run."""

    seed: int = 0
    task: CorpusConfig = field(default_factory=CorpusConfig)
    supervised: SupervisedBudget = field(default_factory=SupervisedBudget)
    policy_config: Path = Path("rl/configs/commongen-mini-nlpo.yaml")
    policy_set: tuple[str, ...] = ()
    sampler: SamplerSettings = field(default_factory=SamplerSettings)

    def decoder(self, purpose: int, *, is_greedy: bool = False, samples_per_item: int = 1) -> Decoder:
        """How completions are drawn; `purpose` tells one draw of the experiment from another."""
        return Decoder(
            is_greedy=is_greedy,
            samples_per_item=samples_per_item,
            horizon=self.sampler.horizon,
            sampler=Sampler(temperature=self.sampler.temperature),
            seed=1000 * self.seed + purpose,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment(Study):
    """The demo's: its campaigns, its reward model, and what is measured."""

    first_vote: Vote
    second_vote: Vote
    likert: Vote
    reward_model: RewardModelBudget = field(default_factory=RewardModelBudget)
    best_of: BestOf = field(default_factory=BestOf)
    trajectory_items: int = 200
    controls: Controls = field(default_factory=Controls)

    def with_pairs(self, pairs: int) -> "Experiment":
        """With so many pairs of complete completions in the first vote and no others, as in the paper."""
        return replace(self, first_vote=replace(self.first_vote, pairs=pairs, incomplete_pairs=0))
