"""Grading by comparison of final states: did the calls leave what the truth's calls leave?"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gym_llm.envs.agent.workplace.fields import parse_timestamp
from gym_llm.envs.agent.workplace.state import Workplace
from gym_llm.envs.agent.workplace.tables import Record, Table
from gym_llm.envs.agent.workplace.toolbox import replay, replay_truth
from gym_llm.errors import ConfigError
from gym_llm.scores import Score, mean_by, number, task_mean
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Verification

GRADED = ("events", "emails", "plots", "tasks", "customers")
CASE_MATTERS = frozenset({"status", "list_name", "board"})


@dataclass(frozen=True)
class FinalState:
    """1.0 if the tables are as the row's ``truth`` (a tuple of calls) leaves them; else 0.0.

    Letter case counts only in status, list_name and board. Texts of the chat are not graded.
    """

    numeric_equal: Sequence[str] = field(default_factory=lambda: ["duration"])
    """Columns in which a number equals its text (30 and ``"30"``)."""
    order_free: bool = False
    """Compare tables as multisets without their ids, so that the order of new records is free."""
    canonical_event_start: bool = False
    """Compare event starts as moments (``2023-12-04 10:00`` equals ``2023-12-04 10:00:00``)."""
    data_dir: str | None = None
    """Folder of the tables on which an episode without state (a recorded one) is replayed."""

    components = ("correct",)

    def __post_init__(self) -> None:
        if isinstance(self.numeric_equal, str):
            raise ConfigError(f"numeric_equal must be a list of columns, got {self.numeric_equal!r}")

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Compare the episode's tables, or those of its replay, with the truth's."""
        state = episode.state
        if not isinstance(state, Workplace):
            state = replay(episode.tool_calls, self.data_dir)
        truth = replay_truth(task.row.truth, state.data_dir)
        differing = [
            name
            for name in GRADED
            if self._changes(getattr(state, name)) != self._changes(getattr(truth, name))
        ]
        n_calls = len(episode.tool_calls)
        return Verification.of(
            "correct",
            not differing,
            category=task.row.category,
            differing_tables=differing,
            n_truth_actions=len(task.row.truth),
            n_calls=n_calls,
            n_invalid_calls=n_calls - state.completed_calls,
        )

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return calls and refused calls a rollout, and the mean reward by category."""
        return {
            "calls": task_mean(scores, number("n_calls")),
            "invalid_calls": task_mean(scores, number("n_invalid_calls")),
            **mean_by(scores, ["category"]),
        }

    def _changes(self, table: Table) -> Any:
        """Return what tells a table from the one it began as; equal for equal tables."""
        columns, old = table.base.columns, table.base.records
        if self.order_free:
            return self._balance(table)
        replaced = {
            position: values
            for position, record in table.changes.items()
            if position < len(old)
            and (values := self._values(record, columns)) != self._values(old[position], columns)
        }
        return replaced, [self._values(record, columns) for _, record in table.added()]

    def _balance(self, table: Table) -> dict[Any, int]:
        """Return how many more (or fewer) records of each content there are than at the start."""
        columns, old = table.base.columns, table.base.records
        contents = columns[1:] or columns  # plots have no id
        balance: Counter[Any] = Counter()
        for position, record in table.changes.items():
            balance[self._values(record, contents)] += record is not None
            if position < len(old):
                balance[self._values(old[position], contents)] -= 1
        return {values: count for values, count in balance.items() if count}

    def _values(self, record: Record | None, columns: Sequence[str]) -> tuple[Any, ...] | None:
        if record is None:
            return None
        return tuple(self._value(column, record[column]) for column in columns)

    def _value(self, column: str, cell: Any) -> Any:
        if cell is None:
            return None
        if column == "event_start" and self.canonical_event_start:
            moment = parse_timestamp(cell)
            cell = cell if moment is None else str(moment)
        if not isinstance(cell, str):
            text = str(cell).lower()
            return text if column in self.numeric_equal else (type(cell).__name__, text)
        return cell if column in CASE_MATTERS else cell.lower()
