"""The metrics of NVIDIA NeMo Gym under its own names, so that runs can be compared with its files.

These definitions are reproduced on purpose, also where `gym_llm.rollouts.metrics` decides otherwise:
means are pooled over rollouts, pass@k over ragged groups changes its set of tasks and takes a maximum
for rewards that are not 0 or 1, majority@k counts pairs of answer and score, and failures are not
mentioned.
Use them for comparison, not for conclusions.
"""

import json
import os
import re
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic
from pydantic import BaseModel, ConfigDict

from gym_llm.errors import DataError
from gym_llm.estimators import pass_at_k
from gym_llm.tasks import describe_validation

Row = Mapping[str, Any]
ScoreOf = Callable[[Row], Mapping[str, float]]

STATISTICS = ("mean", "max", "min", "median", "std")
INDICES = ("_ng_task_index", "_ng_rollout_index", "_ng_attempt_index")


# --- pass and majority


def accuracy(row: Row) -> dict[str, float]:
    """Return the reward as the score ``accuracy``: the default score."""
    return {"accuracy": float(row["reward"])}


def pass_majority_metrics(
    tasks: Sequence[Sequence[Row]], score: ScoreOf = accuracy, answer_key: str | None = None
) -> dict[str, Any]:
    """Return NeMo Gym's metrics over repeats, in percent, under its names.

    Args:
        tasks: the rows of each task, in order of rollouts.
        score: named scores of a row; booleans count as 0 and 1.
        answer_key: field of the extracted answer, for ``majority@k`` and the score ``no_answer``.

    Returns:
        For every k up to the most rollouts of a task ``pass@k/NAME``, ``pass@1[avg-of-k]/NAME`` (from
        k = 2 on with ``/std_dev_across_runs`` and ``/std_err_across_runs``) and, with an answer key,
        ``majority@k/NAME``; and ``per_sample_aggregate``, a list for each name.
    """
    answers = [[row.get(answer_key) if answer_key else None for row in task] for task in tasks]
    scores = [[{k: float(v) for k, v in score(row).items()} for row in task] for task in tasks]
    if answer_key:
        for task, given in zip(scores, answers, strict=True):
            for row, answer in zip(task, given, strict=True):
                row["no_answer"] = float(answer is None)
    names = list(dict.fromkeys(name for task in scores for row in task for name in row))
    most = max(map(len, tasks), default=0)
    found: dict[str, Any] = {}
    by_sample: dict[str, list[float]] = {}
    for name in names:
        values = [[row[name] for row in task if name in row] for task in scores]
        by_sample[name] = [
            100 * statistics.fmean(v[j] for v in values if len(v) > j)
            for j in range(max(map(len, values)))
        ]
        for k in range(1, most + 1):
            found.update(_over_first(k, name, values, by_sample[name]))
            if answer_key:
                votes = [
                    [(a, row[name]) for a, row in zip(given, task, strict=True) if name in row][:k]
                    for given, task in zip(answers, scores, strict=True)
                ]
                found[f"majority@{k}/{name}"] = 100 * statistics.fmean(map(_majority, votes))
    return {**found, "per_sample_aggregate": by_sample} if names else {}


def _over_first(
    k: int, name: str, values: Sequence[Sequence[float]], by_sample: Sequence[float]
) -> dict[str, float]:
    found: dict[str, float] = {}
    passes = [_pass(task, k) for task in values if len(task) >= k]
    if passes:
        found[f"pass@{k}/{name}"] = 100 * statistics.fmean(passes)
    average = f"pass@1[avg-of-{k}]/{name}"
    found[average] = 100 * statistics.fmean(statistics.fmean(v[:k]) for v in values if v)
    runs = by_sample[:k]
    if len(runs) > 1:
        spread = statistics.stdev(runs)
        found[f"{average}/std_dev_across_runs"] = spread
        found[f"{average}/std_err_across_runs"] = spread / len(runs) ** 0.5
    return found


def _pass(values: Sequence[float], k: int) -> float:
    if set(values) <= {0.0, 1.0}:
        return pass_at_k(len(values), int(sum(values)), k)
    return max(values[:k])


def _majority(votes: Sequence[tuple[Any, float]]) -> float:
    """Return the mean score of the most frequent pairs of answer and score; 0 without an answer."""
    counts = Counter((json.dumps(a, sort_keys=True, default=str), s) for a, s in votes if a is not None)
    top = max(counts.values(), default=0)
    return statistics.fmean([s for (_, s), n in counts.items() if n == top] or [0.0])


def subset_metrics(
    tasks: Sequence[Sequence[Row]],
    field: str,
    score: ScoreOf = accuracy,
    answer_key: str | None = None,
) -> dict[str, Any]:
    """Return the same for the tasks of each value of a field, with names ``VALUE/...``."""
    groups: dict[str, list[Sequence[Row]]] = {}
    for task in tasks:
        if task and task[0].get(field):
            groups.setdefault(str(task[0][field]), []).append(task)
    return {
        f"{value}/{name}": metric
        for value, group in groups.items()
        for name, metric in pass_majority_metrics(group, score, answer_key).items()
        if name != "per_sample_aggregate"
    }


