"""The bench compares like with like: the plain way gives the same scores and learns from the same loss."""

from pathlib import Path

import numpy as np
import pytest
import torch

import reward_models.management.bench as bench
from reward_models.config import RewardModelConfig
from reward_models.dataset import PairSplits
from reward_models.losses import pair_loss
from reward_models.management.bench import KINDS, BenchConfig, PairTrainer, PlainReader, bench_reward_models
from reward_models.scoring import Scorer
from reward_models.train import prepare_training


@pytest.mark.parametrize("kind", KINDS)
def test_the_plain_loop_gives_the_same_scores(kind: str, tmp_path: Path) -> None:
    path = str(bench.save_base(kind, tmp_path, seed=0))
    pairs = bench.make_pairs(seed=0)[:20]
    config = RewardModelConfig(path, layout=KINDS[kind], dropout=0.0, centring=0.0, language_weight=0.0)
    model = prepare_training(config, PairSplits(tuple(pairs), tuple(pairs), tuple(pairs))).learner.model.eval()
    texts = bench.make_texts(0, prompts=30, candidates=3)
    # float32 sums in another order; for the decoder-only model the same, as both read the last token that counts
    np.testing.assert_allclose(Scorer(model)(*texts), PlainReader(model).score(*texts).numpy(), atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_trainer_learns_from_the_same_loss(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(bench.save_base(kind, tmp_path, seed=0))
    pairs = bench.make_pairs(seed=0)[:4]
    seen: list[float] = []
    compute = PairTrainer.compute_loss

    def note(self: PairTrainer, *arguments: object, **options: object) -> torch.Tensor:
        loss: torch.Tensor = compute(self, *arguments, **options)
        if not seen:
            model = self.reader.model.eval()
            config = RewardModelConfig(path, centring=0.0, language_weight=0.0)
            seen.extend([float(loss), float(pair_loss(model, pairs, config, {}))])
        return loss

    monkeypatch.setattr(PairTrainer, "compute_loss", note)
    torch.manual_seed(0)
    bench.make_hub_training(path, KINDS[kind], pairs)()
    assert seen[0] == pytest.approx(seen[1], abs=1e-4)  # float32 sums in another order


@pytest.mark.slow
def test_the_bench_names_every_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PAIRS", 32)
    results = bench_reward_models(BenchConfig(repeats=1), show_progress=False)
    assert set(results) == {"t5", "llama"}
    for tasks in results.values():
        assert len(tasks) == 3
        assert all(row["ours"]["seconds"] > 0 and row["plain"]["ratio"] == 1 for row in tasks.values())
