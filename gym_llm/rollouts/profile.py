"""How hard each task of a run was: pass rates, difficulty bands, task files of chosen difficulty."""

import functools
import itertools
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

from gym_llm.errors import ConfigError, DataError
from gym_llm.estimators import CONFIDENCE
from gym_llm.rollouts.metrics.hooks import EnvRules
from gym_llm.rollouts.records import Rollout
from gym_llm.rollouts.run_folder import TASKS, RunFolder

BANDS = ("unsolved", "hard", "medium", "easy", "solved")
HARD_BELOW, EASY_FROM = 0.3, 0.7


@dataclass
class TaskProfile:
    """What one run says of one task."""

    env_id: str
    task_id: str
    task_index: int
    rollouts: int = 0
    """Those that count: repeats that did not fail."""
    passes: int = 0
    failures: int = 0
    """Rollouts that broke off; they say nothing of the task."""
    reward_sum: float = 0.0

    @property
    def pass_rate(self) -> float | None:
        """Share of the rollouts that passed; None when none counts."""
        return self.passes / self.rollouts if self.rollouts else None

    @property
    def mean_reward(self) -> float | None:
        """Mean return of the rollouts that count; None when none does."""
        return self.reward_sum / self.rollouts if self.rollouts else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the pass rate; None when no rollout counts."""
        return wilson_interval(self.passes, self.rollouts) if self.rollouts else None

    @property
    def band(self) -> str | None:
        """The difficulty; None when no rollout counts."""
        return None if self.pass_rate is None else band(self.pass_rate)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        low, high = self.interval or (None, None)
        return {
            "env_id": self.env_id,
            "task_id": self.task_id,
            "task_index": self.task_index,
            "rollouts": self.rollouts,
            "passes": self.passes,
            "failures": self.failures,
            "pass_rate": self.pass_rate,
            "low": low,
            "high": high,
            "mean_reward": self.mean_reward,
            "band": self.band,
        }


def wilson_interval(passes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion, which is sound for few trials and for 0 or all.

    Source: Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference.

    Raises:
        ValueError: no trials, or more passes than trials.

    >>> [round(end, 3) for end in wilson_interval(8, 10)]
    [0.49, 0.943]
    """
    if not 0 <= passes <= trials or trials < 1:
        raise ValueError(f"passes must be between 0 and the trials, got {passes} of {trials}")
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    rate, scale = passes / trials, 1 + z * z / trials
    centre = (rate + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(rate * (1 - rate) / trials + (z / (2 * trials)) ** 2)
    # At the ends rounding would leave a bound like 1e-17, or one that leaves out the rate itself.
    return (0.0 if passes == 0 else centre - half), (1.0 if passes == trials else centre + half)


def band(pass_rate: float) -> str:
    """Return the difficulty band of a task.

    ``unsolved``: 0; ``hard``: above 0, below 0.3; ``medium``: from 0.3, below 0.7; ``easy``: from 0.7,
    below 1; ``solved``: 1.

    >>> [band(rate) for rate in (0, 0.29, 0.3, 0.7, 1)]
    ['unsolved', 'hard', 'medium', 'easy', 'solved']
    """
    if pass_rate <= 0 or pass_rate >= 1:
        return "unsolved" if pass_rate <= 0 else "solved"
    return "hard" if pass_rate < HARD_BELOW else "medium" if pass_rate < EASY_FROM else "easy"


def pass_rule(threshold: float | None = None) -> Callable[[Rollout], bool]:
    """Return what tells whether a rollout is a pass, as the metrics have it.

    Args:
        threshold: reward from which it is; by default the environment decides.
    """
    rules = functools.cache(lambda env_id: EnvRules.of(env_id, threshold))
    return lambda rollout: rules(rollout.env_id).is_pass(rollout)


def profile(
    run: RunFolder, env_id: str | None = None, threshold: float | None = None
) -> list[TaskProfile]:
    """Return the profile of every task of a run, by environment and index; rollouts are not kept.

    Args:
        run: the run.
        env_id: only tasks of this environment.
        threshold: reward from which a rollout is a pass; by default the environment decides.

    Raises:
        RowError: a line of the run cannot be read.
    """
    found: dict[tuple[str, int], TaskProfile] = {}
    for record in run.tasks():
        if env_id in (None, record.env_id):
            key = record.env_id, record.task_index
            found[key] = TaskProfile(record.env_id, record.task_id, record.task_index)
    is_pass = pass_rule(threshold)
    for r in itertools.chain(run.rollouts(), run.failures()):
        if env_id in (None, r.env_id):
            key = r.env_id, r.task_index
            task = found.setdefault(key, TaskProfile(r.env_id, r.task_id, r.task_index))
            if not r.counts:
                task.failures += 1
                continue
            task.rollouts += 1
            task.passes += is_pass(r)
            task.reward_sum += r.reward
    order = {name: number for number, name in enumerate(run.manifest.environments)}
    return sorted(found.values(), key=lambda t: (order.get(t.env_id, len(order)), t.task_index))


def hardest(tasks: Iterable[TaskProfile], count: int) -> list[TaskProfile]:
    """Return the tasks with the lowest pass rate, then the lowest mean reward."""
    measured = [t for t in tasks if t.rollouts]
    return sorted(measured, key=lambda t: (t.pass_rate, t.mean_reward, t.task_index))[:count]


def within(tasks: Iterable[TaskProfile], low: float, high: float) -> list[TaskProfile]:
    """Return the tasks whose pass rate is from ``low`` to ``high``, both included.

    Raises:
        ConfigError: not ``0 <= low <= high <= 1``.
    """
    if not 0 <= low <= high <= 1:
        raise ConfigError(f"pass rates to keep must be within 0..1, low first, got {low:g}..{high:g}")
    return [t for t in tasks if t.pass_rate is not None and low <= t.pass_rate <= high]


def write_tasks(run: RunFolder, tasks: Iterable[TaskProfile], path: Path) -> None:
    """Write the rows of tasks to a file that an environment takes as ``tasks=``.

    Every row has its task's id as ``task_id``, so that tasks keep their names in a shorter file.

    Raises:
        ConfigError: nothing is to be written, tasks of several environments are, or the file is there
            already. DataError: the run has no row for one of the tasks.
    """
    chosen = {(t.env_id, t.task_index): t.task_id for t in tasks}
    if len({env_id for env_id, _ in chosen}) != 1:
        raise ConfigError("a task file needs tasks of exactly one environment")
    if path.exists():
        raise ConfigError(f"output file {path} exists already")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}")
    with partial.open("w", encoding="utf-8") as file:
        for task in run.tasks():
            if chosen.pop((task.env_id, task.task_index), None) is not None:
                file.write(json.dumps({"task_id": task.task_id, **task.row}) + "\n")
    if chosen:
        partial.unlink()
        raise DataError(f"{run.path / TASKS}: no row of task {next(iter(chosen.values()))}")
    partial.replace(path)
