"""Tools from typed functions: schema, validation, errors as text."""

import json
from typing import Any

import pytest

from gym_llm.core import Tool, tool
from gym_llm.core.tools import MAX_RESULT_CHARS, run_tool_call
from gym_llm.errors import ConfigError
from gym_llm.messages import ToolCall
from tests.support.envs import Counter, add, refuse

TOOLS = {t.name: t for t in (Tool.from_function(add), Tool.from_function(refuse, extra="forbid"))}


def call(name: str, arguments: str, state: Counter | None = None) -> tuple[bool, Any]:
    result = run_tool_call(TOOLS, state or Counter(), ToolCall(name, arguments))
    return result.ok, json.loads(result.text)


def test_schema_comes_from_the_signature() -> None:
    assert TOOLS["add"].schema() == {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Add to the counter.",
            "parameters": {
                "type": "object",
                "properties": {"amount": {"type": "integer", "description": "how much", "default": 1}},
            },
        },
    }


def test_call_works_on_the_state() -> None:
    state = Counter(2)
    assert call("add", '{"amount": "3"}', state) == (True, {"value": 5})
    assert state.log == ["+3"]


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        pytest.param("add", "{", "arguments are not a JSON object", id="malformed"),
        pytest.param("add", "[1]", "arguments are not a JSON object", id="array"),
        pytest.param(
            "add",
            '{"amount": 1.5}',
            "invalid arguments: amount: Input should be a valid integer",
            id="type",
        ),
        pytest.param("refuse", "{}", "invalid arguments: reason: Field required", id="missing"),
        pytest.param(
            "refuse", '{"reason": "no", "x": 1}', "invalid arguments: x: Extra inputs", id="extra"
        ),
        pytest.param("refuse", '{"reason": "closed today"}', "closed today", id="refused-by-the-tool"),
        pytest.param("verify", "{}", "unknown tool 'verify'; known: add, refuse", id="unknown"),
        pytest.param("x" * 10_000, "{}", "unknown tool", id="long-name"),
    ],
)
def test_whatever_is_wrong_becomes_text(name: str, arguments: str, error: str) -> None:
    state = Counter()
    ok, result = call(name, arguments, state)
    assert not ok
    assert result["error"].startswith(error)
    assert state == Counter()


def test_null_arguments_can_be_dropped() -> None:
    dropping = Tool.from_function(add, drop_none=True)
    assert dropping.call(Counter(), {"amount": None}) == {"value": 1}


def test_long_results_are_cut() -> None:
    def shout() -> str:
        """Shout."""
        return "x" * (2 * MAX_RESULT_CHARS)

    assert len(run_tool_call({"shout": tool(shout)}, None, ToolCall("shout")).text) == MAX_RESULT_CHARS


def test_function_without_types_or_words_is_refused() -> None:
    def untyped(x):  # type: ignore[no-untyped-def]
        """Do it."""

    def silent(x: int) -> None: ...

    with pytest.raises(ConfigError, match="parameter 'x' needs a type"):
        tool(untyped)
    with pytest.raises(ConfigError, match="needs a docstring"):
        tool(silent)
