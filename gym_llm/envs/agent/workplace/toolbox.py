"""The 27 tools by name, and the one way to run them: live, or a list of calls on fresh tables."""

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from gym_llm.core.tools import Tool, ToolError, ToolResult
from gym_llm.envs.agent.workplace import (
    analytics,
    calendar,
    customers,
    directory,
    email,
    project_management,
)
from gym_llm.envs.agent.workplace.state import Workplace
from gym_llm.messages import ToolCall

MAX_OUTPUT_CHARS = 200_000
"""A longer result is withheld; all that the office holds at first is shorter."""

_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "company_directory": (directory.find_email_address,),
    "email": email.TOOLS,
    "calendar": calendar.TOOLS,
    "analytics": analytics.TOOLS,
    "project_management": project_management.TOOLS,
    "customer_relationship_manager": customers.TOOLS,
}

TOOLS: dict[str, Tool] = {
    tool.name: tool
    for prefix, functions in _FUNCTIONS.items()
    for function in functions
    for tool in [
        Tool.from_function(
            function, name=f"{prefix}_{function.__name__}", extra="forbid", drop_none=True
        )
    ]
}


def execute(tools: Mapping[str, Tool], state: Workplace, call: ToolCall) -> ToolResult:
    """Carry out one call; the text is ``{"output": value}``, or a message where a call is refused."""
    tool, arguments = tools.get(call.name), call.parsed_arguments()
    output: Any
    try:
        if tool is None:
            raise ToolError(f"unknown tool {call.name[:100]!r}")
        if arguments is None:
            raise ToolError("the arguments are not a JSON object")
        output, ok = tool.call(state, arguments), True
    except ToolError as error:
        output, ok = str(error)[:2000], False
    state.completed_calls += ok
    text = json.dumps({"output": output}, ensure_ascii=False)
    if len(text) > MAX_OUTPUT_CHARS:
        text = json.dumps({"output": f"The result has {len(text)} characters: ask for less."})
    return ToolResult(text.encode("utf-8", "replace").decode("utf-8"), ok)


def replay(calls: Iterable[ToolCall], data_dir: str | None = None) -> Workplace:
    """Return the state that a list of calls leaves on fresh tables; refused calls change nothing."""
    state = Workplace.fresh(data_dir)
    for call in calls:
        execute(TOOLS, state, call)
    return state


@functools.lru_cache(maxsize=4096)
def replay_truth(calls: tuple[ToolCall, ...], data_dir: str | None) -> Workplace:
    """Return the state that a task's truth leaves, for reading only: it is made once a process."""
    return replay(calls, data_dir)
