"""Warnings from logged rows."""

from rl.monitor import PATIENCE, find_warnings


def rows(count: int = PATIENCE, **changes: float) -> list[dict[str, float]]:
    healthy = {
        "kl_sampled": 0.05,
        "entropy": 2.0,
        "support_mass": 1.0,
        "reward": 0.5,
        "reward_sd": 0.1,
        "length_tokens": 9.0,
    }
    return [healthy, *[healthy | changes for _ in range(count)]]


def test_a_healthy_run_has_no_warnings() -> None:
    assert find_warnings(rows()) == []


def test_sustained_negative_kl_is_explained() -> None:
    (warning,) = find_warnings(rows(kl_sampled=-0.02))
    assert "temperature, dropout and padding" in warning


def test_under_a_mask_or_filter_the_cause_is_what_it_keeps_out() -> None:
    (warning,) = find_warnings(rows(kl_sampled=-0.02, support_mass=0.9))
    assert "no estimate of KL and may be negative" in warning
    assert "sampler.top_k" in warning


def test_a_collapsed_entropy_is_explained() -> None:
    (warning,) = find_warnings(rows(entropy=0.1))
    assert "collapsed" in warning


def test_rewards_that_hardly_differ_are_explained() -> None:
    (warning,) = find_warnings(rows(reward=0.0, reward_sd=2e-4))
    assert "standard deviation 0.0002" in warning and "0 or 1 to everything" in warning
    assert find_warnings(rows(reward=0.0, reward_sd=2e-3)) == []
    assert len(find_warnings(rows(reward=-100.0, reward_sd=0.05))) == 1  # beside its mean


def test_responses_that_end_at_once_are_explained() -> None:
    (warning,) = find_warnings(rows(length_tokens=1.2))
    assert "what it gives an empty text" in warning
    assert find_warnings(rows(length_tokens=2.0)) == []


def test_one_bad_iteration_is_not_sustained() -> None:
    assert find_warnings(rows(count=PATIENCE - 1, kl_sampled=-0.02, entropy=0.1, reward_sd=0.0)) == []
