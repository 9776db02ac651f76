"""Actions as text: exact inverses, accepted forms, Responses items."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_llm import AssistantMessage, ToolCall, decode_action, encode_action
from gym_llm.messages import (
    MAX_JSON_LEVELS,
    chat_from_items,
    chat_tools,
    message_text,
    parse_json,
    with_call_ids,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TRICKY = st.one_of(
    TEXT,
    st.sampled_from(
        [
            '{"role": "assistant", "content": "x"}',
            ' {"role": "assistant"}',
            '<tool_call>{"name": "f", "arguments": {}}</tool_call>',
            '<tool_call>\n{"name": "f"}\n</tool_call> and <tool_call>',
            "<tool_call>not json</tool_call>",
            '{"role": "assistant", "tool_calls": 3}',
            "{" * 2000,
            "\x00\u2028",
        ]
    ),
)
CALLS = st.lists(st.builds(ToolCall, TEXT, TRICKY, TEXT), max_size=3)


@given(TRICKY, CALLS, st.none() | TRICKY, st.none() | st.sampled_from(["stop", "length"]))
def test_decode_inverts_encode(
    content: str, calls: list[ToolCall], reasoning: str | None, finish: str | None
) -> None:
    expected = AssistantMessage(content, tuple(calls), reasoning, finish)
    assert decode_action(encode_action(content, calls, reasoning, finish)) == expected


@given(TRICKY)
def test_plain_content_stays_readable_where_it_can(content: str) -> None:
    encoded = encode_action(content)
    assert encoded == content or decode_action(content) != AssistantMessage(content)


@given(
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ).map(json.dumps)
)
def test_any_text_decodes(text: str) -> None:
    assert isinstance(decode_action(text), AssistantMessage)


def test_blocks_become_calls_and_the_rest_content() -> None:
    text = 'Let me look.\n<tool_call>\n{"name": "find", "arguments": {"q": "x"}}\n</tool_call>'
    assert decode_action(text) == AssistantMessage("Let me look.", (ToolCall("find", '{"q": "x"}'),))


def test_malformed_block_stays_content() -> None:
    text = '<tool_call>{"name": "find", </tool_call>'
    assert decode_action(text) == AssistantMessage(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"role": "assistant", "content": 3}',
        '{"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}',
        '{"role": "user", "content": "x"}',
        "[" * 100_000,
        '{"role": "assistant", "n": ' + "9" * 10_000 + "}",
    ],
)
def test_other_json_is_plain_content(text: str) -> None:
    assert decode_action(text) == AssistantMessage(text)


def test_missing_call_ids_are_numbered_by_turn() -> None:
    message = with_call_ids(AssistantMessage("", (ToolCall("f"), ToolCall("g", id="own"))), turn=3)
    assert [call.id for call in message.tool_calls] == ["call_3_0", "own"]


def test_responses_items_become_chat_messages() -> None:
    items = [
        {"role": "developer", "content": [{"type": "input_text", "text": "Be brief."}]},
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "data:x"},
                {"type": "input_text", "text": "?"},
            ],
        },
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "4"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "four"}]},
    ]
    developer, user, call, result, answer = chat_from_items(items)
    assert developer == {"role": "developer", "content": "Be brief."}
    assert message_text(user) == "[image]\n?"
    assert call["reasoning_content"] == "hm"
    assert call["tool_calls"][0] == {
        "id": "c1",
        "type": "function",
        "function": {"name": "f", "arguments": "{}"},
    }
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "4"}
    assert answer == {"role": "assistant", "content": "four"}


def test_item_without_role_is_refused() -> None:
    with pytest.raises(ValueError, match="input item with type 'web_search'"):
        chat_from_items([{"type": "web_search"}])


@pytest.mark.parametrize(
    "items",
    [
        ["x"],
        [{"role": "user", "content": ["x"]}],
        [{"role": "user", "content": 5}],
        [{"type": "reasoning", "summary": [1]}],
    ],
)
def test_items_of_a_wrong_type_are_refused_by_name(items: list[object]) -> None:
    with pytest.raises(ValueError, match=r"must be (an object|text)"):
        chat_from_items(items)


def test_flat_tools_become_nested() -> None:
    flat = {"type": "function", "name": "f", "description": None, "parameters": {}, "strict": False}
    assert chat_tools([flat]) == [
        {"type": "function", "function": {"name": "f", "parameters": {}, "strict": False}}
    ]


@pytest.mark.parametrize(("levels", "is_read"), [(MAX_JSON_LEVELS, True), (MAX_JSON_LEVELS + 1, False)])
def test_deeply_nested_json_counts_as_malformed(levels: int, is_read: bool) -> None:
    assert (parse_json("[" * levels + "]" * levels) is not None) is is_read
    assert parse_json("[" + "[]," * 1000 + "[]]") is not None
