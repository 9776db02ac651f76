"""Comparing two runs on the tasks that both have: is B better than A, and could one have told?"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from gym_llm.errors import ConfigError
from gym_llm.estimators import CONFIDENCE, bootstrap_interval
from gym_llm.rollouts.profile import pass_rule
from gym_llm.rollouts.run_folder import RunFolder

POWER = 0.8
MIN_PAIRS = 6
"""For a verdict: with fewer, differences that all have one sign could still be chance (2 / 2**5 > 5 %),
and a bootstrap of so few says little."""
METRICS = ("reward", "pass")
"""``reward``: mean return of a task. ``pass``: share of its rollouts that passed."""


@dataclass(frozen=True)
class Difference:
    """B - A of one metric, over the tasks that both runs have."""

    a: float
    b: float
    difference: float
    low: float | None
    """End of the 95 % interval: percentiles of a bootstrap over pairs. None for a single pair."""
    high: float | None
    detectable: float | None
    """Smallest true difference that a comparison like this one finds with 80 % power."""


@dataclass(frozen=True)
class EnvComparison:
    """Two runs on one environment."""

    env_id: str
    pairs: int
    only_a: list[str]
    """Ids of tasks that have a rollout that counts in A alone."""
    only_b: list[str]
    failed_a: int
    """Rollouts that failed, and count in nothing else here."""
    failed_b: int
    metrics: dict[str, Difference]
    won: list[str]
    """Ids of tasks that B passes and A does not."""
    lost: list[str]
    both: int
    """Tasks that both pass."""
    neither: int
    p_value: float
    """Of McNemar's exact test on won and lost."""

    @property
    def verdict(self) -> str:
        """What the comparison says, in one line."""
        reward = self.metrics["reward"]
        said = f"{reward.difference:+.4f} reward"
        if reward.low is None or reward.high is None or self.pairs < MIN_PAIRS:
            return f"too few pairs for a verdict, {self.pairs} of {MIN_PAIRS}: {said}"
        said += f", 95 % interval {reward.low:+.4f} .. {reward.high:+.4f}"
        if reward.low > 0 or reward.high < 0:
            return f"B is {'better' if reward.low > 0 else 'worse'} than A: {said}"
        if reward.detectable is None:
            return f"no difference: {said}"
        return f"no difference shown: {said}; one of {reward.detectable:.4f} would be found 4 times of 5"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**dataclasses.asdict(self), "verdict": self.verdict}


@dataclass(frozen=True)
class Gate:
    """What a comparison must show: the interval of B - A lies above a bound (non-inferiority)."""

    metric: str
    minimum: float

    @classmethod
    def parse(cls, text: str) -> "Gate":
        """Read ``METRIC>=BOUND``.

        Raises:
            ConfigError: it is not of this form.

        >>> Gate.parse("reward>=-0.01")
        Gate(metric='reward', minimum=-0.01)
        """
        found = re.fullmatch(rf"\s*({'|'.join(METRICS)})\s*>=\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*", text)
        if found is None:
            raise ConfigError(f"a gate is {' or '.join(METRICS)}, then >= and a number, got {text!r}")
        return cls(found[1], float(found[2]))

    def holds(self, comparison: EnvComparison) -> bool:
        """Return whether the lower end of the interval reaches the bound; False without interval."""
        low = comparison.metrics[self.metric].low
        return low is not None and low >= self.minimum


@dataclass
class _Group:
    """The rollouts of one task in one run."""

    rewards: list[float] = field(default_factory=list)
    passed: list[bool] = field(default_factory=list)

    def value(self, metric: str) -> float:
        values: Sequence[float] = self.rewards if metric == "reward" else self.passed
        return sum(values) / len(values)

    @property
    def is_passed(self) -> bool:
        return 2 * sum(self.passed) > len(self.passed)


_Groups = Mapping[str, Mapping[str, _Group]]
"""Environment id, task id."""


def compare(
    a: RunFolder, b: RunFolder, *, threshold: float | None = None, force: bool = False
) -> list[EnvComparison]:
    """Compare two runs on each environment that both have.

    Tasks are paired by id; those with one id in a run count as one. A task is passed by a run when more
    than half of its rollouts that count pass. Equal runs give equal figures: the resamples are seeded.

    Args:
        a: the run that is the baseline.
        b: the run that is held against it.
        threshold: reward from which a rollout is a pass; by default the environment decides.
        force: compare even if a task of one id has different rows in the two runs.

    Raises:
        ConfigError: the runs have no task in common, or different data and ``force`` is not given.
    """
    if not force:
        _refuse_other_data(a, b)
    groups_a, failed_a = _grouped(a, threshold)
    groups_b, failed_b = _grouped(b, threshold)
    found = [
        _compare(env_id, groups_a[env_id], groups_b[env_id], failed_a, failed_b)
        for env_id in a.manifest.environments
        if groups_a.get(env_id, {}).keys() & groups_b.get(env_id, {}).keys()
    ]
    if not found:
        raise ConfigError(f"{a.path} and {b.path} have no task with a rollout that counts in common")
    return found


