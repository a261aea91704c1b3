"""Signs of a run that goes wrong, read from its logged rows, with the likely cause."""

from collections.abc import Mapping, Sequence
from typing import Any

PATIENCE = 5  # iterations in a row
NEGATIVE_KL_NATS = -0.005
COLLAPSED_SHARE = 0.1
SAME_REWARD = 1e-3  # a standard deviation, beside a mean of 1 or of what it is
ONLY_EOS = 1.5  # tokens


def find_warnings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences about the last rows of `metrics.jsonl`; none while all is well."""
    recent = rows[-PATIENCE:]
    if len(recent) < PATIENCE:
        return []
    warnings = []
    if all(row["kl_sampled"] < NEGATIVE_KL_NATS for row in recent):
        warnings.append(_explain_negative_kl(recent))
    start = rows[0]["entropy"]
    if all(row["entropy"] < COLLAPSED_SHARE * start for row in recent):
        warnings.append(
            f"entropy has been under a tenth of its first value ({start:.2f} nats) for {PATIENCE} iterations: the "
            "policy has collapsed; raise kl.coefficient, lower optimiser.learning_rate, or look for a reward that one "
            "answer to every prompt satisfies."
        )
    if all(row["reward_sd"] < SAME_REWARD * max(1.0, abs(row["reward"])) for row in recent):
        warnings.append(
            f"rewards have hardly differed for {PATIENCE} iterations (standard deviation "
            f"{recent[-1]['reward_sd']:.1g}): there is next to nothing to learn from; a preference model whose scores "
            "lie far from those it was calibrated on gives 0 or 1 to everything."
        )
    if all(row["length_tokens"] < ONLY_EOS for row in recent):
        warnings.append(
            f"responses have been all but empty for {PATIENCE} iterations: the reward pays for ending at once; look at "
            "what it gives an empty text."
        )
    return warnings


def _explain_negative_kl(recent: Sequence[Mapping[str, Any]]) -> str:
    """Over the whole vocabulary the mean log-ratio estimates a KL, which cannot be negative; over less, nothing."""
    sentence = f"the mean log-ratio to the reference has been negative for {PATIENCE} iterations: "
    if all(row["support_mass"] < 1 for row in recent):
        return sentence + (
            "tokens are drawn through a mask or filter, so this is no estimate of KL and may be negative (see "
            "kl_exact); the penalty now pays the policy for unlikely tokens: let more tokens through (nlpo.top_mass, "
            "sampler.top_k, sampler.top_p) or lower kl.coefficient."
        )
    return sentence + (
        "tokens are not drawn from the distribution that is scored; check that sampling and scoring agree on "
        "temperature, dropout and padding."
    )
