"""Fits of over-optimisation: planted coefficients come back, and peaks lie where a search finds them."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from analysis.overoptimisation import Form, find_peak, fit_overoptimisation

FORMS = get_args(Form)
DISTANCES = [0.0, 0.3, 0.8, 1.0, 1.7, 2.6, 4.0]
COEFFICIENTS = st.floats(-5, 5)


def gain(d: float, alpha: float, beta: float, form: Form) -> float:
    """The forms as Gao et al. write them."""
    if d == 0:
        return 0.0
    return d * (alpha - beta * d) if form == "best-of-n" else d * (alpha - beta * math.log(d))


@pytest.mark.parametrize("form", FORMS)
@given(alpha=COEFFICIENTS, beta=COEFFICIENTS)
def test_planted_coefficients_are_found(form: Form, alpha: float, beta: float) -> None:
    fit = fit_overoptimisation(DISTANCES, [gain(d, alpha, beta, form) for d in DISTANCES], form)
    # least squares in float64 on gains of at most 100
    assert (fit.alpha, fit.beta) == (pytest.approx(alpha, abs=1e-10), pytest.approx(beta, abs=1e-10))
    assert fit.residual == pytest.approx(0, abs=1e-10)
    assert fit.used == len(DISTANCES) - 1
    assert fit.predict(DISTANCES)[0] == 0


@pytest.mark.parametrize("form", FORMS)
def test_noise_is_averaged_out_and_measured(form: Form) -> None:
    generator = np.random.default_rng(0)
    distances = np.repeat(np.linspace(0.1, 4, 40), 50).tolist()
    noisy = [gain(d, 1.2, 0.4, form) + generator.normal(0, 0.2) for d in distances]
    fit = fit_overoptimisation(distances, noisy, form)
    # 2,000 points with a standard deviation of .2: standard errors of about .01 and .005
    assert (fit.alpha, fit.beta) == (pytest.approx(1.2, abs=0.04), pytest.approx(0.4, abs=0.02))
    assert fit.residual == pytest.approx(0.2, rel=0.05)


@pytest.mark.parametrize("form", FORMS)
@given(alpha=st.floats(0.2, 3), beta=st.floats(0.5, 3))
def test_the_peak_is_where_a_search_finds_it(form: Form, alpha: float, beta: float) -> None:
    found = optimize.minimize_scalar(lambda d: -gain(d, alpha, beta, form), bounds=(1e-9, 500), method="bounded")
    peak = find_peak(alpha, beta, form)
    # the search stops within 1e-5 of the maximum, which is flat
    assert gain(peak, alpha, beta, form) == pytest.approx(-found.fun, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    ("alpha", "beta", "form"), [(1.0, 0.0, "rl"), (1.0, -1.0, "rl"), (1.0, -1.0, "best-of-n"), (-1.0, 1.0, "best-of-n")]
)
def test_a_curve_that_never_turns_has_no_peak(alpha: float, beta: float, form: Form) -> None:
    fit = fit_overoptimisation(DISTANCES, [gain(d, alpha, beta, form) for d in DISTANCES], form)
    if beta != 0:  # rounding gives a zero slope either sign
        assert math.isnan(fit.peak)
        assert "never turns" in fit.reading
    assert math.isnan(find_peak(alpha, beta, form))


def test_a_peak_beyond_what_was_seen_is_said() -> None:
    near = fit_overoptimisation([1, 2, 3], [gain(d, 1, 0.25, "best-of-n") for d in (1, 2, 3)], "best-of-n")
    assert (near.peak, near.peak_gain, near.warnings) == (pytest.approx(2), pytest.approx(1), ())
    far = fit_overoptimisation([1, 2, 3], [gain(d, 1, 0.1, "best-of-n") for d in (1, 2, 3)], "best-of-n")
    assert far.peak == pytest.approx(5)
    assert far.warnings == ("the fitted peak lies beyond the observed distances",)


def test_two_distances_are_the_least() -> None:
    fit = fit_overoptimisation([0, 1.5, 1.5], [0, 1, 2], "rl")
    assert math.isnan(fit.alpha) and fit.used == 2
    assert "fewer than two different distances" in fit.reading
