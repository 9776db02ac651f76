"""Metrics over rollouts; docs/metrics.md defines every one."""

from gym_llm.estimators import (
    bootstrap_interval,
    bootstrap_intervals,
    majority_at,
    pass_at_k,
    pass_hat_k,
)
from gym_llm.rollouts.metrics.groups import Estimate
from gym_llm.rollouts.metrics.hooks import EnvRules
from gym_llm.rollouts.metrics.results import Counts, EnvMetrics, Line, RunMetrics
from gym_llm.rollouts.metrics.summary import SubsetOf, summarise
from gym_llm.rollouts.records import Rollout

__all__ = [
    "Counts",
    "EnvMetrics",
    "EnvRules",
    "Estimate",
    "Line",
    "RunMetrics",
    "SubsetOf",
    "bootstrap_interval",
    "bootstrap_intervals",
    "majority_at",
    "pass_at_k",
    "pass_hat_k",
    "succeeded",
    "summarise",
]


def succeeded(rollout: Rollout, threshold: float | None = None) -> bool:
    """Return whether a rollout is a pass; for many rollouts ask `EnvRules` once and use its rule."""
    return EnvRules.of(rollout.env_id, threshold).is_pass(rollout)
