"""Requests and replies of the two APIs."""

import json
from typing import Any

import pytest

from gym_llm.errors import ConfigError
from gym_llm.messages import AssistantMessage, ToolCall
from gym_llm.models import Usage
from gym_llm.models.wire import encode, read_reply, request_body

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
MESSAGES = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_content": "hm"},
    {"role": "tool", "tool_call_id": "c1", "name": "add", "content": "2"},
]


def test_chat_request_has_standard_keys_only() -> None:
    body = request_body(
        "chat", "m", MESSAGES, [TOOL], {"max_output_tokens": 5, "seed": None, "top_k": 3}
    )
    assert body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1 + 1?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "2", "tool_call_id": "c1"},
        ],
        "tools": [TOOL],
        "max_tokens": 5,
        "top_k": 3,
    }


def test_responses_request_has_items_and_flat_tools() -> None:
    body = request_body("responses", "m", MESSAGES, [TOOL], {"max_tokens": 5}, developer_role=True)
    assert body == {
        "model": "m",
        "input": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "1 + 1?"},
            {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
            {"type": "function_call_output", "call_id": "c1", "output": "2"},
        ],
        "tools": [
            {"type": "function", "strict": False, "name": "add", "parameters": {"type": "object"}}
        ],
        "max_output_tokens": 5,
    }


def test_responses_request_converts_images() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    content = [{"type": "text", "text": "What is it?"}, image]
    body = request_body("responses", "m", [{"role": "user", "content": content}], None, {})
    assert body["input"][0]["content"] == [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
    ]


def test_text_that_utf8_cannot_hold_is_sent_with_question_marks() -> None:
    body = request_body("chat", "m", [{"role": "user", "content": "a\ud800\u00e9"}], None, {})
    assert json.loads(encode(body))["messages"][0]["content"] == "a?\u00e9"


def test_parameter_that_is_no_json_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"a request parameter is no JSON.*set"):
        encode({"stop": {"x"}})


def test_absent_content_is_sent_as_empty() -> None:
    body = request_body("chat", "m", [{"role": "assistant", "content": None}], None, {})
    assert body["messages"] == [{"role": "assistant", "content": ""}]


def test_chat_reply() -> None:
    wire = {"content": None, "reasoning": "hm", "tool_calls": [CALL]}
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    reply = {"choices": [{"message": wire, "finish_reason": "tool_calls"}], "usage": usage}
    assert read_reply("chat", reply) == (
        AssistantMessage("", (ToolCall("add", '{"a": 1}', "c1"),), "hm", "tool_calls"),
        Usage(7, 5, 3, 2),
    )


def test_responses_reply() -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "web_search_call", "status": "completed"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "2"}]},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
    ]
    usage = {"input_tokens": 7, "output_tokens": 5, "input_tokens_details": None}
    reply = {"output": output, "status": "completed", "usage": usage}
    assert read_reply("responses", reply) == (
        AssistantMessage("2", (ToolCall("add", "{}", "c1"),), "hm", "tool_calls"),
        Usage(7, 5),
    )


def test_cut_responses_reply_has_finish_reason_length() -> None:
    reply = {
        "output": [],
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
    }
    assert read_reply("responses", reply)[0] == AssistantMessage(finish_reason="length")


@pytest.mark.parametrize(
    ("api", "reply"),
    [
        pytest.param("chat", "<html>", id="text"),
        pytest.param("chat", {"choices": []}, id="no-choice"),
        pytest.param("chat", {"choices": [{"message": {"content": 7}}]}, id="content-is-a-number"),
        pytest.param("chat", {"choices": [{"message": {"tool_calls": [1]}}]}, id="broken-call"),
        pytest.param("responses", {"output": None}, id="no-output"),
        pytest.param("responses", {"output": [], "error": {"code": "x"}}, id="error-in-the-reply"),
    ],
)
def test_malformed_reply_is_refused(api: Any, reply: Any) -> None:
    with pytest.raises(ValueError, match=r"Error: "):
        read_reply(api, reply)