def _refuse_other_data(a: RunFolder, b: RunFolder) -> None:
    """Refuse tasks that have other rows; runs over different parts of one data set may be compared."""
    ours, theirs = a.manifest.environments, b.manifest.environments
    differing = {e for e in ours.keys() & theirs.keys() if ours[e].digest != theirs[e].digest}
    if not differing:
        return
    rows = {(t.env_id, t.task_id): t.row for t in a.tasks() if t.env_id in differing}
    shared = 0
    for task in b.tasks():
        key = task.env_id, task.task_id
        if key in rows:
            shared += 1
            if rows[key] != task.row:
                raise ConfigError(
                    f"the runs have different data: {task.env_id}, task {task.task_id} has another row "
                    "(--force compares by id all the same)"
                )
    if not shared:
        names = ", ".join(sorted(differing))
        raise ConfigError(f"the runs have different data: {names} (--force compares by id all the same)")


def _grouped(run: RunFolder, threshold: float | None) -> tuple[_Groups, dict[str, int]]:
    groups: dict[str, dict[str, _Group]] = {}
    failed: dict[str, int] = {}
    is_pass = pass_rule(threshold)
    for r in run.rollouts():
        group = groups.setdefault(r.env_id, {}).setdefault(r.task_id, _Group())
        group.rewards.append(r.reward)
        group.passed.append(is_pass(r))
    for r in run.failures():
        failed[r.env_id] = failed.get(r.env_id, 0) + 1
    return groups, failed


def _compare(
    env_id: str,
    a: Mapping[str, _Group],
    b: Mapping[str, _Group],
    failed_a: Mapping[str, int],
    failed_b: Mapping[str, int],
) -> EnvComparison:
    # Sorted, so that the resamples do not depend on which rollout was ready first.
    shared = sorted(a.keys() & b.keys())
    won = [task for task in shared if b[task].is_passed and not a[task].is_passed]
    lost = [task for task in shared if a[task].is_passed and not b[task].is_passed]
    both = sum(a[task].is_passed and b[task].is_passed for task in shared)
    return EnvComparison(
        env_id,
        len(shared),
        sorted(a.keys() - b.keys()),
        sorted(b.keys() - a.keys()),
        failed_a.get(env_id, 0),
        failed_b.get(env_id, 0),
        {
            metric: difference([(a[task].value(metric), b[task].value(metric)) for task in shared])
            for metric in METRICS
        },
        won,
        lost,
        both,
        len(shared) - both - len(won) - len(lost),
        mcnemar(len(won), len(lost)),
    )


def difference(pairs: Sequence[tuple[float, float]]) -> Difference:
    """Return the mean difference of pairs with its interval.

    Raises:
        ValueError: no pairs.
    """
    if not pairs:
        raise ValueError("a difference needs a pair at least")
    values = np.array(pairs, dtype=np.float64)
    differences = values[:, 1] - values[:, 0]
    low, high = bootstrap_interval(differences)
    a, b = values.mean(axis=0).tolist()
    return Difference(a, b, float(differences.mean()), low, high, detectable(differences.tolist()))


def detectable(differences: Sequence[float]) -> float | None:
    """Return the difference that a test of this many pairs finds with 80 % power, at a level of 5 %.

    ``(z(0.975) + z(0.8)) * s / sqrt(n)``, where s is the standard deviation of the differences and z the
    quantile of the normal distribution: 2.80 standard errors. None where the differences do not vary, or
    there is one only: the spread is not known then.

    Source: Card et al. 2020, With Little Power Comes Great Responsibility; Miller 2024, Adding Error
    Bars to Evals.

    >>> round(detectable([1.0, 0.0, 0.0, -1.0]), 3)
    1.144
    """
    n = len(differences)
    spread = float(np.std(differences, ddof=1)) if n > 1 else 0.0
    if spread == 0.0:
        return None
    normal = NormalDist()
    z = normal.inv_cdf((1 + CONFIDENCE) / 2) + normal.inv_cdf(POWER)
    return z * spread / math.sqrt(n)


def mcnemar(won: int, lost: int) -> float:
    """Return the two-sided p-value of McNemar's exact test: are flips equally likely both ways?

    Source: Dietterich 1998, Approximate Statistical Tests; advised for paired outcomes by Dror et al.
    2018, The Hitchhiker's Guide to Testing Statistical Significance in NLP.

    Raises:
        ValueError: a negative count.

    >>> round(mcnemar(10, 2), 4)
    0.0386
    """
    if won < 0 or lost < 0:
        raise ValueError(f"counts must be 0 or more, got {won} and {lost}")
    n = won + lost
    term = tail = 1
    for k in range(min(won, lost)):
        # From C(n, k) to C(n, k + 1), in whole numbers: floats would overflow from n = 1030 on.
        term = term * (n - k) // (k + 1)
        tail += term
    return min(1.0, 2 * tail / (1 << n))
