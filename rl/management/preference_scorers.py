"""The reward model, or the ensemble of them, that a configuration of train_policy names."""

from reward_models.ensembles import load_ensemble
from reward_models.scoring import load_scorer
from rl.config import RewardConfig
from rl.rewards import PreferenceScorer


def load_preference_scorer(config: RewardConfig) -> PreferenceScorer | None:
    """None where the configuration names no model."""
    if config.preference_models:
        return load_ensemble(config.preference_models, config.ensemble, config.ensemble_penalty)
    return None if config.preference_model is None else load_scorer(config.preference_model)
