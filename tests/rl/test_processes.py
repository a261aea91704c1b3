"""Several processes do what one does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from annotation.errors import InputError
from rl.config import TrainingConfig
from rl.experience import Experience, join
from rl.logbook import read_rows
from rl.measure import Measures
from rl.policy import load_policy
from rl.processes import expect_alike, gather, interleave, own_device, own_share
from rl.rollout import Rollout
from rl.support import Support, pack_bits
from rl.train import train
from tests.rl.several_processes import make_plans, train_all
from tests.rl.tiny import KINDS, build_task, save_tiny

ROOT = Path(__file__).parent.parent.parent
CLOCK = {"tokens_per_s", "collect_s", "reward_s", "update_s"}


@given(count=st.integers(1, 30), processes=st.integers(1, 7))
def test_shares_put_one_after_the_other_are_interleaved_back(count: int, processes: int) -> None:
    rows = torch.arange(count)
    shares = [rows[rank::processes] for rank in range(processes)]
    assert torch.cat(shares)[interleave([len(share) for share in shares])].tolist() == rows.tolist()


def test_processes_that_stand_elsewhere_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """On machines that share no disk only the first finds the checkpoint."""
    expect_alike(7, "steps")
    monkeypatch.setattr("rl.processes.gather", lambda own: [own, 0])
    expect_alike(0, "steps")
    with pytest.raises(InputError, match=r"the processes have 7, 0 steps in run; expected its checkpoint in all\."):
        expect_alike(7, "steps in run; expected its checkpoint in all")


def test_a_process_on_its_own_has_everything() -> None:
    assert own_share([1, 2, 3]) == [1, 2, 3]
    assert gather("all") == ["all"]


def test_each_process_of_a_machine_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_device("cuda") == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert own_device("cuda") == "cuda:1"
    assert own_device("cpu") == "cpu"


@pytest.mark.parametrize("pads_left", [False, True])
def test_joined_shares_of_unlike_widths_lose_nothing(pads_left: bool) -> None:
    """Prompts are padded where the model kind pads them, responses on the right; the rows' order is the items'."""
    wide, narrow = make_experience(2, 4, 3), make_experience(1, 2, 2)
    joined = join([wide, narrow], torch.tensor([0, 2, 1]), pads_left=pads_left)
    rollout = joined.rollout
    assert rollout.response_ids.shape == (3, 3)
    for row, (part, place) in enumerate([(wide, 0), (narrow, 0), (wide, 1)]):
        source = part.rollout
        assert rollout.prompt_ids[row][rollout.is_prompt[row]].tolist() == source.prompt_ids[place].tolist()
        assert bool(rollout.is_prompt[row, -1 if pads_left else 0])
        kept = source.response_ids.shape[1]
        assert rollout.is_response[row].sum() == kept
        assert not rollout.is_response[row, kept:].any()
        for joined_values, own_values in (
            (rollout.response_ids, source.response_ids),
            (rollout.log_probs, source.log_probs),
            (joined.rewards, part.rewards),
            (joined.measures.kl, part.measures.kl),
        ):
            assert torch.equal(joined_values[row, :kept], own_values[place])
        assert rollout.support is not None
        assert source.support is not None
        assert torch.equal(rollout.support.unpack()[row, :kept], source.support.unpack()[place])
    assert joined.measures.values is None


def make_experience(rows: int, prompt_width: int, width: int) -> Experience:
    """Random numbers everywhere, no padding, five tokens of vocabulary."""
    generator = torch.Generator().manual_seed(width)

    def draw() -> Tensor:
        return torch.rand(rows, width, generator=generator)

    rollout = Rollout(
        prompt_ids=torch.randint(5, (rows, prompt_width), generator=generator),
        is_prompt=torch.ones(rows, prompt_width, dtype=torch.bool),
        response_ids=torch.randint(5, (rows, width), generator=generator),
        is_response=torch.ones(rows, width, dtype=torch.bool),
        log_probs=draw(),
        support=Support(pack_bits(torch.rand(rows, width, 5, generator=generator) < 0.5), 5),
        is_renormalised=True,
    )
    names = ("policy", "reference", "kl", "masked_kl", "entropy", "masked_entropy", "support_mass")
    return Experience(rollout, draw(), Measures(values=None, **{name: draw() for name in names}))


def test_too_few_rows_for_the_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl.train.process_count", lambda: 3)
    config = TrainingConfig(base_model=str(save_tiny("t5", tmp_path / "model")), prompts=2, iterations=1)
    with pytest.raises(InputError, match=r"2 responses an iteration for 3 processes"):
        train(config, build_task(), tmp_path / "run", show_progress=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_two_gloo_processes_learn_what_one_learns(tmp_path: Path) -> None:
    """Five algorithms, both model kinds, odd shares; every logged number, and the policies' weights."""
    for kind in KINDS:
        save_tiny(kind, tmp_path / "models" / kind)
    train_all(tmp_path / "models", tmp_path / "one")
    launch(2, "tests.rl.several_processes", tmp_path / "models", tmp_path / "two")
    for name in make_plans(tmp_path / "models"):
        one, two = (read_rows(tmp_path / count / name / "metrics.jsonl") for count in ("one", "two"))
        assert len(one) == len(two) == 3
        for row, other in zip(one, two, strict=True):
            # Float32 sums in another order: 1e-6 a number, grown a little by three iterations of AdamW.
            assert row.pop("warnings") == other["warnings"]
            kept = {key: entry for key, entry in row.items() if key not in CLOCK}
            assert {key: other[key] for key in kept} == pytest.approx(kept, rel=2e-3, abs=2e-4), name
        # Ten steps of conjugate gradients lose more digits than a step of AdamW.
        difference = 2e-2 if name.startswith("trpo") else 2e-3
        assert greatest_difference(*(tmp_path / count / name / "policy" for count in ("one", "two"))) < difference


def greatest_difference(one: Path, two: Path) -> float:
    """Between the logits that the two policies give to some tokens. Not the weights: AdamW moves those whose gradient
    is nothing but rounding by whole steps, and they do not matter."""
    ids = torch.tensor([[3, 4, 5, 6]])
    arguments = {"input_ids": ids}
    first, second = (load_policy(str(path), "cpu")[0] for path in (one, two))
    if first.config.is_encoder_decoder:
        arguments["decoder_input_ids"] = ids
    with torch.no_grad():
        return float((first(**arguments).logits - second(**arguments).logits).abs().max())


def launch(count: int, module: str, *arguments: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--nproc-per-node={count}", "--master-addr=127.0.0.1", f"--master-port={port}"]
    finished = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", *options, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "DJANGO_SETTINGS_MODULE": "annotation.settings"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