def highest_k(metrics: Mapping[str, Any], pattern: str) -> dict[str, Any]:
    """Return the metrics of a pattern with the largest k, such as ``pass@{k}``; no deviations.

    >>> highest_k({"pass@1/accuracy": 50.0, "pass@2/accuracy": 75.0}, "pass@{k}")
    {'pass@2/accuracy': 75.0}
    """
    expression = re.escape(pattern).replace(re.escape("{k}"), r"(\d+)") + "/[^/]+"
    found = {name: m for name in metrics if (m := re.fullmatch(expression, name))}
    most = max((int(m.group(1)) for m in found.values()), default=0)
    return {name: metrics[name] for name, m in found.items() if int(m.group(1)) == most}


# --- aggregate file


def aggregate_metrics(
    rows: Iterable[Row],
    *,
    score: ScoreOf | None = None,
    answer_key: str | None = None,
    expected: int | None = None,
) -> list[dict[str, Any]]:
    """Return the content of an aggregate file: one object for each agent.

    Args:
        rows: of a rollout file.
        score: scores of a row; with it or ``answer_key`` the metrics over repeats are added.
        answer_key: see `pass_majority_metrics`.
        expected: rollouts of each task; by default the most that any task has.
    """
    agents: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        name = str((row.get("agent_ref") or {}).get("name", ""))
        task = agents.setdefault(name, {}).setdefault(int(row.get("_ng_task_index") or 0), [])
        task.append(_light(row, answer_key))
    return [
        _aggregate(name, [tasks[i] for i in sorted(tasks)], score, answer_key, expected)
        for name, tasks in agents.items()
    ]


def _light(row: Row, answer_key: str | None) -> dict[str, Any]:
    """Keep what metrics are made of, not the conversation."""
    kept = {k: v for k, v in row.items() if not isinstance(v, dict | list) or k == answer_key}
    return {**kept, "usage": (row.get("response") or {}).get("usage") or {}}


def _aggregate(
    name: str,
    tasks: list[list[dict[str, Any]]],
    score: ScoreOf | None,
    answer_key: str | None,
    expected: int | None,
) -> dict[str, Any]:
    for task in tasks:
        task.sort(key=lambda row: row.get("_ng_rollout_index") or 0)
    planned = max(map(len, tasks)) if expected is None else expected
    metrics: dict[str, Any] = describe([[numbers(row) for task in tasks for row in task]])[0]
    key_metrics = {key: value for key, value in metrics.items() if key.startswith("mean/")}
    if score or answer_key:
        metrics = {**metrics, **pass_majority_metrics(tasks, score or accuracy, answer_key)}
    described = describe([[numbers(row) for row in task] for task in tasks])
    groups = [_group(task, stats, planned) for task, stats in zip(tasks, described, strict=True)]
    return {
        "agent_ref": {"name": name},
        "agent_metrics": metrics,
        "key_metrics": key_metrics,
        "group_level_metrics": groups,
    }


def _group(task: list[dict[str, Any]], stats: dict[str, float], planned: int) -> dict[str, Any]:
    index = task[0].get("_ng_task_index") or 0
    return {
        "_ng_task_index": index,
        **stats,
        "num_rollouts": len(task),
        "expected_num_rollouts": planned,
        "missing_num_rollouts": max(0, planned - len(task)),
        "reward_profile_completion_pct": 100 * len(task) / planned if planned else 0.0,
        "rollout_infos": [
            {
                "rollout_id": f"{index}:{row.get('_ng_rollout_index') or 0}",
                **{key: row[key] for key in INDICES if key in row},
                **numbers(row),
            }
            for row in task
        ],
    }


def numbers(row: Row) -> dict[str, float]:
    """Return the numbers and booleans at the top of a row, and those of its usage."""
    usage = row.get("usage") or (row.get("response") or {}).get("usage") or {}
    return {
        name: float(value)
        for source in (row, usage)
        for name, value in source.items()
        if isinstance(value, int | float) and name not in INDICES
    }


def describe(groups: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float]]:
    """Return mean, maximum, minimum, median and sample deviation of each number of each group.

    A group of one has no deviation: it gets 0 where no group has one, and else none at all.
    """
    names = list(dict.fromkeys(name for group in groups for row in group for name in row))
    found: list[dict[str, float]] = [{} for _ in groups]
    for name in names:
        columns = [[row[name] for row in group if name in row] for group in groups]
        has_spread = any(len(values) > 1 for values in columns)
        for stats, values in zip(found, columns, strict=True):
            if not values:
                continue
            numbers = [statistics.fmean(values), max(values), min(values), statistics.median(values)]
            stats.update(zip((f"{s}/{name}" for s in STATISTICS), numbers, strict=False))
            if len(values) > 1 or not has_spread:
                stats[f"std/{name}"] = statistics.stdev(values) if len(values) > 1 else 0.0
    return found


class AgentMetrics(BaseModel):
    """One object of an aggregate file."""

    model_config = ConfigDict(extra="allow")

    agent_ref: dict[str, Any]
    agent_metrics: dict[str, Any] = {}
    key_metrics: dict[str, Any] = {}
    group_level_metrics: list[dict[str, Any]] = []


def read_aggregate(path: str | os.PathLike[str]) -> list[AgentMetrics]:
    """Read an aggregate file of NeMo Gym.

    Raises:
        DataError: the file cannot be read, with the field that is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        return pydantic.TypeAdapter(list[AgentMetrics]).validate_python(json.loads(text))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except pydantic.ValidationError as error:
        raise DataError(f"{path}: {describe_validation(error)}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON: {error}") from error
