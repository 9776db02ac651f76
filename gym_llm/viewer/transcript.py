"""A rollout as plain text, part by part."""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gym_llm.messages import parse_json
from gym_llm.rollouts.records import Rollout
from gym_llm.viewer.entries import prompt
from gym_llm.viewer.visible import pretty, text_of, visible

MAX_PART_CHARS = 20_000
MAX_COMPARED_LINES = 2_000
"""Of each transcript: the time to align two of them grows with the product of their lengths."""

Kind = Literal["heading", "facts", "failure", "text", "reasoning", "call"]


@dataclass(frozen=True)
class Part:
    """A piece of a transcript, safe to print."""

    kind: Kind
    text: str


def transcript(rollout: Rollout) -> Iterator[Part]:
    """Return what a rollout earned and why, then its messages; long texts are cut and say so."""
    yield from _outcome(rollout)
    names = _names_of_calls(rollout)
    first, turn = len(prompt(rollout)), 0
    for number, message in enumerate(rollout.messages):
        role = str(message.get("role", "message"))
        name = names.get(str(message.get("tool_call_id")))
        title = f"{role} · {name}" if name else role
        if role == "assistant" and number >= first:
            turn += 1
            title += f" · turn {turn}"
            if turn <= len(rollout.step_rewards):
                title += f" · reward {rollout.step_rewards[turn - 1]:g}"
        yield _part("heading", title)
        yield from _body(message)


def _outcome(rollout: Rollout) -> Iterator[Part]:
    if rollout.failure:
        failure = rollout.failure
        yield _part("failure", f"{failure.kind}: {failure.cause}\n{failure.message}")
        if failure.traceback:
            yield _part("text", failure.traceback)
    facts = {**{name: f"{value:g}" for name, value in rollout.rewards.items()}, **rollout.fields}
    seeds = rollout.seeds
    facts["seeds"] = f"env {seeds.env}, sampling {seeds.sampling}, judge {seeds.judge}"
    yield _part("facts", "\n".join(f"{name}: {_shown(value)}" for name, value in facts.items()))


def _body(message: Mapping[str, Any]) -> Iterator[Part]:
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    if thoughts:
        yield _part("reasoning", _shown(thoughts))
    text = text_of(dict(message))
    if text:
        yield _part("text", _indented(text) if message.get("role") == "tool" else text)
    for call in _calls(message):
        called = call.get("function")
        called = called if isinstance(called, dict) else {}
        arguments = _indented(_shown(called.get("arguments", "")))
        yield _part("call", f"→ {called.get('name', '?')} {arguments}")


def _calls(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    calls = message.get("tool_calls")
    return [c for c in calls if isinstance(c, dict)] if isinstance(calls, list) else []


def _names_of_calls(rollout: Rollout) -> dict[str, str]:
    calls = [call for message in rollout.messages for call in _calls(message)]
    functions = [(c.get("id"), c.get("function")) for c in calls]
    return {str(i): str(f.get("name", "")) for i, f in functions if i and isinstance(f, dict)}


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _indented(text: str) -> str:
    """Return JSON objects and arrays with line breaks, all other text as it is."""
    if len(text) > MAX_PART_CHARS or text.lstrip()[:1] not in ("{", "["):
        return text
    value = parse_json(text)
    return text if value is None else pretty(value, MAX_PART_CHARS)


def _part(kind: Kind, text: str) -> Part:
    left_out = len(text) - MAX_PART_CHARS
    note = f"\n... {left_out:,} more characters" if left_out > 0 else ""
    return Part(kind, visible(text[:MAX_PART_CHARS]) + note)


def differences(left: Rollout, right: Rollout) -> list[str]:
    """Return where two transcripts differ, as the lines of a unified diff; none when they are equal."""
    names = f"repeat {left.repeat}", f"repeat {right.repeat}"
    return list(difflib.unified_diff(_lines(left), _lines(right), *names, lineterm=""))


def _lines(rollout: Rollout) -> list[str]:
    # Seeds differ always, so the facts say nothing here.
    parts = [part for part in transcript(rollout) if part.kind != "facts"]
    return [line for part in parts for line in part.text.split("\n")][:MAX_COMPARED_LINES]
