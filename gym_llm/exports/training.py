"""Conversations in the form that fine-tuning takes: OpenAI's chat messages, as TRL reads them too."""

import json
from collections.abc import Sequence
from typing import Any

from gym_llm.messages import Message

_KEYS = ("role", "content", "name", "tool_calls", "tool_call_id")


def training_messages(messages: Sequence[Message], *, with_reasoning: bool = True) -> list[Message]:
    """Return a conversation up to the last assistant turn; empty when there is none.

    Keys that fine-tuning does not know are left out. Content that is null becomes an empty string, and
    arguments of tool calls are JSON text.

    Args:
        messages: in the form of the chat API.
        with_reasoning: keep ``reasoning_content``, which chat templates of reasoning models take;
            OpenAI's service does not.
    """
    turns = [number for number, message in enumerate(messages) if message.get("role") == "assistant"]
    keys = (*_KEYS, "reasoning_content") if with_reasoning else _KEYS
    return [_training_message(message, keys) for message in messages[: turns[-1] + 1 if turns else 0]]


def prompt_length(messages: Sequence[Message]) -> int:
    """Return the number of messages before the first assistant turn."""
    roles = [message.get("role") for message in messages]
    return roles.index("assistant") if "assistant" in roles else len(roles)


def _training_message(message: Message, keys: Sequence[str]) -> Message:
    found = {key: message[key] for key in keys if message.get(key) is not None}
    found.setdefault("content", "")
    if not found.get("tool_calls"):
        found.pop("tool_calls", None)
    else:
        found["tool_calls"] = [_training_call(call) for call in found["tool_calls"]]
    return found


def _training_call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = json.dumps({} if arguments is None else arguments, ensure_ascii=False)
    return {
        "id": str(call.get("id") or ""),
        "type": "function",
        "function": {"name": str(function.get("name", "")), "arguments": arguments},
    }
