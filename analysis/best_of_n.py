"""Best-of-n: what the best of n samples is worth, by every n from the same N samples of each prompt.

The best is the one that a proxy scores highest; its worth is the proxy's own score, or anybody else's. Instead of
drawing n of N samples again and again, the mean over all subsets is taken in closed form: the sample of rank r wins a
subset of size n with probability C(r − 1, n − 1) / C(N, n) (Nakano et al. 2021, arXiv 2112.09332; Gao et al. 2022,
arXiv 2210.10760). Shapes: P prompts, N samples.
"""

import math
from collections.abc import Sequence

import numpy as np

from analysis.resampling import Floats


def win_probabilities(samples: int, n: int) -> Floats:
    """(N,): how likely the sample of rank 1, ..., N (N the best) is the best of n drawn without replacement."""
    if not 1 <= n <= samples:
        raise ValueError(f"n: expected 1 to {samples}, the number of samples, found {n}")
    # n/N for the best, and C(r − 2, n − 1) = C(r − 1, n − 1) · (r − n)/(r − 1) downwards; 0 from rank n − 1 on.
    ranks = np.arange(samples, 1, -1)
    ratios = np.maximum(ranks - n, 0) / (ranks - 1)
    return n / samples * np.cumprod([1.0, *ratios])[::-1]


def expected_best_of_n(proxy: Floats, values: Floats, sizes: Sequence[int]) -> Floats:
    """(P, len(sizes)): the expected value of the sample that the proxy takes from n of the N samples of each prompt.

    proxy, values (P, N). Of samples with equal proxy scores each is as likely to be taken. Unbiased for every n ≤ N.
    """
    if proxy.shape != values.shape:
        raise ValueError(f"proxy is {proxy.shape}, values are {values.shape}; expected one shape")
    ranked = np.stack([_rank_values(*row) for row in zip(proxy, values, strict=True)])
    weights = np.stack([win_probabilities(proxy.shape[1], n) for n in sizes], axis=1)
    return np.asarray(ranked @ weights)


def _rank_values(proxy: Floats, values: Floats) -> Floats:
    """(N,) values in the order of the proxy, lowest first; those of a tie by their mean."""
    _, group = np.unique(proxy, return_inverse=True)
    sizes = np.bincount(group)
    return np.repeat(np.bincount(group, weights=values) / sizes, sizes)


def best_of_n_kl(n: int) -> float:
    """log n − (n − 1)/n nats: KL of best-of-n to the policy that is sampled from.

    Exact where no two samples can tie; otherwise an upper bound (Beirami et al. 2024, arXiv 2401.01879).
    """
    if n < 1:
        raise ValueError(f"n: expected at least 1, found {n}")
    return math.log(n) - (n - 1) / n
