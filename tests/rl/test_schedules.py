"""Learning rates over a run."""

import pytest

from rl.config import OptimiserConfig
from rl.schedules import rate_factor


def factors(schedule: str, warmup: int, iterations: int = 10) -> list[float]:
    config = OptimiserConfig(schedule=schedule, warmup=warmup)  # type: ignore[arg-type]
    return [rate_factor(iteration, iterations, config) for iteration in range(iterations)]


def test_the_default_is_constant_from_the_first_iteration() -> None:
    assert factors("constant", 0) == [1.0] * 10


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_warm_up_grows_linearly_to_the_full_rate(schedule: str) -> None:
    assert factors(schedule, 4)[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_linear_falls_by_equal_steps_and_never_to_zero() -> None:
    assert factors("linear", 0) == pytest.approx([1 - step / 10 for step in range(10)])


def test_cosine_falls_through_a_half_in_the_middle() -> None:
    falling = factors("cosine", 0)
    assert falling[0] == 1.0
    assert falling[5] == pytest.approx(0.5)
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] > 0
