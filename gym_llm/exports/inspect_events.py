"""What Inspect's transcript shows of a sample: the model's turns, then the scores."""

from collections.abc import Mapping, Sequence
from typing import Any


def inspect_events(
    messages: Sequence[Mapping[str, Any]],
    outputs: Sequence[Mapping[str, Any]],
    scores: Mapping[str, Any],
    timestamp: str,
) -> list[dict[str, Any]]:
    """Return the events of one sample.

    A model's turn does not repeat its input but refers to a range of messages, so that the events grow
    with the conversation and not with its square; `events_data` holds what they refer to.

    Args:
        messages: the conversation as Inspect has it.
        outputs: one for each assistant message.
        scores: by name.
        timestamp: of all events; the times of single turns are not recorded.
    """
    places = [number for number, m in enumerate(messages) if m["role"] == "assistant"]
    turns = [_turn(place, output) for place, output in zip(places, outputs, strict=True)]
    graded = [
        {"event": "score", "scorer": name, "score": score, "intermediate": False}
        for name, score in scores.items()
    ]
    found = [*turns, *graded]
    return [{"timestamp": timestamp, "working_start": 0.0, **event} for event in found]


def events_data(messages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the events of a conversation refer to."""
    return {"messages": list(messages), "calls": []}


def _turn(place: int, output: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "event": "model",
        "model": output["model"],
        "input": [],
        "input_refs": [[0, place]] if place else [],
        "tools": [],
        "tool_choice": "auto",
        "config": {},
        "output": output,
    }
