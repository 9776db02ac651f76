"""The form of messages that fine-tuning takes."""

from gym_llm.exports.training import prompt_length, training_messages

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1'}}


def test_conversation_ends_with_the_assistant() -> None:
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "q2"},
    ]
    assert training_messages(messages) == messages[:2]
    assert training_messages(messages[:1]) == []


def test_calls_are_kept_and_their_arguments_are_text() -> None:
    typed = {"id": "d", "function": {"name": "g", "arguments": {"x": "ü"}}}
    [message] = training_messages([{"role": "assistant", "content": None, "tool_calls": [CALL, typed]}])
    assert message == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            CALL,
            {"id": "d", "type": "function", "function": {"name": "g", "arguments": '{"x": "ü"}'}},
        ],
    }


def test_unknown_keys_are_left_out() -> None:
    message = {"role": "assistant", "content": "a", "refusal": None, "index": 3, "tool_calls": []}
    assert training_messages([message]) == [{"role": "assistant", "content": "a"}]


def test_reasoning_is_kept_unless_told_otherwise() -> None:
    message = {"role": "assistant", "content": "a", "reasoning_content": "r"}
    assert training_messages([message]) == [message]
    assert "reasoning_content" not in training_messages([message], with_reasoning=False)[0]


def test_prompt_is_what_stands_before_the_first_assistant_turn() -> None:
    roles = ("system", "user", "assistant", "user", "assistant")
    assert prompt_length([{"role": role} for role in roles]) == 2
    assert prompt_length([{"role": "user"}]) == 1
