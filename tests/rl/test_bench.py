"""The bench: real iterations beside a real floor."""

from pathlib import Path

import pytest
import torch

from rl.management.bench import (
    VARIANTS,
    BenchConfig,
    bench_training,
    build_model,
    count_rising_words,
    describe,
    generate,
    make_items,
)
from rl.policy import encode_prompts


def test_ratios_are_taken_turn_by_turn() -> None:
    row = describe([2.0, 6.0, 4.0], [1.0, 2.0, 4.0])
    assert (row["seconds"], row["ratio"], row["ratio_min"], row["ratio_max"]) == (4.0, 2.0, 1.0, 3.0)


def test_the_floor_writes_exactly_as_many_tokens_as_ours_may() -> None:
    items = make_items()[:4]
    model, tokenizer = build_model("t5", items, 0)
    prompt_ids, is_prompt = encode_prompts(model.eval(), tokenizer, [item.prompt for item in items], 6)
    assert prompt_ids.shape == (4, 16)
    assert generate(model, prompt_ids, is_prompt, 6).shape == (4, 6)


def test_the_reward_counts_words_larger_than_the_one_before() -> None:
    assert count_rising_words([], ["w1 w2 w1 w3", ""], []) == [0.5, 0.0]


@pytest.mark.slow
def test_every_variant_is_timed_beside_the_floor(tmp_path: Path) -> None:
    torch.manual_seed(0)
    results = bench_training(tmp_path, BenchConfig(tokens=3, repeats=1), show_progress=False)
    assert results.keys() == {"t5", "gpt2"}
    for rows in results.values():
        assert rows.keys() == {"floor", *VARIANTS}
        assert rows["floor"]["ratio"] == 1.0
        assert all(row["seconds"] > 0 for row in rows.values())
