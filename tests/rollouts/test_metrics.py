"""Metrics: worked figures, failures beside them, intervals."""

import numpy as np
import pytest

from gym_llm.rollouts.metrics import bootstrap_interval, pass_at_k, summarise
from gym_llm.rollouts.records import Rollout


def rollouts(rewards: list[list[float | None]], env_id: str = "gym_llm/MCQA-v0") -> list[Rollout]:
    """Make rollouts from rewards by task; None is a failure."""
    found = []
    for task, group in enumerate(rewards):
        for repeat, reward in enumerate(group):
            rollout = Rollout(env_id, f"t{task}", task, repeat, 0, "completed", reward or 0.0)
            rollout.failure = {"kind": "x", "message": "y"} if reward is None else None
            found.append(rollout)
    return found


def test_worked_figures() -> None:
    metrics = summarise(rollouts([[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1]]))["gym_llm/MCQA-v0"]
    assert metrics.mean_reward is not None
    assert metrics.mean_reward.value == pytest.approx(5 / 12)
    assert {k: round(e.value, 5) for k, e in metrics.pass_at.items()} == {1: 0.41667, 4: 0.66667}


def test_mean_is_balanced_over_tasks() -> None:
    metrics = summarise(rollouts([[1.0], [0.0, 1.0]]))["gym_llm/MCQA-v0"]
    assert metrics.mean_reward is not None
    assert metrics.mean_reward.value == 0.75


def test_failures_are_counted_and_left_out() -> None:
    metrics = summarise(rollouts([[1.0, None], [None, None]]))["gym_llm/MCQA-v0"]
    assert (metrics.rollouts, metrics.failed) == (4, 3)
    assert metrics.mean_reward is not None
    assert (metrics.mean_reward.value, metrics.mean_reward.tasks, metrics.mean_reward.low) == (
        1.0,
        1,
        None,
    )


def test_run_of_failures_has_no_figures() -> None:
    metrics = summarise(rollouts([[None]]))["gym_llm/MCQA-v0"]
    assert (metrics.mean_reward, metrics.pass_at) == (None, {})


@pytest.mark.parametrize(
    ("n", "c", "k", "value"), [(4, 2, 1, 0.5), (4, 2, 2, 5 / 6), (4, 0, 4, 0.0), (3, 3, 1, 1.0)]
)
def test_pass_at_k(n: int, c: int, k: int, value: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(value)


def test_pass_at_k_refuses_more_than_there_are() -> None:
    with pytest.raises(ValueError, match="k must be between"):
        pass_at_k(2, 1, 3)


def test_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        low, high = bootstrap_interval(rng.random(40))
        assert low is not None
        assert high is not None
        hits += low <= 0.5 <= high
    assert 85 <= hits <= 100
