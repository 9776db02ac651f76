"""Comparing tool calls: with an expected call, and with the schema of the tool."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gym_llm.messages import AssistantMessage, Message, ToolCall
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.schema import SchemaError, compile_schema

MAX_ARGUMENT_CHARS = 10_000
"""Longer arguments match no schema in strict mode: errors quote what they are about."""
MAX_LEVELS = 32
"""Arguments that are nested more deeply count as malformed: comparing and copying them recurses."""


def arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """Return the arguments as a dict; None when they are no JSON object or nested too deeply."""
    arguments = call.parsed_arguments()
    return arguments if arguments is not None and _is_shallow(arguments, MAX_LEVELS) else None


def _is_shallow(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(v, levels - 1) for v in inner if isinstance(v, dict | list))


def has_arguments(arguments: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Tell whether every expected argument is there with an equal value; further ones are allowed.

    >>> has_arguments({"city": "Oslo", "days": 2}, {"city": "Oslo", "unit": None})
    True
    """
    return all(arguments.get(name) == value for name, value in expected.items())


def parameters_of(name: str, tools: Sequence[Message]) -> dict[str, Any] | None:
    """Return the parameter schema of a tool in the chat form; None when there is no such tool."""
    functions = [tool["function"] for tool in tools if tool["function"].get("name") == name]
    return (functions[0].get("parameters") or {}) if functions else None


def check_tools(tools: Sequence[Message]) -> None:
    """Check that the tools of a row have names and usable parameter schemas.

    Raises:
        ValueError: naming the tool and what is wrong.
    """
    for tool in tools:
        function = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValueError(f"tools: expected a function tool with a name, got {str(tool)[:100]}")
        parameters = function.get("parameters") or {}
        problem = _schema_problem(parameters)
        if problem is not None:
            raise ValueError(f"tools: parameters of {function['name']!r}: {problem}")


def _schema_problem(parameters: Any) -> str | None:
    if not isinstance(parameters, dict):
        return f"expected an object, got {type(parameters).__name__}"
    try:
        return compile_schema(json.dumps(parameters), strict=False).problem
    except SchemaError as error:
        return str(error)


@dataclass(frozen=True)
class ExpectedCall:
    """Three components, each 0.0 or 1.0; the reward is their sum.

    ``correctness``: any call has the name of the row's ``expected_call`` and all its arguments.
    ``schema_valid``: the first call fits the tool that the row declares.
    ``format``: one call in the whole episode, and no text beside it.
    """

    strict_schema: bool = False
    """Check the first call against the tool's JSON schema, and refuse unknown tools; otherwise its
    arguments must only be an object with all required names, and unknown tools require none."""

    components = ("correctness", "schema_valid", "format")

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade all calls of the episode."""
        row, calls = task.row, episode.tool_calls
        arguments = [arguments_of(call) for call in calls]
        predicted = [
            {"name": call.name, "arguments": found or {}}
            for call, found in zip(calls, arguments, strict=True)
        ]
        rewards = {
            "correctness": float(any(_is_expected(call, row.expected_call) for call in predicted)),
            "schema_valid": float(bool(calls) and self._fits(calls[0], arguments[0], row.tools)),
            "format": float(len(calls) == 1 and not any(map(_has_text, episode.responses))),
        }
        return Verification(sum(rewards.values()), rewards, {"predicted_calls": predicted})

    def _fits(self, call: ToolCall, arguments: dict[str, Any] | None, tools: Sequence[Message]) -> bool:
        schema = parameters_of(call.name, tools)
        if arguments is None:
            return False
        if not self.strict_schema:
            return all(name in arguments for name in (schema or {}).get("required") or ())
        if schema is None or len(call.arguments) > MAX_ARGUMENT_CHARS:
            return False
        return compile_schema(json.dumps(schema), strict=False).error(arguments) is None


def _is_expected(call: dict[str, Any], expected: Any) -> bool:
    named = bool(expected.name) and call["name"] == expected.name
    return named and has_arguments(call["arguments"], expected.arguments)


def _has_text(message: AssistantMessage) -> bool:
    # A turn without a call is a message even when it is empty; beside a call, an empty one is none.
    return bool(message.content) or not message.tool_calls
