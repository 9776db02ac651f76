"""WorkplaceAssistant: office work with 27 tools, graded by what it leaves in the tables."""

import functools
import json
import logging
from collections.abc import Sequence
from typing import Any, ClassVar

import gymnasium
import pydantic

from gym_llm.core import Tool, ToolEnv
from gym_llm.core.tools import ToolResult
from gym_llm.envs.agent.workplace.final_state import FinalState
from gym_llm.envs.agent.workplace.state import Workplace
from gym_llm.envs.agent.workplace.toolbox import TOOLS, execute
from gym_llm.errors import ConfigError
from gym_llm.messages import Message, ToolCall
from gym_llm.tasks import HubSplit, OnBadRow, RawRow, Row, Task, TaskSet

logger = logging.getLogger(__name__)

SYSTEM = (
    "You assist an employee of Northwind with the company's office tools. It is Thursday, 30 November "
    "2023, 23:59:00. No meeting may begin before 9 am or last beyond 6 pm."
)


class TruthCall(pydantic.BaseModel):
    """One call of the truth."""

    name: str
    arguments: str | dict[str, Any] = "{}"


class WorkplaceAssistantRow(Row):
    """A request and the calls that carry it out; NeMo Gym's rows hold the prompt themselves."""

    request: str | None = None
    ground_truth: list[TruthCall] | str
    """A text means that nothing is to be changed."""
    category: str | None = None
    environment_name: str | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _lift_metadata(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and isinstance(raw.get("verifier_metadata"), dict):
            return {**raw["verifier_metadata"], **raw}
        return raw

    @functools.cached_property
    def truth(self) -> tuple[ToolCall, ...]:
        """The calls that carry the request out."""
        calls = [] if isinstance(self.ground_truth, str) else self.ground_truth
        texts = [c.arguments if isinstance(c.arguments, str) else json.dumps(c.arguments) for c in calls]
        return tuple(ToolCall(c.name, text) for c, text in zip(calls, texts, strict=True))

    def default_prompt(self) -> list[Message] | None:
        """Return the rules of the office and the request."""
        if self.request is None:
            return None
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": self.request}]


def adapt_columns(raw: RawRow, index: int) -> RawRow:
    """Convert ``problem`` and ``solution`` (JSON list of calls) to a row."""
    if "problem" not in raw or "solution" not in raw:
        return raw
    solution = raw.pop("solution")
    if isinstance(solution, str):
        try:
            solution = json.loads(solution)
        except ValueError as error:
            raise ValueError(f"solution: not a JSON list of calls: {error}") from error
    return {**raw, "request": raw.pop("problem"), "ground_truth": solution}


class WorkplaceAssistantEnv(ToolEnv):
    """Do office work with tools over mail, calendar, analytics, tasks and customers.

    ## Description
    Each task is an employee's request. The model looks records up and changes them with 27 tools over
    five tables and a company directory; every episode begins with fresh tables. The time is always
    Thursday, 2023-11-30 23:59:00. Derived from WorkBench (Styles et al. 2024).
    ## Observation
    ``str``: the row's prompt (for rows without one, the rules and ``request``), then the results of the
    calls. A result is ``{"output": value}``; a refused call has the reason as its output. Searches of
    mails, events and customers give pages (``page_size`` 5 by default, 100 at most).
    ## Action
    ``str``: an assistant turn with tool calls, run in order, or a closing text. ``info["tools"]`` holds
    the row's own schemas where it has any, else those of the environment; a row's schemas also say
    which tools may be called. Null arguments count as absent, unknown ones refuse the call.
    ## Reward
    1.0 if mails, events, plots, tasks and customers are in the end what the calls of ``ground_truth``
    make of fresh tables: same records, same order, same values up to letter case (which counts in
    ``status``, ``list_name`` and ``board``). Otherwise 0.0. Chat text is not graded, so with an empty
    truth doing nothing earns 1.0: filter such rows by ``n_truth_actions``. ``info["rewards"]`` has
    ``correct``; ``info["verification"].fields``: ``category``, ``differing_tables``,
    ``n_truth_actions``, ``n_calls``, ``n_invalid_calls``.

    Differs from NeMo Gym: numbers are compared (there, any two numbers are equal); the live tables are
    graded, by the executor that also runs the truth, so null arguments never matter; whether a record
    is deleted before or after another is made makes no difference (there, hidden row numbers change
    with mails, tasks and customers); search texts are taken literally, not as regular expressions;
    cells (10,000 characters), new records (200 a table), search texts and pages are bounded.
    ## Episode end
    Terminates at a turn without calls. Truncated after ``max_turns`` turns, and graded all the same.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``data_dir`` (str or None):
    folder with the CSV tables that the truths refer to; None means the bundled ones. The splits need
    the tables in NeMo Gym's ``resources_servers/workplace_assistant/csv_data/processed``.
    ``email_addresses.csv`` may be absent: then the directory lists whom the calendar invites.
    ``max_turns`` (int, default 6): a request of more steps needs several calls in a turn.
    ``numeric_equal`` (list of columns, default ``["duration"]``): where 30 equals ``"30"``.
    ``order_free`` (bool, default False): compare tables as multisets without ids, so that the order of
    new records is free. ``canonical_event_start`` (bool, default False): compare starts of events as
    moments, not as texts.
    ## Data and licence
    Splits ``train`` and ``validation``: ``nvidia/Nemotron-RL-agent-workplace_assistant`` (Apache 2.0).
    Rows with columns ``problem`` and ``solution`` are converted; ``verifier_metadata`` may hold the
    truth. The bundled tasks and tables are gym_llm's own, with invented people (Apache 2.0).
    ## Version history
    - v0: first version.
    """

    row_model = WorkplaceAssistantRow
    data = "workplace_assistant"
    splits: ClassVar = {
        name: HubSplit("nvidia/Nemotron-RL-agent-workplace_assistant", split=name)
        for name in ("train", "validation")
    }
    verifier_class = FinalState
    max_turns = 6
    toolset = tuple(TOOLS.values())
    adapt = staticmethod(adapt_columns)

    def __init__(
        self,
        tasks: Any = "example",
        on_bad_row: OnBadRow = "error",
        render_mode: str | None = None,
        data_dir: str | None = None,
    ) -> None:
        if data_dir is None and isinstance(tasks, str) and tasks in self.splits:
            raise ConfigError(f"tasks={tasks!r} needs data_dir: its truths refer to NeMo Gym's tables")
        self.data_dir = data_dir
        Workplace.fresh(data_dir)  # a missing table shows here, not at the first reset
        super().__init__(tasks, on_bad_row, render_mode)

    @classmethod
    def make(cls, **kwargs: Any) -> gymnasium.Env[str, str]:
        """Build the environment, and warn when tasks need several calls in a turn."""
        env = super().make(**kwargs)
        _warn_of_long_truths(env.get_wrapper_attr("tasks"), kwargs.get("max_turns", cls.max_turns))
        return env

    def begin(self, task: Task) -> list[Message]:
        """Lay out fresh tables."""
        self.episode.state = Workplace.fresh(self.data_dir)
        return []

    def available_tools(self) -> Sequence[Tool]:
        """Return the tools that the row declares, or all of them."""
        declared = {tool["function"].get("name") for tool in self.episode.task.row.tools}
        return [tool for tool in self.toolset if not declared or tool.name in declared]

    def run_call(self, tools: dict[str, Tool], call: ToolCall) -> ToolResult:
        """Carry out one call on the episode's tables."""
        return execute(tools, self.episode.state, call)


def _warn_of_long_truths(tasks: TaskSet, max_turns: int | None) -> None:
    if max_turns is not None:
        long = sum(len(task.row.truth) + 1 > max_turns for task in tasks)
        if long:
            logger.warning(
                "%s: %d tasks have %d or more actions: within %d turns some must share a turn",
                *(tasks.name, long, max_turns, max_turns),
            )
