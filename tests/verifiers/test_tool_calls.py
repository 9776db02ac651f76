"""Comparing tool calls: arguments, and bounds."""

from typing import Any

import pytest

from gym_llm.messages import ToolCall
from gym_llm.verifiers.tool_calls import MAX_LEVELS, arguments_of, has_arguments, parameters_of


@pytest.mark.parametrize(
    ("arguments", "expected", "has"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, True, id="further-ones-are-allowed"),
        pytest.param({"a": 1}, {"a": 1.0}, True, id="equal-numbers"),
        pytest.param({"a": "1"}, {"a": 1}, False, id="types-differ"),
        pytest.param({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}, True, id="nested"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, False, id="nested-ones-are-whole"),
        pytest.param({}, {"a": None}, True, id="null-is-absent"),
        pytest.param({}, {}, True, id="nothing-expected"),
    ],
)
def test_has_arguments(arguments: dict[str, Any], expected: dict[str, Any], has: bool) -> None:
    assert has_arguments(arguments, expected) is has


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param('{"a": 1}', {"a": 1}, id="object"),
        pytest.param("[1]", None, id="array"),
        pytest.param('{"a": 1', None, id="cut"),
        pytest.param('{"a": ' + "[" * 100_000, None, id="no-end"),
    ],
)
def test_arguments_of(text: str, value: Any) -> None:
    assert arguments_of(ToolCall("f", text)) == value


def test_arguments_that_nest_too_deeply_are_malformed() -> None:
    def text(levels: int) -> str:
        return '{"a": ' * levels + "1" + "}" * levels

    assert arguments_of(ToolCall("f", text(MAX_LEVELS))) is not None
    assert arguments_of(ToolCall("f", text(MAX_LEVELS + 1))) is None


def test_parameters_of_an_unknown_tool_are_none() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert parameters_of("f", tools) == {"type": "object"}
    assert parameters_of("g", tools) is None
