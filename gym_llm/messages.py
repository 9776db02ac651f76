"""The assistant's turn as one string, and back: messages, tool calls, and OpenAI's wire forms.

An action is the text of one assistant turn. `encode_action` and `decode_action` are exact inverses,
whatever the content is; `decode_action` accepts any string and never raises.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

MAX_JSON_LEVELS = 100
"""JSON from a model that is nested more deeply counts as malformed: copying it would recurse."""

Message = dict[str, Any]
"""One message in the form of OpenAI's chat API."""

OPEN_CALL, CLOSE_CALL = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class ToolCall:
    """One call of a tool by the model."""

    name: str
    arguments: str = "{}"
    """JSON text, exactly as the model wrote it; it may be malformed."""
    id: str = ""
    """Given by the model's server; empty for calls typed as text."""

    def parsed_arguments(self) -> dict[str, Any] | None:
        """Return the arguments as a dict, or None when they are not a JSON object."""
        value = parse_json(self.arguments)
        return value if isinstance(value, dict) else None


@dataclass(frozen=True)
class AssistantMessage:
    """One assistant turn."""

    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    """Thoughts that the model's server reports apart from the content; never graded."""
    finish_reason: str | None = None
    """``"length"`` when the token limit cut the turn; None when not known."""

    def to_chat(self) -> Message:
        """Return the message in the form of OpenAI's chat API."""
        message: Message = {"role": "assistant", "content": self.content}
        if self.tool_calls:
            message["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
                for c in self.tool_calls
            ]
        if self.reasoning is not None:
            message["reasoning_content"] = self.reasoning
        return message


def with_call_ids(message: AssistantMessage, turn: int) -> AssistantMessage:
    """Give every call without an id one that is unique in the episode, as tool results refer to it."""
    if all(call.id for call in message.tool_calls):
        return message
    numbered = enumerate(message.tool_calls)
    calls = tuple(c if c.id else replace(c, id=f"call_{turn}_{number}") for number, c in numbered)
    return replace(message, tool_calls=calls)


