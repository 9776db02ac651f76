"""Rollouts in the form of the samples of Inspect's logs."""

import dataclasses
import datetime
import json
import math
from collections import Counter
from typing import Any

from gym_llm.exports.inspect_events import events_data, inspect_events
from gym_llm.exports.inspect_messages import inspect_input, inspect_messages, stop_reason, text_of
from gym_llm.exports.training import prompt_length
from gym_llm.rollouts.records import CallRecord, Rollout

_TARGETS = ("expected_answer", "answer", "ground_truth", "target")
_SHOWN_CHARS = 1000
"""Of each text in the list of samples."""


def values_of(rollout: Rollout) -> dict[str, float]:
    """Return the scores of a rollout: its reward, then the components; none when it failed."""
    values = {"reward": rollout.reward, **{k: v for k, v in rollout.rewards.items() if k != "reward"}}
    return {k: v for k, v in values.items() if math.isfinite(v)} if rollout.counts else {}


def sample_of(rollout: Rollout, sample_id: str, row: dict[str, Any], model: str) -> dict[str, Any]:
    """Return a rollout as a sample; the row is its task's, empty if it is not known."""
    key = f"{sample_id}-{rollout.repeat + 1}"
    messages = inspect_messages(rollout.messages, model, key)
    outputs = _outputs(rollout, messages, model)
    scores = _scores(rollout)
    started = iso_time(rollout.timings.started_at)
    usage = usage_of(rollout.calls, model)
    times = rollout.timings
    sample: dict[str, Any] = {
        "id": sample_id,
        "epoch": rollout.repeat + 1,
        "input": inspect_input(rollout.messages[: prompt_length(rollout.messages)], key),
        "target": _target(row),
        "messages": messages,
        "output": outputs[-1] if outputs else {"model": model, "choices": [], "completion": ""},
        "scores": scores,
        "metadata": {
            "env_id": rollout.env_id,
            "task_index": rollout.task_index,
            "seeds": dataclasses.asdict(rollout.seeds),
            "state": rollout.state,
            "step_rewards": rollout.step_rewards,
            "model_s": times.model_s,
            "env_s": times.env_s,
        },
        "store": {},
        "events": inspect_events(messages, outputs, scores, started),
        "events_data": events_data(messages),
        "model_usage": usage,
        "started_at": started,
        "completed_at": iso_time(times.started_at + times.duration_s),
        "total_time": times.duration_s,
        "working_time": times.duration_s,
        "uuid": key,
        "attachments": {},
        "turn_count": rollout.turns,
    }
    if rollout.failure is not None:
        message = f"{rollout.failure.kind}: {rollout.failure.message}"
        trace = rollout.failure.traceback or message
        sample["error"] = {"message": message, "traceback": trace, "traceback_ansi": trace}
    if rollout.state == "truncated":
        sample["limit"] = {"type": "custom", "limit": rollout.turns}
    return sample


def summary_of(sample: dict[str, Any]) -> dict[str, Any]:
    """Return what the list of samples shows; texts are cut, so that it stays small."""
    prompt = sample["input"]
    text = prompt if isinstance(prompt, str) else text_of(prompt[-1]["content"]) if prompt else ""
    names = ("id", "epoch", "model_usage", "started_at", "completed_at", "total_time", "working_time")
    scores = {
        name: {k: v for k, v in s.items() if k != "metadata"} for name, s in sample["scores"].items()
    }
    found = {name: sample[name] for name in (*names, "uuid", "turn_count")}
    found |= {"input": text[:_SHOWN_CHARS], "target": sample["target"][:_SHOWN_CHARS], "scores": scores}
    found |= {"completed": True, "retries": 0, "message_count": len(sample["messages"])}
    if "error" in sample:
        found["error"] = sample["error"]["message"][:_SHOWN_CHARS]
    if "limit" in sample:
        found["limit"] = sample["limit"]["type"]
    return found


def _target(row: dict[str, Any]) -> str:
    """Return the right answer of a row, where it has one that Inspect could show."""
    value = next((row[name] for name in _TARGETS if row.get(name) is not None), "")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _outputs(rollout: Rollout, messages: list[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    """Return what the model gave at each turn; why it stopped is known where each turn was one call."""
    answers = [message for message in messages if message["role"] == "assistant"]
    reasons: list[str | None] = [call.finish_reason for call in rollout.calls]
    if len(reasons) != len(answers):
        reasons = [None] * len(answers)
    return [
        {
            "model": model,
            "choices": [{"message": answer, "stop_reason": stop_reason(reason)}],
            "completion": text_of(answer["content"]),
        }
        for answer, reason in zip(answers, reasons, strict=True)
    ]


def _scores(rollout: Rollout) -> dict[str, Any]:
    scores: dict[str, Any] = {name: {"value": value} for name, value in values_of(rollout).items()}
    if "reward" in scores:
        scores["reward"]["metadata"] = rollout.fields
        answer = rollout.fields.get("extracted_answer")
        if answer is not None:
            scores["reward"]["answer"] = str(answer)
    return scores


def usage_of(calls: list[CallRecord], model: str) -> dict[str, dict[str, int]]:
    """Return the tokens by model; nothing where no server has counted."""
    found: dict[str, Counter[str]] = {}
    for call in calls:
        if call.input_tokens is None and call.output_tokens is None:
            continue
        read, written = call.input_tokens or 0, call.output_tokens or 0
        usage = {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}
        if call.cached_tokens is not None:
            usage["input_tokens_cache_read"] = call.cached_tokens
        if call.reasoning_tokens is not None:
            usage["reasoning_tokens"] = call.reasoning_tokens
        found.setdefault(call.model or model, Counter()).update(usage)
    return {name: dict(usage) for name, usage in found.items()}


def iso_time(seconds: float) -> str:
    """Return seconds since the epoch as Inspect writes times; what no calendar has is the epoch."""
    try:
        time = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (OverflowError, OSError, ValueError):
        time = datetime.datetime.fromtimestamp(0, datetime.UTC)
    return time.isoformat(timespec="milliseconds")
