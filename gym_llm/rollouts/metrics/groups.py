"""Scores grouped by task: what is estimated from several attempts at each."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from gym_llm.estimators import (
    FloatArray,
    bootstrap_intervals,
    majority_at,
    pass_at_k,
    pass_hat_k,
)
from gym_llm.rollouts.metrics.table import ScoreTable

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Estimate:
    """A metric with its 95 % confidence interval: percentiles of a bootstrap over tasks."""

    value: float
    low: float | None
    """None when there are fewer than two tasks: nothing can be said about the spread."""
    high: float | None
    tasks: int
    """Tasks that the value is a mean over."""


class Groups:
    """The attempts of a table, sorted by task and repeat.

    Args:
        table: at least one rollout that counts.
    """

    def __init__(self, table: ScoreTable) -> None:
        task, repeat = np.array(table.task), np.array(table.repeat)
        self.order = np.lexsort((repeat, task))
        _, self.starts, self.sizes = np.unique(task[self.order], return_index=True, return_counts=True)
        self.reward = np.array(table.reward)[self.order]
        self.success = np.array(table.success)[self.order]
        self.answers = [table.answers[i] for i in self.order] if table.has_answers else None
        self.passes = self.sums(self.success).astype(int)

    @property
    def least(self) -> int:
        """Attempts at the task that has the fewest."""
        return int(self.sizes.min())

    @property
    def most(self) -> int:
        """Attempts at the task that has the most."""
        return int(self.sizes.max())

    @property
    def complete(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which tasks have the most attempts."""
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = self.sizes == self.most
        return found

    def sums(self, values: FloatArray) -> FloatArray:
        """Return the sum for each task of values in sorted order."""
        total: FloatArray = np.add.reduceat(values, self.starts)
        return total

    def means(self, values: FloatArray) -> FloatArray:
        """Return the mean for each task of values in the table's order; NaN for tasks without one."""
        values = values[self.order]
        there = ~np.isnan(values)
        counts = self.sums(there.astype(float))
        with np.errstate(invalid="ignore"):
            found: FloatArray = self.sums(np.where(there, values, 0.0)) / counts
        return found

    def first_mean(self, k: int) -> FloatArray:
        """Return the mean reward of each task's first k attempts, or of all where there are fewer."""
        place = np.arange(len(self.reward)) - np.repeat(self.starts, self.sizes)
        found: FloatArray = self.sums(np.where(place < k, self.reward, 0.0)) / np.minimum(k, self.sizes)
        return found

    def by_passes(self, estimate: Callable[[int, int], float]) -> FloatArray:
        """Return an estimate from attempts and passes for each task, computed once for equal pairs."""
        pairs, inverse = np.unique(
            np.stack([self.sizes, self.passes], axis=1), axis=0, return_inverse=True
        )
        values = np.array([estimate(int(n), int(c)) for n, c in pairs])
        found: FloatArray = values[inverse.reshape(-1)]
        return found

    def majority(self, ks: Iterable[int]) -> dict[int, FloatArray]:
        """Return majority@k of each task for each k; none where the verifier reports no answers."""
        if self.answers is None:
            return {}
        values = self.success.tolist()
        spans = [slice(a, a + n) for a, n in zip(self.starts.tolist(), self.sizes.tolist(), strict=True)]
        worth = [majority_at(self.answers[span], values[span]) for span in spans]
        return {k: np.array([w[min(k, len(w)) - 1] for w in worth]) for k in ks}

    def attempts(self, ks: Iterable[int]) -> dict[str, FloatArray]:
        """Return every metric over k attempts, by name, for each task.

        The values of a task with fewer than k attempts mean nothing.
        """
        found: dict[str, FloatArray] = {}
        majority = self.majority(ks := list(ks))
        for k in ks:
            found[f"avg@{k}"] = self.first_mean(k)
            found[f"pass@{k}"] = self.by_passes(lambda n, c, k=k: pass_at_k(n, c, min(k, n)))  # type: ignore[misc]
            found[f"pass^{k}"] = self.by_passes(lambda n, c, k=k: pass_hat_k(n, c, min(k, n)))  # type: ignore[misc]
            if k in majority:
                found[f"majority@{k}"] = majority[k]
        return found

    def repeat_means(self) -> list[float]:
        """Return the run's mean reward at each repeat, over the complete tasks."""
        rewards = self.reward[np.repeat(self.complete, self.sizes)].reshape(-1, self.most)
        return [float(mean) for mean in rewards.mean(axis=0)]


def counted_ks(most: int) -> list[int]:
    """Return the k that are reported: powers of two, and the largest.

    >>> counted_ks(10)
    [1, 2, 4, 8, 10]
    """
    return [*(1 << i for i in range((most - 1).bit_length())), most]


def estimates(columns: Mapping[Name, FloatArray]) -> dict[Name, Estimate]:
    """Return the mean of each column over the tasks that have a value, with its interval."""
    # Columns over the same tasks share the resamples, which take most of the time.
    shared: dict[bytes, list[Name]] = {}
    for name, column in columns.items():
        shared.setdefault(np.isnan(column).tobytes(), []).append(name)
    found: dict[Name, Estimate] = {}
    for names in shared.values():
        values = np.stack([columns[name] for name in names], axis=1)
        values = values[~np.isnan(values[:, 0])]
        tasks = len(values)
        ends = np.stack(bootstrap_intervals(values), axis=1).tolist() if tasks > 1 else []
        for i, name in enumerate(names if tasks else ()):
            low, high = ends[i] if ends else (None, None)
            found[name] = Estimate(float(values[:, i].mean()), low, high, tasks)
    return {name: found[name] for name in columns if name in found}
