"""StripReasoning: thoughts go, everything else stays."""

import gymnasium
import pytest

from gym_llm import ToolCall, decode_action, encode_action
from gym_llm.errors import ConfigError
from gym_llm.wrappers import StripReasoning
from tests.support.envs import CounterEnv


def test_box_in_the_thoughts_no_longer_counts() -> None:
    env = StripReasoning(gymnasium.make("gym_llm/MCQA-v0"))
    env.reset(seed=0, options={"task": 0})
    assert env.step(r"\boxed{A} <think>\boxed{B}")[1] == 0.0
    env.reset(seed=0, options={"task": 0})
    assert env.step(r"<think>\boxed{A}</think> \boxed{B}")[1] == 1.0


def test_tool_calls_are_kept() -> None:
    action = encode_action("<think>x</think> ok", [ToolCall("add")], finish_reason="stop")
    message = decode_action(StripReasoning(CounterEnv()).action(action))
    assert (message.content, message.tool_calls, message.finish_reason) == (
        "ok",
        (ToolCall("add"),),
        "stop",
    )


def test_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="rule must be one of"):
        StripReasoning(CounterEnv(), "gone")  # type: ignore[arg-type]
