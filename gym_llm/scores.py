"""What an environment's own metrics see of a rollout, and means that weigh every task alike."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Score:
    """One rollout that counts, without its text."""

    task: int
    """Index in the task set; rollouts of one task form a group."""
    repeat: int
    reward: float
    success: bool
    """Whether it is a pass: see `gym_llm.rollouts.metrics`."""
    answer: str | None = None
    """What the verifier extracted; long answers are replaced by a digest."""
    rewards: Mapping[str, float] = field(default_factory=dict)
    """Named components of the reward."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What the verifier reported: numbers (booleans as 0.0 and 1.0) and short texts; nulls, long texts,
    lists and objects are left out."""
    row: Mapping[str, Any] = field(default_factory=dict)
    """The same of the task's row, booleans as such, nested fields as ``metadata.difficulty``; empty
    without the rows."""
    turns: int = 0


Value = Callable[[Score], float | None]
"""Of a rollout; None where it has none and leaves the mean."""


def by_task(scores: Iterable[Score]) -> list[list[Score]]:
    """Return the groups, each in order of repeats."""
    groups: dict[int, list[Score]] = {}
    for score in scores:
        groups.setdefault(score.task, []).append(score)
    return [sorted(group, key=lambda score: score.repeat) for group in groups.values()]


def reward(score: Score) -> float:
    """Return the reward."""
    return score.reward


def number(name: str) -> Value:
    """Return the function that reads a number from the fields."""

    def read(score: Score) -> float | None:
        value = score.fields.get(name)
        return value if isinstance(value, int | float) else None

    return read


def task_mean(scores: Iterable[Score], value: Value = reward) -> float | None:
    """Return the mean over tasks of each task's mean; None where no rollout has a value.

    >>> task_mean([Score(0, 0, 1.0, True), Score(1, 0, 0.0, False), Score(1, 1, 1.0, True)])
    0.75
    """
    sums: dict[int, list[float]] = {}
    for score in scores:
        found = value(score)
        if found is not None:
            total = sums.setdefault(score.task, [0.0, 0.0])
            total[0] += found
            total[1] += 1
    means = [total / count for total, count in sums.values()]
    return sum(means) / len(means) if means else None


def mean_by(
    scores: Iterable[Score], fields: Sequence[str], name: str = "reward", value: Value = reward
) -> dict[str, float | None]:
    """Return the mean for every value of some fields, as ``NAME/FIELD=VALUE``.

    A field is looked for in what the verifier reported, then in the row.

    >>> mean_by([Score(0, 0, 1.0, True, row={"level": "easy"})], ["level"])
    {'reward/level=easy': 1.0}
    """
    found: dict[str, list[Score]] = {}
    scores = list(scores)
    for key in fields:
        groups: dict[str, list[Score]] = {}
        for score in scores:
            label = score.fields.get(key, score.row.get(key))
            if label is not None:
                groups.setdefault(shown(label), []).append(score)
        found.update({f"{name}/{key}={label}": groups[label] for label in sorted(groups)})
    return {key: task_mean(group, value) for key, group in found.items()}


def shown(label: Any) -> str:
    """Return a value as it stands in a metric's name; whole numbers without a decimal point."""
    if isinstance(label, bool):
        return str(label).lower()
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
