"""NLPO against each reward, with its KL penalty and without, and where each run went: proxy, gold and KL.

Shapes: P prompts, S samples of each.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedModel

from analysis.resampling import Floats
from annotation.run_folders import write_json
from rl.management.demo.completions import task_items
from rl.management.demo.training import SYSTEMS, tuning_command, unless_done
from rl.management.demo.workshop import Command, Result, Workplace
from rl.management.overoptimisation.rewards import (
    REWARDS,
    load_members,
    make_scorer,
    pay,
    reward_settings,
)
from rl.management.overoptimisation.study import Overoptimisation
from rl.management.run_records import read_metrics
from rl.measure import whole_vocabulary_sums
from rl.policy import load_policy, response_logits
from rl.rollout import Rollout, sample_responses
from rl.sampling import Noise, number_repeats
from rl.support import scale_logits
from rl.tasks.commongen_mini.judge import load_judge

FREE, PENALISED = "free", "penalised"
PENALTIES: Mapping[str, tuple[str, ...]] = {FREE: ("kl.coefficient=0", "kl.target=null"), PENALISED: ()}
PENALTY_NAMES = {FREE: "without KL penalty", PENALISED: "with KL penalty"}
PURPOSE = 13  # tells this draw of completions from the others of the study
BATCH = 256


@dataclass(frozen=True, slots=True)
class Arm:
    """One policy: what pays it, whether distance costs it, and the number of the run."""

    reward: str
    penalty: str
    run: int

    @property
    def name(self) -> str:
        return f"{self.reward}-{self.penalty}-{self.run}"

    @property
    def folder(self) -> str:
        return f"nlpo/{self.name}"


def arms_of(study: Overoptimisation) -> list[Arm]:
    return [Arm(reward, penalty, run) for run in range(study.nlpo.runs) for penalty in PENALTIES for reward in REWARDS]


def tune_policies(shop: Workplace[Overoptimisation]) -> Result:
    """All arms from the supervised policy, two at once; runs of one number share their seed and so their prompts."""
    arms = arms_of(shop.experiment)
    shop.run_together(*unless_done(shop, {arm.folder: _arm_command(shop, arm) for arm in arms}))
    return {"policies": len(arms), "line": f"{len(arms)} policies"}


def _arm_command(shop: Workplace[Overoptimisation], arm: Arm) -> Command:
    start = f"base_model={shop.folder / SYSTEMS['supervised']}"
    seed = f"seed={1000 * shop.experiment.seed + arm.run}"
    settings = [start, seed, *reward_settings(shop, arm.reward, arm.run), *PENALTIES[arm.penalty]]
    return tuning_command(shop, arm.folder, settings)


def trace_policies(shop: Workplace[Overoptimisation]) -> Result:
    """Gold, proxy and KL on test prompts at every snapshot of every arm; a file for each arm."""
    waiting = [arm for arm in arms_of(shop.experiment) if not trace_file(shop, arm).exists()]
    if waiting:
        probe = open_probe(shop)
        for arm in tqdm(waiting, desc="measuring policies", unit="policy"):
            path = trace_file(shop, arm)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            write_json(partial, list(trace_arm(shop, probe, arm)))
            partial.rename(path)
    kl = [read_trace(shop, arm)[-1]["kl_nats"] for arm in arms_of(shop.experiment) if arm.penalty == FREE]
    return {"line": f"KL at the end without penalty: {min(kl):.2f} to {max(kl):.2f} nats a completion"}


def trace_file(shop: Workplace[Overoptimisation], arm: Arm) -> Path:
    return shop.folder / "traces" / f"{arm.name}.json"


def read_trace(shop: Workplace[Overoptimisation], arm: Arm) -> list[dict[str, Any]]:
    """A row for each snapshot: its iteration, KL, and the mean gold and proxy of each prompt."""
    rows: list[dict[str, Any]] = json.loads(trace_file(shop, arm).read_text(encoding="utf-8"))
    return rows


@dataclass(frozen=True, slots=True)
class Probe:
    """What every policy is measured with, loaded once."""

    members: Sequence[Any]
    judge: Any
    reference: PreTrainedModel


def open_probe(shop: Workplace[Overoptimisation]) -> Probe:
    reference, _ = load_policy(shop.folder / SYSTEMS["supervised"])
    return Probe(load_members(shop), load_judge(shop.folder / "task"), reference)


def trace_arm(shop: Workplace[Overoptimisation], probe: Probe, arm: Arm) -> Iterator[dict[str, Any]]:
    """The rows of one arm; it starts at the supervised policy, whose gain and KL are 0 and need no row."""
    run = shop.folder / arm.folder
    kept = [(int(folder.name.rpartition("-")[2]), folder) for folder in sorted((run / "snapshots").glob("*"))]
    last = len(read_metrics(run))
    for iteration, policy in [*(row for row in kept if row[0] < last), (last, run / "policy")]:
        yield {"iteration": iteration} | measure_policy(shop, probe, arm, policy)


def measure_policy(shop: Workplace[Overoptimisation], probe: Probe, arm: Arm, policy: Path) -> dict[str, Any]:
    """Samples from the policy alone, without NLPO's mask: their gold, their proxy, and the KL that they estimate."""
    study = shop.experiment
    items = [item for item in task_items(shop, "test", study.best_of_n.prompts) for _ in range(study.nlpo.samples)]
    model, tokenizer = load_policy(policy)
    decoder, prompts = study.decoder(PURPOSE), [item.prompt for item in items]
    rollout = sample_responses(
        model,
        tokenizer,
        prompts,
        horizon=decoder.horizon,
        noise=Noise(decoder.seed),
        keys=number_repeats([item.item for item in items]),
        sampler=decoder.sampler,
    )
    texts = rollout.completions(tokenizer)
    golds = [probe.judge(prompt, text).utility for prompt, text in zip(prompts, texts, strict=True)]
    proxies = pay(make_scorer(shop, probe.members, arm.reward, arm.run)(prompts, texts))
    return {
        "kl_nats": float(sequence_kl(model, probe.reference, rollout, decoder.sampler.temperature).mean()),
        "gold": _by_prompt(golds, study.nlpo.samples).tolist(),
        "proxy": _by_prompt(proxies, study.nlpo.samples).tolist(),
    }


def _by_prompt(scores: Sequence[float] | Floats, samples: int) -> Floats:
    """(P · S,) to the mean of each prompt, (P,)."""
    return np.asarray(scores, dtype=np.float64).reshape(-1, samples).mean(axis=1)


@torch.no_grad()
def sequence_kl(policy: PreTrainedModel, reference: PreTrainedModel, rollout: Rollout, temperature: float) -> Tensor:
    """(B,) nats: KL of policy to reference over the whole vocabulary, summed over each response's tokens.

    On the policy's own samples its mean is unbiased for the KL of whole responses, and varies less than log-ratios do.
    """
    parts = []
    for rows in torch.arange(len(rollout)).split(BATCH):
        part = rollout.rows(rows)
        logs = [
            scale_logits(response_logits(model, *part.scored_inputs()), temperature).log_softmax(dim=-1)
            for model in (policy, reference)
        ]
        kl = whole_vocabulary_sums(logs[0], logs[1], None)["kl"]
        parts.append(kl.masked_fill(~part.is_response, 0.0).sum(dim=1))
    return torch.cat(parts)
