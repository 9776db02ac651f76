"""ToolFormat: three dialects, and text that is none of them."""

import json
from typing import Any

import pytest

from gym_llm import ToolCall, decode_action, encode_action
from gym_llm.errors import ConfigError
from gym_llm.wrappers import ToolFormat
from tests.support.envs import CounterEnv

HERMES = 'Well.\n<tool_call>\n{"name": "add", "arguments": {"amount": 2}}\n</tool_call>'
LLAMA = '<|python_tag|>{"name": "add", "parameters": {"amount": 2}}<|eom_id|>'
QWEN = (
    "Well.\n<tool_call>\n<function=add>\n<parameter=amount>\n2\n</parameter>\n</function>\n</tool_call>"
)


def parse(dialect: Any, text: str) -> tuple[str, list[tuple[str, Any]]]:
    env = ToolFormat(CounterEnv(), dialect)
    env.reset(seed=0)
    message = decode_action(env.action(text))
    return message.content, [(c.name, json.loads(c.arguments)) for c in message.tool_calls]


@pytest.mark.parametrize(
    ("dialect", "text", "content", "calls"),
    [
        pytest.param("hermes", HERMES, "Well.", [("add", {"amount": 2})], id="hermes"),
        pytest.param(
            "hermes",
            HERMES.removesuffix("</tool_call>"),
            "Well.",
            [("add", {"amount": 2})],
            id="hermes-unclosed",
        ),
        pytest.param("llama3", LLAMA, "", [("add", {"amount": 2})], id="llama3"),
        pytest.param(
            "llama3",
            '{"name": "add", "parameters": {}}; '
            '{"name": "refuse", "parameters": {"reason": "a;b"}}<|eot_id|>',
            "",
            [("add", {}), ("refuse", {"reason": "a;b"})],
            id="llama3-two-without-tag",
        ),
        pytest.param("llama3", '{"a": 1}', '{"a": 1}', [], id="llama3-other-json"),
        pytest.param("llama3", '<|python_tag|>print("x")', 'print("x")', [], id="llama3-code"),
        pytest.param("qwen3-coder", QWEN, "Well.", [("add", {"amount": 2})], id="qwen3-coder"),
        pytest.param(
            "qwen3-coder",
            "<tool_call><function=refuse><parameter=reason>7</parameter></function></tool_call>",
            "",
            [("refuse", {"reason": "7"})],
            id="qwen3-coder-string-stays-text",
        ),
        pytest.param(
            "qwen3-coder",
            "<tool_call><function=add></tool_call>",
            "<tool_call><function=add></tool_call>",
            [],
            id="qwen3-coder-unclosed",
        ),
        pytest.param("hermes", "just text", "just text", [], id="text"),
    ],
)
def test_dialects(dialect: str, text: str, content: str, calls: list[tuple[str, Any]]) -> None:
    assert parse(dialect, text) == (content, calls)


@pytest.mark.parametrize("dialect", ["hermes", "llama3", "qwen3-coder"])
def test_canonical_action_passes_through(dialect: Any) -> None:
    env = ToolFormat(CounterEnv(), dialect)
    env.reset(seed=0)
    action = encode_action("x", [ToolCall("add", "{broken", "id")])
    assert env.action(action) == action


def test_dialect_drives_the_environment() -> None:
    env = ToolFormat(CounterEnv(), "llama3")
    env.reset(seed=0)
    assert json.loads(env.step(LLAMA)[0]) == {"value": 2}


def test_unknown_dialect_is_refused() -> None:
    with pytest.raises(ConfigError, match="dialect must be one of"):
        ToolFormat(CounterEnv(), "klingon")  # type: ignore[arg-type]
