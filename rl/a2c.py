"""A2C's policy gradient, after Mnih et al. 2016 (arXiv 1602.01783), section 4, synchronous.

One step is made on the whole rollout, so that its data are exactly on-policy.
Shapes: (B, T), entries count where is_response.
"""

from torch import Tensor

from rl.advantages import mean_over_response


def policy_gradient_loss(log_probs: Tensor, advantages: Tensor, is_response: Tensor) -> Tensor:
    """−E[A · log π(a)], a mean over response tokens.

    log_probs are renormalised over the support that the tokens were drawn from, as everywhere.
    """
    # Zeroed before the product: 0 · NaN in a slot that does not count would be NaN.
    counted = log_probs.masked_fill(~is_response, 0.0)
    return -mean_over_response(counted * advantages.masked_fill(~is_response, 0.0), is_response)
