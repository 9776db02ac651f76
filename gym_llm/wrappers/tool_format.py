"""ToolFormat: read the tool calls of a model family's own dialect."""

import json
import re
from collections.abc import Callable
from typing import Any, Literal, get_args

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from gym_llm.core.text_env import core_of
from gym_llm.errors import ConfigError
from gym_llm.messages import (
    CLOSE_CALL,
    OPEN_CALL,
    AssistantMessage,
    Message,
    ToolCall,
    call_from_object,
    decode_action,
    encode_action,
    parse_json,
    split_blocks,
)

Dialect = Literal["hermes", "llama3", "qwen3-coder"]


class ToolFormat(gymnasium.ActionWrapper[str, str, str], RecordConstructorArgs):
    """Turn raw model text with tool calls of one dialect into the canonical action.

    ``hermes``: ``<tool_call>{"name": ..., "arguments": {...}}</tool_call>``; an unclosed last block
    counts.
    ``llama3``: ``<|python_tag|>`` (optional) before ``{"name": ..., "parameters": {...}}``, several
    separated by
    ``;``. ``qwen3-coder``:
    ``<tool_call><function=NAME><parameter=KEY>value</parameter></function></tool_call>``, values read as
    JSON where the tool's schema does not say string. Text in another form stays content; actions in the
    JSON form of `gym_llm.encode_action` pass through.
    """

    def __init__(self, env: gymnasium.Env[str, str], dialect: Dialect) -> None:
        if dialect not in get_args(Dialect):
            raise ConfigError(f"dialect must be one of {get_args(Dialect)}, got {dialect!r}")
        RecordConstructorArgs.__init__(self, dialect=dialect)
        gymnasium.ActionWrapper.__init__(self, env)
        self._core = core_of(env, "ToolFormat")
        self._parse = _PARSERS[dialect]

    def action(self, action: str) -> str:
        """Return the action in the canonical form."""
        value = parse_json(action)
        if isinstance(value, dict) and value.get("role") == "assistant":
            return action
        message = self._parse(action, self._core.tools())
        return encode_action(message.content, message.tool_calls)


def parse_hermes(text: str, tools: list[Message]) -> AssistantMessage:
    """Read hermes blocks; models often stop before the last closing tag."""
    if text.rfind(OPEN_CALL) > text.rfind(CLOSE_CALL):
        text += CLOSE_CALL
    return decode_action(text)


_LLAMA_MARKS = re.compile(r"<\|(?:python_tag|eom_id|eot_id)\|>")


def parse_llama3(text: str, tools: list[Message]) -> AssistantMessage:
    """Read Llama 3 calls: JSON objects separated by ``;``, after an optional ``<|python_tag|>``."""
    before, tag, after = text.partition("<|python_tag|>")
    body = _LLAMA_MARKS.sub("", after if tag else text).strip()
    calls = _json_calls(body)
    if calls is None:
        return AssistantMessage(_LLAMA_MARKS.sub("", text).strip() if tag else text)
    return AssistantMessage(before.strip() if tag else "", calls)


def _json_calls(body: str) -> tuple[ToolCall, ...] | None:
    """Read ``{...}; {...}``; None when the text is anything else."""
    decoder, calls, position = json.JSONDecoder(), [], 0
    while position < len(body):
        try:
            _, end = decoder.raw_decode(body, position)
        except (ValueError, RecursionError):
            return None
        call = call_from_object(body[position:end], "parameters")
        if call is None:
            return None
        calls.append(call)
        position = end
        while position < len(body) and (body[position].isspace() or body[position] == ";"):
            position += 1
    return tuple(calls) or None


def parse_qwen3_coder(text: str, tools: list[Message]) -> AssistantMessage:
    """Read Qwen3-Coder's XML calls."""
    schemas = {t["function"]["name"]: t["function"].get("parameters") or {} for t in tools}
    outside, calls = [], []
    for is_block, part in split_blocks(text, OPEN_CALL, CLOSE_CALL):
        call = _xml_call(part.strip(), schemas) if is_block else None
        if call is not None:
            calls.append(call)
        else:
            outside.append(f"{OPEN_CALL}{part}{CLOSE_CALL}" if is_block else part)
    return AssistantMessage("".join(outside).strip(), tuple(calls)) if calls else AssistantMessage(text)


def _xml_call(block: str, schemas: dict[str, Message]) -> ToolCall | None:
    head, _, body = block.removeprefix("<function=").partition(">")
    if not block.startswith("<function=") or not body.rstrip().endswith("</function>"):
        return None
    properties = schemas.get(head.strip(), {}).get("properties") or {}
    arguments: dict[str, Any] = {}
    for is_parameter, part in split_blocks(body, "<parameter=", "</parameter>"):
        if is_parameter:
            key, _, value = part.partition(">")
            arguments[key.strip()] = _typed(
                value.removeprefix("\n").removesuffix("\n"), properties.get(key.strip())
            )
    return ToolCall(head.strip(), json.dumps(arguments))


def _typed(value: str, schema: Any) -> Any:
    if isinstance(schema, dict) and schema.get("type") == "string":
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


_PARSERS: dict[str, Callable[[str, list[Message]], AssistantMessage]] = {
    "hermes": parse_hermes,
    "llama3": parse_llama3,
    "qwen3-coder": parse_qwen3_coder,
}
