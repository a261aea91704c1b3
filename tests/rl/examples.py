"""What the tests of fine-tuning share: examples, brute force to compare with, files of pairs, and interruptions."""

import copy
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel

from rl.fitting import take_step
from rl.policy import decoder_start
from rl.sequences import Batch, Example, is_causal

EOS = 1
EXAMPLES = (
    Example((3, 5), (7, 8, EOS)),
    Example((8, 4, 12, 9, 3), (4, EOS)),
    Example((10,), (6, 6, 6, 6, 5)),  # cut: no EOS
    Example((3, 11, 8), (EOS,)),
)
# Float32 sums in another order differ by some 1e-7 of logits of size 1 to 10, over at most five tokens.
TOLERANCE = 1e-5


def brute_force_log_probs(model: PreTrainedModel, example: Example) -> Tensor:
    """log π of each response token, in float64: the model is asked for one token at a time, without any padding."""
    exact = copy.deepcopy(model).double().eval()
    log_probs = []
    with torch.no_grad():
        for place, token in enumerate(example.response):
            before = list(example.response[:place])
            if is_causal(model):
                logits = exact(input_ids=torch.tensor([[*example.prompt, *before]])).logits
            else:
                start = torch.tensor([[decoder_start(model), *before]])
                logits = exact(input_ids=torch.tensor([example.prompt]), decoder_input_ids=start).logits
            log_probs.append(logits[0, -1].log_softmax(-1)[token])
    return torch.stack(log_probs)


def widen(batch: Batch, columns: int, *, causal: bool) -> Batch:
    """`columns` more of padding on each padded side, filled with a token that would matter if it counted."""
    side = (columns, 0) if causal else (0, columns)
    return Batch(
        pad(batch.prompt_ids, side, value=7),
        pad(batch.is_prompt, side, value=False),
        pad(batch.response_ids, (0, columns), value=7),
        pad(batch.is_response, (0, columns), value=False),
    )


def write_rows(path: Path, *rows: Any) -> Path:
    """JSON lines; a text is written as it is."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def interrupt_at(call: int) -> Callable[..., float]:
    """`take_step`, but Ctrl-C comes in the place of one call."""
    calls = itertools.count(1)

    def interrupted(*arguments: Any, **settings: Any) -> float:
        if next(calls) == call:
            raise KeyboardInterrupt
        return take_step(*arguments, **settings)

    return interrupted
