"""ToolEnv: the assistant calls tools until it answers without a call."""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from gym_llm.core.text_env import TextEnv, Turn
from gym_llm.core.tools import MAX_RESULT_CHARS, Tool, ToolResult, run_tool_call
from gym_llm.messages import AssistantMessage, Message, ToolCall, encode_action

MAX_CALLS_PER_TURN = 256
"""Further calls of one turn are refused: a bound on the work that one action can ask for."""


class ToolEnv(TextEnv):
    """An environment with tools.

    The calls of one turn run in order, each giving a message with role ``tool``. An episode ends with a
    turn without calls, or one that the token limit cut (its calls are not run). Only the tools that the
    environment has for this episode can be called. ``episode.state`` is what tools with a ``state``
    parameter work on.
    """

    toolset: ClassVar[Sequence[Tool]] = ()

    def available_tools(self) -> Sequence[Tool]:
        """Return the tools of this episode."""
        return self.toolset

    def tools(self) -> list[Message]:
        """Return the row's own tool schemas, where it has any, else those of the functions."""
        return self.episode.task.row.tools or [t.schema() for t in self.available_tools()]

    def respond(self, message: AssistantMessage) -> Turn:
        """Run the calls; end the episode when there are none."""
        if not message.tool_calls or message.finish_reason == "length":
            return Turn(terminated=True)
        tools = {t.name: t for t in self.available_tools()}
        messages: list[Message] = []
        failed = 0
        chars_left = MAX_RESULT_CHARS
        for number, call in enumerate(message.tool_calls):
            result = self.run_call(tools, call) if number < MAX_CALLS_PER_TURN else _TOO_MANY
            failed += not result.ok
            text = result.text[:chars_left]
            chars_left -= len(text)
            head = {"role": "tool", "tool_call_id": call.id, "name": call.name}
            messages.append({**head, "content": text})
        return Turn(messages, info={"invalid_calls": failed})

    def run_call(self, tools: dict[str, Tool], call: ToolCall) -> ToolResult:
        """Carry out one call."""
        return run_tool_call(tools, self.episode.state, call)

    def example_actions(self) -> list[str]:
        """Return a call of each tool with arguments of the right types, and a final answer."""
        calls = [
            encode_action("", [ToolCall(t["function"]["name"], json.dumps(_example_arguments(t)))])
            for t in self.tools()
        ]
        return [*calls, "Done."]


_TOO_MANY = ToolResult(
    json.dumps({"error": f"more than {MAX_CALLS_PER_TURN} calls in one turn"}), ok=False
)
_EXAMPLES: dict[str, Any] = {"integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}}


def _example_arguments(schema: Message) -> dict[str, Any]:
    parameters = schema["function"].get("parameters") or {}
    properties = parameters.get("properties") or {}
    required = parameters.get("required") or ()
    return {
        name: _EXAMPLES.get(str(properties.get(name, {}).get("type")), "example") for name in required
    }
