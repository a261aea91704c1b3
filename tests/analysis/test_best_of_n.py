"""Best-of-n by brute force over all subsets, and its distance by the distribution of a maximum."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from analysis.best_of_n import best_of_n_kl, expected_best_of_n, win_probabilities

# Few different scores, so that most rows have ties.
ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(-5, 5)), min_size=1, max_size=7)


def mean_over_subsets(proxy: list[int], values: list[int], n: int) -> float:
    """Every subset of size n in turn; of several best ones each is taken as often."""
    worths = []
    for subset in itertools.combinations(range(len(proxy)), n):
        highest = max(proxy[row] for row in subset)
        worths.append(np.mean([values[row] for row in subset if proxy[row] == highest]))
    return float(np.mean(worths))


@given(ROWS)
def test_it_is_the_mean_over_all_subsets(rows: list[tuple[int, int]]) -> None:
    proxy, values = (list(column) for column in zip(*rows, strict=True))
    sizes = range(1, len(rows) + 1)
    (found,) = expected_best_of_n(np.array([proxy], dtype=float), np.array([values], dtype=float), sizes)
    # sums of a few products of floats
    assert found == pytest.approx([mean_over_subsets(proxy, values, n) for n in sizes], abs=1e-12)


@given(ROWS)
def test_one_sample_is_the_mean_and_all_of_them_the_best(rows: list[tuple[int, int]]) -> None:
    proxy, values = (np.array([column], dtype=float) for column in zip(*rows, strict=True))
    ((one, everything),) = expected_best_of_n(proxy, values, [1, len(rows)])
    assert one == pytest.approx(values.mean(), abs=1e-12)
    best = values[proxy == proxy.max()]
    assert everything == pytest.approx(best.mean(), abs=1e-12)
    ((own,),) = expected_best_of_n(proxy, proxy, [len(rows)])
    assert own == pytest.approx(proxy.max(), abs=1e-12)


@given(ROWS)
def test_more_samples_never_lower_the_proxys_own_score(rows: list[tuple[int, int]]) -> None:
    proxy = np.array([[score for score, _ in rows]], dtype=float)
    (curve,) = expected_best_of_n(proxy, proxy, range(1, len(rows) + 1))
    assert np.all(np.diff(curve) >= -1e-12)


@pytest.mark.parametrize(("samples", "n"), [(1, 1), (5, 2), (512, 1), (512, 256), (1024, 1024)])
def test_win_probabilities_sum_to_one(samples: int, n: int) -> None:
    # a product of up to a thousand factors, each rounded
    assert win_probabilities(samples, n).sum() == pytest.approx(1, abs=1e-12)


def test_n_must_lie_between_one_and_the_samples() -> None:
    for n in (0, 4):
        with pytest.raises(ValueError, match="expected 1 to 3"):
            win_probabilities(3, n)
    with pytest.raises(ValueError, match="expected one shape"):
        expected_best_of_n(np.zeros((1, 2)), np.zeros((1, 3)), [1])


@pytest.mark.parametrize("n", [1, 2, 7, 256])
def test_the_distance_is_that_of_a_maximum(n: int) -> None:
    """Where nothing ties, the best of n has density n u^(n − 1) in its quantile u, against 1 for a single sample."""

    def integrand(u: float) -> float:
        density = n * u ** (n - 1)
        return density * math.log(density) if density > 0 else 0.0

    assert best_of_n_kl(n) == pytest.approx(integrate.quad(integrand, 0, 1, limit=200)[0], abs=1e-7)


def test_the_distance_bounds_that_of_a_policy_with_few_answers() -> None:
    """Two answers of mass p and 1 − p, the first the better: the best of n is the first with 1 − (1 − p)^n."""
    for p, n in itertools.product((0.01, 0.3, 0.9), (1, 2, 16)):
        first = 1 - (1 - p) ** n
        exact = (
            first * math.log(first / p) + (1 - first) * math.log((1 - first) / (1 - p)) if first < 1 else -math.log(p)
        )
        assert exact <= best_of_n_kl(n) + 1e-12
    with pytest.raises(ValueError, match="at least 1"):
        best_of_n_kl(0)
