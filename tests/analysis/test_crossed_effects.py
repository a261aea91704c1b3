"""The block by block equations of crossed effects against the same matrices written out."""

import numpy as np
import pytest

from analysis import crossed_effects
from analysis.crossed_effects import CrossedEffects


@pytest.fixture(autouse=True, params=["dense", "sparse"])
def _kind_of_matrix(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "sparse":
        monkeypatch.setattr(crossed_effects, "LARGEST_DENSE", 0)


def make_effects(seed: int = 0) -> tuple[CrossedEffects, np.ndarray, np.ndarray]:
    """Seven items, three systems, five workers of whom some rate a thing twice; ratings' weights; the matrix Z."""
    generator = np.random.default_rng(seed)
    item = np.repeat(np.arange(7), 9)
    completion = item * 3 + np.tile(np.repeat(np.arange(3), 3), 7)
    worker = generator.integers(5, size=63)
    effects = CrossedEffects(completion, item, worker)
    indicators = np.hstack([np.eye(size)[codes] for codes, size in zip(effects.codes, effects.sizes, strict=True)])
    return effects, generator.random(63), indicators


@pytest.mark.parametrize("scales", [(0.7, 0.5, 1.2), (0, 0.5, 0.3), (0.4, 0, 0.3), (0.2, 0.9, 0), (3, 3, 3)])
def test_a_factorisation_is_that_of_the_whole_matrix(scales: tuple[float, float, float]) -> None:
    effects, weights, indicators = make_effects()
    factorisation = effects.factorise(weights, np.array(scales))
    scaled = indicators * effects.expand(np.array(scales))
    matrix = np.eye(effects.total) + scaled.T @ np.diag(weights) @ scaled
    inverse = np.linalg.inv(matrix)
    right = np.random.default_rng(1).normal(size=(effects.total, 2))
    assert factorisation.log_determinant == pytest.approx(np.linalg.slogdet(matrix)[1], abs=1e-10)
    assert factorisation.solve(right) == pytest.approx(inverse @ right, abs=1e-10)
    assert factorisation.solve(right[:, 0]) == pytest.approx(inverse @ right[:, 0], abs=1e-10)
    assert factorisation.worker_inverse() == pytest.approx(inverse[effects.blocks[2], effects.blocks[2]], abs=1e-10)
    diagonal, traces = factorisation.variances()
    assert diagonal == pytest.approx(np.diag(scaled @ inverse @ scaled.T), abs=1e-10)
    assert traces == pytest.approx([np.trace(inverse[block, block]) for block in effects.blocks], abs=1e-10)


def test_sums_and_spreads_are_products_with_the_indicators() -> None:
    effects, weights, indicators = make_effects()
    assert effects.sums(weights) == pytest.approx(indicators.T @ weights)
    both = np.column_stack([weights, weights**2])
    assert effects.sums(both) == pytest.approx(indicators.T @ both)
    of_levels = np.random.default_rng(2).normal(size=effects.total)
    assert effects.spread(of_levels) == pytest.approx(indicators @ of_levels)
