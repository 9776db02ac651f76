"""Chat messages in the form of Inspect's logs."""

import json
from collections.abc import Sequence
from typing import Any

from gym_llm.messages import Message, message_from_chat, message_text, parse_json

_STOP_REASONS = {
    "stop": "stop",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


def inspect_messages(messages: Sequence[Message], model: str, key: str) -> list[dict[str, Any]]:
    """Convert a conversation.

    Args:
        messages: in the form of the chat API.
        model: name of the model that made the assistant's turns.
        key: names the conversation; message ids begin with it.
    """
    tools = {
        call.id: call.name
        for message in messages
        if message.get("role") == "assistant" and (turn := message_from_chat(message))
        for call in turn.tool_calls
    }
    return [
        {"id": f"{key}-{number}", **_converted(message, model, tools)}
        for number, message in enumerate(messages)
    ]


def inspect_input(messages: Sequence[Message], key: str) -> str | list[dict[str, Any]]:
    """Convert a prompt: a lone user message of text becomes that text."""
    if len(messages) == 1 and messages[0].get("role") == "user":
        content = messages[0].get("content")
        if isinstance(content, str):
            return content
    return inspect_messages(messages, "", f"{key}-input")


def stop_reason(finish_reason: str | None) -> str:
    """Return Inspect's word for the end of an assistant turn."""
    return _STOP_REASONS.get(finish_reason or "", "unknown")


def text_of(content: str | list[dict[str, Any]]) -> str:
    """Return the text of converted content, without reasoning."""
    return content if isinstance(content, str) else message_text({"content": _shown_parts(content)})


def _shown_parts(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for part in content if part["type"] != "reasoning"]


def _converted(message: Message, model: str, tools: dict[str, str]) -> dict[str, Any]:
    role = message.get("role")
    if role == "assistant":
        return _assistant(message, model)
    content = _content(message.get("content"))
    if role == "tool":
        call_id = str(message.get("tool_call_id") or "")
        name = tools.get(call_id) or message.get("name")
        return {
            "role": "tool",
            "content": content,
            "tool_call_id": call_id,
            **({"function": name} if name else {}),
        }
    if role in ("system", "developer"):
        return {"role": "system", "content": content}
    return {"role": "user", "content": content, "source": "input"}


def _assistant(message: Message, model: str) -> dict[str, Any]:
    content = _content(message.get("content"))
    reasoning = message.get("reasoning_content")
    if reasoning:
        text = [{"type": "text", "text": content}] if isinstance(content, str) else content
        content = [{"type": "reasoning", "reasoning": str(reasoning)}, *text]
    found: dict[str, Any] = {
        "role": "assistant",
        "content": content,
        "source": "generate",
        "model": model,
    }
    turn = message_from_chat({**message, "content": None, "reasoning_content": None})
    if turn and turn.tool_calls:
        found["tool_calls"] = [
            {"id": c.id, "type": "function", "function": c.name, **_arguments(c.arguments)}
            for c in turn.tool_calls
        ]
    return found


def _arguments(text: str) -> dict[str, Any]:
    value = parse_json(text)
    if isinstance(value, dict):
        return {"arguments": value}
    return {"arguments": {"text": text}, "parse_error": "the arguments are not a JSON object"}


def _content(content: Any) -> str | list[dict[str, Any]]:
    if isinstance(content, list):
        return [_part(part) for part in content]
    return content if isinstance(content, str) else "" if content is None else json.dumps(content)


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, dict) and part.get("type") == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        return {"type": "image", "image": str(url or "")}
    if not isinstance(part, dict):
        return {"type": "text", "text": str(part)}
    return {"type": "text", "text": message_text({"content": [part]})}