def parse_json(text: str) -> Any:
    """Return the value of a JSON text; None if it is not JSON or beyond ``MAX_JSON_LEVELS``."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    # There cannot be more levels than brackets, so ordinary texts are not walked.
    brackets = text.count("{") + text.count("[")
    return value if brackets <= MAX_JSON_LEVELS or _levels_within(value, MAX_JSON_LEVELS) else None


def _levels_within(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        inner = [v for x in level for v in (x.values() if isinstance(x, dict) else x)]
        level = [v for v in inner if isinstance(v, dict | list)]
        if not level:
            return True
    return False


def encode_action(
    content: str = "",
    tool_calls: Iterable[ToolCall] = (),
    reasoning: str | None = None,
    finish_reason: str | None = None,
) -> str:
    """Write one assistant turn as the string that `decode_action` turns back into exactly this turn.

    Plain content stays as it is wherever that reads back as itself; anything else becomes a JSON object
    in the form of OpenAI's chat API.

    >>> encode_action("The answer is 4.")
    'The answer is 4.'
    >>> decode_action(encode_action("", [ToolCall("add", '{"a": 1}')])).tool_calls
    (ToolCall(name='add', arguments='{"a": 1}', id=''),)
    """
    message = AssistantMessage(content, tuple(tool_calls), reasoning, finish_reason)
    if message == AssistantMessage(content) and decode_action(content) == message:
        return content
    wire = message.to_chat()
    if finish_reason is not None:
        wire["finish_reason"] = finish_reason
    return json.dumps(wire)


def decode_action(text: str) -> AssistantMessage:
    """Read one assistant turn from an action.

    In this order: a JSON object with ``"role": "assistant"`` (OpenAI's chat form); ``<tool_call>{"name":
    ..., "arguments": {...}}</tool_call>`` blocks, the text around them being the content; otherwise
    plain content. A block that does not hold such an object stays part of the content.
    """
    text = str(text)
    if text.lstrip()[:1] == "{":
        message = _from_json(text)
        if message is not None:
            return message
    return _from_blocks(text) if OPEN_CALL in text else AssistantMessage(text)


def message_from_chat(message: Mapping[str, Any]) -> AssistantMessage | None:
    """Return an assistant message of the chat API as AssistantMessage, or None if it is malformed."""
    content = message.get("content")
    reasoning = message.get("reasoning_content")
    finish = message.get("finish_reason")
    calls = [_call_from_chat(c) for c in message.get("tool_calls") or ()]
    if (
        not isinstance(content, str | None)
        or not isinstance(reasoning, str | None)
        or not isinstance(finish, str | None)
    ):
        return None
    whole = tuple(c for c in calls if c is not None)
    return (
        AssistantMessage(content or "", whole, reasoning, finish) if len(whole) == len(calls) else None
    )


def _from_json(text: str) -> AssistantMessage | None:
    value = parse_json(text)
    if not isinstance(value, dict) or value.get("role") != "assistant":
        return None
    return message_from_chat(value) if isinstance(value.get("tool_calls"), list | None) else None


def _call_from_chat(call: Any) -> ToolCall | None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    call_id = call.get("id") or ""
    return ToolCall(function["name"], _arguments_text(function.get("arguments")), str(call_id))


def _arguments_text(arguments: Any) -> str:
    if isinstance(arguments, str):
        return arguments
    return "{}" if arguments is None else json.dumps(arguments)


def call_from_object(text: str, arguments_key: str = "arguments") -> ToolCall | None:
    """Read ``{"name": ..., "arguments": ...}``; None when the text is not such an object."""
    value = parse_json(text)
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    return ToolCall(value["name"], _arguments_text(value.get(arguments_key)))


def _from_blocks(text: str) -> AssistantMessage:
    outside: list[str] = []
    calls: list[ToolCall] = []
    for is_block, part in split_blocks(text, OPEN_CALL, CLOSE_CALL):
        call = call_from_object(part) if is_block else None
        if call is not None:
            calls.append(call)
        else:
            outside.append(f"{OPEN_CALL}{part}{CLOSE_CALL}" if is_block else part)
    return AssistantMessage("".join(outside).strip(), tuple(calls)) if calls else AssistantMessage(text)


def split_blocks(text: str, opening: str, closing: str) -> Iterable[tuple[bool, str]]:
    """Yield ``(inside, part)`` for text outside and inside the delimiters, in order; linear time."""
    position = 0
    while True:
        start = text.find(opening, position)
        end = text.find(closing, start + len(opening)) if start >= 0 else -1
        if end < 0:
            yield False, text[position:]
            return
        yield False, text[position:start]
        yield True, text[start + len(opening) : end]
        position = end + len(closing)


def message_text(message: Mapping[str, Any]) -> str:
    """Return the text of a chat message; parts that are not text become ``[image]`` and the like."""
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(_part_text(part) for part in content)
    return content if isinstance(content, str) else ""


def _part_text(part: Mapping[str, Any]) -> str:
    if part.get("type") == "text":
        return str(part.get("text", ""))
    return f"[{str(part.get('type', 'part')).removesuffix('_url')}]"


def chat_from_items(items: str | Sequence[Mapping[str, Any]]) -> list[Message]:
    """Convert the input of OpenAI's Responses API (a string, or items) to chat messages.

    Reasoning, text and function calls that follow each other become one assistant message.

    Raises:
        ValueError: an item or a part of its content is not an object, or an item has neither a role nor
            a known type.
    """
    if isinstance(items, str):
        return [{"role": "user", "content": items}]
    messages: list[Message] = []
    for item in items:
        if not isinstance(item, Mapping):
            raise ValueError(f"an input item must be an object, got {type(item).__name__}")
        kind = item.get("type") or "message"
        if kind == "function_call_output":
            messages.append(
                {
                    "role": "tool",
                    "tool_call_id": str(item.get("call_id", "")),
                    "content": _text(item.get("output")),
                }
            )
        elif kind in ("function_call", "reasoning") or item.get("role") == "assistant":
            _extend_assistant(messages, kind, item)
        elif kind == "message" and isinstance(item.get("role"), str):
            messages.append({"role": item["role"], "content": _content(item.get("content"))})
        else:
            raise ValueError(f"input item with type {item.get('type')!r} and role {item.get('role')!r}")
    return messages


def _extend_assistant(messages: list[Message], kind: str, item: Mapping[str, Any]) -> None:
    if not messages or messages[-1]["role"] != "assistant":
        messages.append({"role": "assistant", "content": ""})
    message = messages[-1]
    if kind == "function_call":
        function = {
            "name": str(item.get("name", "")),
            "arguments": _arguments_text(item.get("arguments")),
        }
        call = {"id": str(item.get("call_id") or ""), "type": "function", "function": function}
        message.setdefault("tool_calls", []).append(call)
    elif kind == "reasoning":
        parts = [*(item.get("summary") or ()), *(item.get("content") or ())]
        thoughts = "\n".join(str(part.get("text", "")) for part in map(_chat_part, parts))
        message["reasoning_content"] = message.get("reasoning_content", "") + thoughts
    else:
        message["content"] += _text(item.get("content"))


def _content(content: Any) -> Any:
    """Convert Responses content parts to chat parts; text alone becomes a plain string."""
    if isinstance(content, str | None):
        return content or ""
    if not isinstance(content, list):
        raise ValueError(f"content must be text or a list of parts, got {type(content).__name__}")
    parts = [_chat_part(part) for part in content]
    if all(part.get("type") == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _chat_part(part: Any) -> Message:
    if not isinstance(part, Mapping):
        raise ValueError(f"a part of a content must be an object, got {type(part).__name__}")
    kind = part.get("type")
    if kind in ("input_text", "output_text", "text"):
        return {"type": "text", "text": str(part.get("text", ""))}
    if kind == "input_image":
        return {"type": "image_url", "image_url": {"url": str(part.get("image_url", ""))}}
    return dict(part)


def _text(content: Any) -> str:
    """Join the text parts of Responses content without a separator, as NeMo Gym does."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else "" if content is None else json.dumps(content)


def chat_tools(tools: Iterable[Mapping[str, Any]]) -> list[Message]:
    """Bring function tools of the Responses API (flat) or the chat API (nested) into the chat form."""
    keys = ("name", "description", "parameters", "strict")
    return [
        dict(tool)
        if "function" in tool
        else {"type": "function", "function": {k: tool[k] for k in keys if tool.get(k) is not None}}
        for tool in tools
    ]
