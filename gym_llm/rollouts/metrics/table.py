"""The scores of one environment by columns: a few hundred bytes a rollout, however long it is."""

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gym_llm.estimators import FloatArray
from gym_llm.messages import message_text
from gym_llm.rollouts.metrics.hooks import EnvRules, short_values
from gym_llm.rollouts.records import Rollout
from gym_llm.scores import Score

MAX_COLUMNS = 200
"""Further fields that a verifier reports are left out."""


class Columns:
    """Named columns of numbers that need not all be there in every row."""

    def __init__(self) -> None:
        self._values: dict[str, array[float]] = {}
        self._length = 0

    def append(self, row: Mapping[str, float]) -> None:
        """Add one row."""
        for name, value in row.items():
            column = self._values.get(name)
            if column is None:
                if len(self._values) >= MAX_COLUMNS:
                    continue
                column = self._values[name] = array("d", [math.nan]) * self._length
            column.append(value)
        self._length += 1
        for column in self._values.values():
            if len(column) < self._length:
                column.append(math.nan)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the columns, NaN where a row has no value."""
        return {name: np.array(column) for name, column in self._values.items()}

    def row(self, index: int) -> dict[str, float]:
        """Return one row."""
        found = {name: column[index] for name, column in self._values.items()}
        return {name: value for name, value in found.items() if not math.isnan(value)}


class ScoreTable:
    """Takes the rollouts of one environment, or of a subset of them, and keeps what metrics need."""

    def __init__(self, rules: EnvRules, rows: Mapping[int, Mapping[str, Any]] | None = None) -> None:
        self.rules = rules
        self.rows = rows or {}
        self.completed = self.truncated = 0
        self.failed: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        self.cost: float | None = None
        self.failed_tasks: set[int] = set()
        self.task, self.repeat = array("q"), array("q")
        self.reward, self.success = array("d"), array("d")
        self.answers: list[str | None] = []
        self.has_answers = False
        self.components, self.fields, self.sizes = Columns(), Columns(), Columns()
        self._texts: list[dict[str, str]] = []
        self._shared: dict[str, str] = {}
        """Each text once, as answers and labels repeat."""
        self.subsets: dict[str, ScoreTable] = {}

    def add(self, rollout: Rollout) -> None:
        """Take one rollout; a failed one is only counted."""
        self._count(rollout)
        if not rollout.counts:
            self.failed[rollout.failure.kind if rollout.failure else "unknown"] += 1
            self.failed_tasks.add(rollout.task_index)
            return
        self.completed += rollout.state == "completed"
        self.truncated += rollout.state == "truncated"
        self.task.append(rollout.task_index)
        self.repeat.append(rollout.repeat)
        self.reward.append(rollout.reward)
        self.success.append(self.rules.is_pass(rollout))
        has_answer, answer = self.rules.answer(rollout)
        self.has_answers |= has_answer
        self.answers.append(self._once(answer))
        self.components.append(rollout.rewards)
        values = short_values(rollout.fields, levels=1)
        self.fields.append({k: float(v) for k, v in values.items() if not isinstance(v, str)})
        self.sizes.append(_sizes(rollout))
        if self.rules.hooks:
            texts = {k: v for k, v in values.items() if isinstance(v, str)}
            self._texts.append({self._once(k): self._once(v) for k, v in texts.items()})

    def _count(self, rollout: Rollout) -> None:
        self.totals["calls"] += len(rollout.calls)
        for name in ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens"):
            self.totals[name] += rollout.total(name)
        if rollout.cost is not None:
            self.cost = (self.cost or 0.0) + rollout.cost

    def _once(self, text: Any) -> Any:
        return None if text is None else self._shared.setdefault(text, text)

    @property
    def records(self) -> int:
        """Rollouts that were added."""
        return len(self.task) + self.failed.total()

    @property
    def tasks(self) -> int:
        """Tasks with a rollout, failed ones included."""
        return len(self.failed_tasks.union(self.task))

    def scores(self) -> Iterator[Score]:
        """Return the rollouts that count, for the hooks."""
        for i, task in enumerate(self.task):
            yield Score(
                task=task,
                repeat=self.repeat[i],
                reward=self.reward[i],
                success=bool(self.success[i]),
                answer=self.answers[i],
                rewards=self.components.row(i),
                fields={**self.fields.row(i), **self._texts[i]},
                row=self.rows.get(task, {}),
                turns=int(self.sizes.row(i)["turns"]),
            )


def _sizes(rollout: Rollout) -> dict[str, float]:
    """Return length, turns, time and tokens; tokens where a server reported any."""
    said = [m for m in rollout.messages if m.get("role") == "assistant"]
    found = {
        "turns": float(rollout.turns),
        "response_chars": float(sum(len(message_text(m)) for m in said)),
        "duration_s": rollout.timings.duration_s,
    }
    for name in ("input_tokens", "output_tokens"):
        if any(getattr(call, name) is not None for call in rollout.calls):
            found[name] = float(rollout.total(name))
    return found
