"""From chat messages to items of OpenAI's Responses API, in the form that NeMo Gym writes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from gym_llm.messages import Message, message_text
from gym_llm.rollouts.records import TokenSegment


def input_items(messages: Iterable[Message]) -> list[Message]:
    """Return the items of a prompt."""
    items: list[Message] = []
    for message in messages:
        role = message.get("role")
        if role == "tool":
            items.append(_tool_result(message))
        elif role == "assistant":
            items.extend(_assistant_items(message, ""))
        else:
            items.append({"type": "message", "role": role, "content": _content(message)})
    return items


def output_items(
    messages: Iterable[Message], name: str, tokens: Sequence[TokenSegment] = ()
) -> list[Message]:
    """Return the items of an episode, from the model's first turn on.

    Args:
        messages: of the episode.
        name: of the episode, for the ids of the items.
        tokens: token ids, which go to the last item of each turn if there are those of every turn.
    """
    messages = list(messages)
    turns = list(_turn_tokens(tokens))
    if len(turns) != sum(m.get("role") == "assistant" for m in messages):
        turns = []
    items: list[Message] = []
    turn = 0
    for message in messages:
        if message.get("role") != "assistant":
            items.extend(input_items([message]))
            continue
        own = _assistant_items(message, f"{name}_{turn}")
        if turns:
            own[-1].update(turns[turn])
        items.extend(own)
        turn += 1
    return items


def response_tools(tools: Iterable[Message]) -> list[Message]:
    """Return tools of the chat API in the flat form of the Responses API."""
    return [
        {"type": "function", "strict": True, **tool["function"]} if "function" in tool else dict(tool)
        for tool in tools
    ]


def _assistant_items(message: Mapping[str, Any], name: str) -> list[Message]:
    """Return thoughts, text and calls of one turn; a turn without any is an empty text."""
    items: list[Message] = []
    calls = message.get("tool_calls") or ()
    thoughts, text = message.get("reasoning_content"), message_text(message)
    if thoughts is not None:
        summary = [{"type": "summary_text", "text": thoughts}] if thoughts else []
        items.append({"id": f"rs_{name}", "type": "reasoning", "summary": summary})
    if text or not calls:
        part = {"type": "output_text", "text": text, "annotations": []}
        items.append(
            {
                "id": f"msg_{name}",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [part],
            }
        )
    for number, call in enumerate(calls):
        function = call.get("function") or {}
        items.append(
            {
                "id": f"fc_{name}_{number}",
                "type": "function_call",
                "status": "completed",
                "call_id": call.get("id", ""),
                "name": function.get("name", ""),
                "arguments": function.get("arguments", "{}"),
            }
        )
    return items


def _tool_result(message: Mapping[str, Any]) -> Message:
    return {
        "type": "function_call_output",
        "call_id": message.get("tool_call_id", ""),
        "output": message_text(message),
    }


def _content(message: Mapping[str, Any]) -> Any:
    content = message.get("content")
    return [_input_part(p) for p in content] if isinstance(content, list) else content or ""


def _input_part(part: Mapping[str, Any]) -> Message:
    if part.get("type") == "text":
        return {"type": "input_text", "text": part.get("text", "")}
    if part.get("type") == "image_url":
        image = part.get("image_url") or {}
        return {"type": "input_image", "image_url": image.get("url", ""), "detail": "auto"}
    return dict(part)


def _turn_tokens(segments: Iterable[TokenSegment]) -> Iterator[dict[str, Any]]:
    """Yield the ids of each turn's whole prompt and of what the model made of it."""
    for segment in segments:
        start = 0
        for mask, run in groupby(segment.loss_mask):
            end = start + len(list(run))
            if mask:
                yield {
                    "prompt_token_ids": segment.token_ids[:start],
                    "generation_token_ids": segment.token_ids[start:end],
                    "generation_log_probs": segment.logprobs[start:end],
                }
            start = end
