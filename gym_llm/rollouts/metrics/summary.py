"""From rollouts to the metrics of a run, in one pass."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gym_llm.errors import ConfigError
from gym_llm.rollouts.metrics.groups import Estimate, Groups, counted_ks, estimates
from gym_llm.rollouts.metrics.hooks import EnvRules, short_values
from gym_llm.rollouts.metrics.results import Counts, EnvMetrics, RunMetrics
from gym_llm.rollouts.metrics.table import ScoreTable
from gym_llm.rollouts.records import Rollout, TaskRecord
from gym_llm.scores import shown

MAX_SUBSETS = 1000
PERCENTILES = (50, 90, 99)

SubsetOf = Callable[[Rollout], str | None]
"""Names the subset of a rollout; None for a rollout that belongs to none."""


def summarise(
    rollouts: Iterable[Rollout],
    *,
    expected: Mapping[str, int] | None = None,
    tasks: Iterable[TaskRecord] = (),
    subset: str | SubsetOf | None = None,
    threshold: float | None = None,
) -> RunMetrics:
    """Return the metrics of rollouts, which may come from a generator: of each only its scores are kept.

    Args:
        rollouts: of any environments, failed ones included, in any order; each key once.
        expected: planned rollouts for each environment, to tell how many never ran.
        tasks: the rows, where metrics are to be had by what stands in them.
        subset: also compute everything for subsets: the name of a field of the verification or of the
            row (``metadata.level`` for nested ones), or a function that names a rollout's subset.
        threshold: the reward that is a pass; by default the verifier's ``success`` field decides, or
            else the maximum of the environment's reward range.

    Raises:
        ConfigError: there are more than 1000 subsets.
    """
    rows: dict[str, dict[int, dict[str, Any]]] = {}
    for task in tasks:
        rows.setdefault(task.env_id, {})[task.task_index] = short_values(task.row)
    name_of = subset_by(subset, rows) if isinstance(subset, str) else subset
    # In the order of the plan, where there is one, whichever environment is done first.
    tables = {e: ScoreTable(EnvRules.of(e, threshold), rows.get(e)) for e in expected or ()}
    for rollout in rollouts:
        env_id = rollout.env_id
        if env_id not in tables:
            tables[env_id] = ScoreTable(EnvRules.of(env_id, threshold), rows.get(env_id))
        table = tables[env_id]
        table.add(rollout)
        label = name_of(rollout) if name_of else None
        if label is not None:
            _subset(table, label).add(rollout)
    return RunMetrics({env_id: measure(env_id, t, expected) for env_id, t in tables.items()})


def subset_by(field_name: str, rows: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> SubsetOf:
    """Return the function that reads a subset's name from the verification, or else from the row."""

    def read(rollout: Rollout) -> str | None:
        value = rollout.fields.get(field_name)
        if value is None:
            value = rows.get(rollout.env_id, {}).get(rollout.task_index, {}).get(field_name)
        return shown(value) if isinstance(value, str | int | float) else None

    return read


def _subset(table: ScoreTable, label: str) -> ScoreTable:
    if label not in table.subsets:
        if len(table.subsets) >= MAX_SUBSETS:
            raise ConfigError(
                f"subset: more than {MAX_SUBSETS} subsets, the last one {label[:50]!r}; choose a field "
                "with few values"
            )
        table.subsets[label] = ScoreTable(table.rules, table.rows)
    return table.subsets[label]


def measure(env_id: str, table: ScoreTable, expected: Mapping[str, int] | None = None) -> EnvMetrics:
    """Return the metrics of a table."""
    planned = (expected or {}).get(env_id)
    groups = Groups(table) if table.task else None
    counts = Counts(
        table.records,
        table.completed,
        table.truncated,
        dict(sorted(table.failed.items())),
        None if planned is None else max(0, planned - table.records),
        table.tasks,
        len(groups.sizes) if groups else 0,
    )
    totals: dict[str, float | None] = {**table.totals, "cost": table.cost}
    head = EnvMetrics(env_id, counts, table.rules.threshold, totals=totals)
    if groups is None:
        return head
    means = groups.repeat_means()
    spread = float(np.std(means, ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else None
    components = {("rewards", k): groups.means(c) for k, c in table.components.arrays().items()}
    attempts = {("metrics", k): c for k, c in _over_all_tasks(groups).items()}
    found = estimates({**attempts, **components})
    fields = {name: groups.means(c) for name, c in table.fields.arrays().items()}
    return EnvMetrics(
        env_id,
        counts,
        table.rules.threshold,
        groups.most,
        {name: estimate for (kind, name), estimate in found.items() if kind == "metrics"},
        _over_complete_tasks(groups),
        means,
        spread,
        {name: estimate for (kind, name), estimate in found.items() if kind == "rewards"},
        {k: float(np.nanmean(v)) for k, v in fields.items() if not np.isnan(v).all()},
        table.rules.own_metrics(env_id, list(table.scores())) if table.rules.hooks else {},
        {name: _percentiles(c) for name, c in table.sizes.arrays().items()},
        totals,
        {label: measure(env_id, table.subsets[label]) for label in sorted(table.subsets)},
    )


def _over_all_tasks(groups: Groups) -> dict[str, Any]:
    """Return the metrics of each task, for every k that all tasks have rollouts for."""
    found = {"mean_reward": groups.sums(groups.reward) / groups.sizes}
    if groups.answers is not None:
        silent = np.array([answer is None for answer in groups.answers], dtype=float)
        found["no_answer"] = groups.sums(silent) / groups.sizes
    return {**found, **groups.attempts(counted_ks(groups.least))}


def _over_complete_tasks(groups: Groups) -> dict[str, Estimate]:
    """Return the metrics for every k over one fixed set: the tasks that lack no rollout."""
    if groups.least == groups.most:
        return {}
    columns = groups.attempts(counted_ks(groups.most))
    return estimates({name: column[groups.complete] for name, column in columns.items()})


def _percentiles(values: Any) -> dict[str, float]:
    values = values[~np.isnan(values)]
    found = {
        f"p{p}": float(v) for p, v in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    }
    return {**found, "mean": float(values.mean()), "max": float(values.max())}
