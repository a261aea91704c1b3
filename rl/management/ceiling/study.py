"""How near reward models come to what votes allow: everything that is decided before the bench runs."""

from dataclasses import dataclass, field

from annotation.errors import InputError
from rl.management.demo.experiment import ROOT, BestOf, RewardModelBudget, Study
from rl.management.overoptimisation.study import Annotators

STUDY_FILE = ROOT / "rl" / "configs" / "ceiling.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingStudy(Study):
    """annotators.pairs: to learn from, the last `validation_pairs` of them for validation; held_out_pairs: further
    ones, on other prompts, on which all models are measured. incomplete_share: of pairs in which a completion misses a
    concept. models: how each is trained; a layout names one.
    """

    annotators: Annotators = field(default_factory=Annotators)
    validation_pairs: int = 300
    held_out_pairs: int = 2000
    incomplete_share: float = 0.33
    models: tuple[RewardModelBudget, ...] = (RewardModelBudget(),)
    best_of: BestOf = field(default_factory=BestOf)

    def __post_init__(self) -> None:
        if not 0 < self.validation_pairs < self.annotators.pairs:
            expected = f"fewer than annotators.pairs, {self.annotators.pairs}"
            raise InputError(f"validation_pairs: expected {expected}, found {self.validation_pairs}.")
        if self.held_out_pairs < 1:
            raise InputError(f"held_out_pairs: expected at least 1, found {self.held_out_pairs}.")
        if not 0 <= self.incomplete_share <= 1:
            raise InputError(f"incomplete_share: expected 0 to 1, found {self.incomplete_share}.")
        layouts = [model.layout for model in self.models]
        if not layouts or len(set(layouts)) < len(layouts):
            raise InputError(f"models: expected one for each layout that is named, found {', '.join(layouts)}.")

    @property
    def pairs(self) -> int:
        return self.annotators.pairs + self.held_out_pairs
