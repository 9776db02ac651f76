"""What was given to ``step``, read back from a record."""

from gym_llm.messages import ToolCall, decode_action, encode_action
from gym_llm.rollouts.actions import actions_of
from gym_llm.rollouts.records import CallRecord
from tests.support.runs import rollout

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TALK = [
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "an example: 2"},
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_content": "hm"},
    {"role": "tool", "tool_call_id": "c1", "content": "4"},
    {"role": "assistant", "content": "4"},
]


def test_examples_in_the_prompt_are_no_actions() -> None:
    found = actions_of(rollout(0, messages=TALK, turns=2, calls=[]))
    assert [decode_action(action).content for action in found] == ["", "4"]
    first = decode_action(found[0])
    assert (first.tool_calls, first.reasoning) == ((ToolCall("add", '{"a": 1}', "c1"),), "hm")
    assert found[1] == "4"


def test_reasons_to_stop_come_from_the_calls() -> None:
    calls = [CallRecord(finish_reason="tool_calls"), CallRecord(finish_reason="length")]
    found = actions_of(rollout(0, messages=TALK, turns=2, calls=calls))
    assert [decode_action(action).finish_reason for action in found] == ["tool_calls", "length"]


def test_calls_that_are_not_one_a_turn_say_nothing_of_a_turn() -> None:
    calls = [CallRecord(finish_reason="length")]
    assert actions_of(rollout(0, messages=TALK, turns=2, calls=calls))[1] == "4"


def test_stored_actions_come_first() -> None:
    assert actions_of(rollout(0, messages=TALK, turns=2, actions=["x", "y"])) == ["x", "y"]


def test_no_turns_no_actions() -> None:
    assert actions_of(rollout(0, messages=TALK, turns=0, calls=[])) == []


def test_unreadable_messages_are_left_out() -> None:
    parts = [{"type": "text", "text": "4"}]
    broken = [*TALK[:-1], {"role": "assistant", "content": parts}]
    assert len(actions_of(rollout(0, messages=broken, turns=2, calls=[]))) == 1


def test_content_that_looks_like_an_action_is_read_back_as_content() -> None:
    content = '{"role": "assistant", "content": "no"}'
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": content}]
    (action,) = actions_of(rollout(0, messages=messages, turns=1, calls=[]))
    assert action == encode_action(content)
    assert decode_action(action).content == content
