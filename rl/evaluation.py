"""Automatic evaluation of completions: metrics over items, nothing that was learned from judgments."""

from collections.abc import Sequence

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rl.metrics.coverage import count_missing
from rl.metrics.diversity import distinct
from rl.metrics.meteor import meteor, split_words
from rl.rollout import respond_greedily, sample_responses
from rl.sampling import Noise, Sampler, number_repeats
from rl.tasks.items import Item


def evaluate_completions(completions: Sequence[str], items: Sequence[Item]) -> dict[str, float]:
    """METEOR (see its module for the variant), share of concepts covered, words a completion, distinct-1 and -2.

    METEOR is over the items that have references, coverage over those that have concepts; where no item has any, the
    metric is left out.
    """
    pairs = list(zip(completions, items, strict=True))
    scores = [meteor(text, item.references) for text, item in pairs if item.references]
    concepts = sum(len(item.concepts) for item in items)
    missing = sum(count_missing(text, item.concepts) for text, item in pairs)
    return {
        **({"meteor": sum(scores) / len(scores)} if scores else {}),
        **({"coverage": 1 - missing / concepts} if concepts else {}),
        "length_words": sum(len(split_words(text)) for text in completions) / len(pairs),
        "distinct_1": distinct(completions, 1),
        "distinct_2": distinct(completions, 2),
    }


def evaluate_policy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[Item],
    *,
    horizon: int,
    sampler: Sampler,
    noise: Noise,
) -> dict[str, dict[str, float]]:
    """The metrics of one sampled completion an item, and of the greedy one."""
    prompts = [item.prompt for item in items]
    keys = number_repeats([item.item for item in items])
    sampled = sample_responses(model, tokenizer, prompts, horizon=horizon, noise=noise, keys=keys, sampler=sampler)
    greedy = respond_greedily(model, tokenizer, prompts, horizon=horizon, min_length=sampler.min_length)
    return {
        "sampled": evaluate_completions(sampled.completions(tokenizer), items),
        "greedy": evaluate_completions(greedy.completions(tokenizer), items),
    }
