"""What goes over the wire: requests and replies of OpenAI's chat and Responses APIs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gym_llm.errors import ConfigError
from gym_llm.messages import AssistantMessage, Message, chat_from_items, message_from_chat

Api = Literal["chat", "responses"]

PATHS: dict[Api, str] = {"chat": "/chat/completions", "responses": "/responses"}
_TOKEN_LIMIT: dict[Api, str] = {"chat": "max_tokens", "responses": "max_output_tokens"}
_TOKEN_LIMITS = ("max_tokens", "max_output_tokens")


@dataclass(frozen=True)
class Usage:
    """Tokens of one call; None where the server does not say."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    """Part of the output tokens."""
    cached_tokens: int | None = None
    """Part of the input tokens."""


def request_body(
    api: Api,
    model: str,
    messages: Iterable[Mapping[str, Any]],
    tools: Iterable[Message] | None,
    params: Mapping[str, Any],
    developer_role: bool = False,
) -> dict[str, Any]:
    """Return the JSON body of a request; the token limit may be named as either API names it."""
    chat = [_standard(message, developer_role) for message in messages]
    body: dict[str, Any] = {"model": model}
    if api == "chat":
        body["messages"] = chat
    else:
        body["input"] = [item for message in chat for item in _items(message)]
    if tools:
        body["tools"] = list(tools) if api == "chat" else [_flat(tool) for tool in tools]
    for name, value in params.items():
        if value is not None:
            body[_TOKEN_LIMIT[api] if name in _TOKEN_LIMITS else name] = value
    return body


def encode(body: Mapping[str, Any]) -> bytes:
    """Write a request's JSON; what UTF-8 cannot hold (lone surrogates in a model's text) becomes ``?``.

    Raises:
        ConfigError: a parameter is no JSON.
    """
    try:
        return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
    except (TypeError, ValueError) as error:
        raise ConfigError(f"a request parameter is no JSON: {error}") from None


def read_reply(api: Api, reply: Any) -> tuple[AssistantMessage, Usage]:
    """Read a reply's message and usage.

    Raises:
        ValueError: the reply is not one of this API.
    """
    try:
        message = _read_chat(reply) if api == "chat" else _read_responses(reply)
        usage = reply.get("usage") or {}
        return message, _usage(usage if isinstance(usage, dict) else {})
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{type(error).__name__}: {error}: {str(reply)[:300]}") from error


def _standard(message: Mapping[str, Any], developer_role: bool) -> Message:
    """Keep the keys that every server accepts: others (``reasoning_content``) are refused by some."""
    role = message["role"]
    if role == "developer" and not developer_role:
        role = "system"
    kept: Message = {"role": role, "content": message.get("content")}
    if role == "tool":
        kept["tool_call_id"] = message.get("tool_call_id", "")
    elif "name" in message:
        kept["name"] = message["name"]
    if message.get("tool_calls"):
        kept["tool_calls"] = message["tool_calls"]
    elif kept["content"] is None:
        kept["content"] = ""
    return kept


def _items(message: Message) -> list[Message]:
    """Convert one chat message to input items of the Responses API."""
    role, content = message["role"], message["content"]
    if role == "tool":
        call_id = message["tool_call_id"]
        return [{"type": "function_call_output", "call_id": call_id, "output": content}]
    items: list[Message] = []
    if content or "tool_calls" not in message:
        parts = content if isinstance(content, str) else [_input_part(part) for part in content]
        items.append({"role": role, "content": parts})
    for call in message.get("tool_calls", ()):
        function = call["function"]
        items.append(
            {
                "type": "function_call",
                "call_id": call.get("id", ""),
                "name": function["name"],
                "arguments": function["arguments"],
            }
        )
    return items


def _input_part(part: Mapping[str, Any]) -> Message:
    if part.get("type") == "text":
        return {"type": "input_text", "text": part["text"]}
    if part.get("type") == "image_url":
        image = part["image_url"]
        detail = image.get("detail", "auto")
        return {"type": "input_image", "image_url": image["url"], "detail": detail}
    return dict(part)


def _flat(tool: Message) -> Message:
    # The Responses API is strict unless told otherwise; the chat API is not.
    return {"type": "function", "strict": False, **tool["function"]}


def _read_chat(reply: Mapping[str, Any]) -> AssistantMessage:
    choice = reply["choices"][0]
    wire = choice["message"]
    reasoning = wire.get("reasoning_content") or wire.get("reasoning")
    message = message_from_chat(
        {
            "content": _text(wire.get("content")),
            "tool_calls": wire.get("tool_calls"),
            "reasoning_content": reasoning if isinstance(reasoning, str) else None,
            "finish_reason": choice.get("finish_reason"),
        }
    )
    if message is None:
        raise ValueError("message of unknown form")
    return message


def _text(content: Any) -> Any:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content


def _read_responses(reply: Mapping[str, Any]) -> AssistantMessage:
    if reply.get("error"):
        raise ValueError(f"the server reports {reply['error']}")
    known = [i for i in reply["output"] if i.get("type") in ("message", "reasoning", "function_call")]
    found = chat_from_items(known)
    if len(found) > 1:
        raise ValueError("messages that are not the assistant's")
    finish = _finish_reason(reply, any(i["type"] == "function_call" for i in known))
    message = message_from_chat({**(found[0] if found else {}), "finish_reason": finish})
    if message is None:
        raise ValueError("message of unknown form")
    return message


def _finish_reason(reply: Mapping[str, Any], has_calls: bool) -> str | None:
    """Return the reason in the words of the chat API."""
    if reply.get("status") == "incomplete":
        reason = (reply.get("incomplete_details") or {}).get("reason")
        return "length" if reason == "max_output_tokens" else reason
    if reply.get("status") == "completed":
        return "tool_calls" if has_calls else "stop"
    return None


def _usage(usage: Mapping[str, Any]) -> Usage:
    inputs = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    outputs = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    return Usage(
        _count(usage, "prompt_tokens", "input_tokens"),
        _count(usage, "completion_tokens", "output_tokens"),
        _count(outputs, "reasoning_tokens"),
        _count(inputs, "cached_tokens"),
    )


def _count(values: Any, *names: str) -> int | None:
    if isinstance(values, dict):
        for name in names:
            if type(value := values.get(name)) is int:
                return value
    return None
