"""Metrics over rollouts: task-balanced mean and unbiased pass@k, with intervals over tasks."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gym_llm.registration import find
from gym_llm.rollouts.records import Rollout

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95 % confidence interval: percentiles of a bootstrap over tasks."""

    value: float
    low: float | None
    """None when there are fewer than two tasks: nothing can be said about the spread."""
    high: float | None
    tasks: int
    """Tasks that the value is a mean over."""


@dataclass(frozen=True)
class EnvMetrics:
    """Headline figures of one environment in a run."""

    env_id: str
    rollouts: int
    failed: int
    """Rollouts that broke off or could not be graded; they count in no other figure."""
    mean_reward: Estimate | None
    pass_at: dict[int, Estimate]
    """k to pass@k, for 1 and the number of repeats."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the unbiased estimate of the chance that one of k samples is right, c of n being right.

    Source: Chen et al. 2021, Evaluating Large Language Models Trained on Code.

    Raises:
        ValueError: k is not between 1 and n.

    >>> round(pass_at_k(4, 2, 2), 4)
    0.8333
    """
    if not 1 <= k <= n:
        raise ValueError(f"k must be between 1 and n, got k={k}, n={n}")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def succeeded(rollout: Rollout) -> bool:
    """Return whether a rollout is a pass: its ``success`` field, else the most that can be earned."""
    success = ((rollout.verification or {}).get("fields") or {}).get("success")
    if isinstance(success, bool):
        return success
    return rollout.reward >= find(rollout.env_id).reward_range[1] - 1e-9


def summarise(rollouts: Iterable[Rollout]) -> dict[str, EnvMetrics]:
    """Return the metrics of each environment, in order of first appearance."""
    by_env: dict[str, list[Rollout]] = {}
    for rollout in rollouts:
        by_env.setdefault(rollout.env_id, []).append(rollout)
    return {env_id: _summarise(env_id, found) for env_id, found in by_env.items()}


def _summarise(env_id: str, rollouts: Sequence[Rollout]) -> EnvMetrics:
    tasks: dict[int, list[Rollout]] = {}
    for rollout in sorted(rollouts, key=lambda r: (r.task_index, r.repeat)):
        if rollout.counts:
            tasks.setdefault(rollout.task_index, []).append(rollout)
    repeats = max((len(group) for group in tasks.values()), default=0)
    return EnvMetrics(
        env_id,
        len(rollouts),
        sum(not r.counts for r in rollouts),
        _estimate(tasks, lambda group: sum(r.reward for r in group) / len(group)),
        {k: e for k in sorted({1, repeats}) if k and (e := _estimate(tasks, _pass_of_group(k)))},
    )


def _pass_of_group(k: int) -> Callable[[Sequence[Rollout]], float | None]:
    def value(group: Sequence[Rollout]) -> float | None:
        return pass_at_k(len(group), sum(map(succeeded, group)), k) if len(group) >= k else None

    return value


def _estimate(
    tasks: Mapping[int, Sequence[Rollout]], value: Callable[[Sequence[Rollout]], float | None]
) -> Estimate | None:
    values = np.array([v for group in tasks.values() if (v := value(group)) is not None], dtype=float)
    if not values.size:
        return None
    low, high = bootstrap_interval(values)
    return Estimate(float(values.mean()), low, high, int(values.size))


def bootstrap_interval(
    values: "np.ndarray[Any, np.dtype[np.float64]]",
) -> tuple[float | None, float | None]:
    """Return the percentile interval of the mean; the same values give the same interval."""
    if values.size < 2:
        return None, None
    rng = np.random.default_rng(0)
    # In blocks: a hundred thousand tasks times the resamples would not fit in memory at once.
    means = [values[rng.integers(values.size, size=values.size)].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
