"""From files of NeMo Gym to rollouts of ours."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pydantic

from gym_llm.errors import RowError
from gym_llm.messages import AssistantMessage, Message, chat_from_items, chat_tools
from gym_llm.rollouts.nemo.rows import NemoRow, Params, Response, Usage, env_id_of, read_rows
from gym_llm.rollouts.records import (
    CallRecord,
    FailureKind,
    FailureRecord,
    Rollout,
    RolloutState,
    Seeds,
    TokenSegment,
)
from gym_llm.tasks import describe_validation

CAPTURES = (
    *("ng_model_call_capture", "ng_agent_observations", "ng_trajectory", "_ng_token_capture"),
    *("_ng_failure_class", "_ng_failure_judge_error", "_ng_failure_terminal", "_ng_no_persist"),
)
"""Keys of a row that no field of a rollout is made of: the first four repeat the whole conversation."""


def read_rollouts(path: str | os.PathLike[str], env_id: str | None = None) -> Iterator[Rollout]:
    """Return the rollouts of a file of NeMo Gym, or the failures of its failures file.

    Args:
        path: of a JSONL file.
        env_id: the environment of all rows; by default the one whose configuration the row's agent is
            named after, or ``nemo_gym/AGENT`` where there is none.

    Raises:
        RowError: a row is not one of NeMo Gym; with file, line, field and reason. DataError: the file
            cannot be read.
    """
    numbering = _Numbering()
    for number, row in read_rows(path):
        try:
            yield rollout_from_row(numbering.complete(row), env_id)
        except pydantic.ValidationError as error:
            raise RowError(str(path), number, describe_validation(error)) from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise RowError(str(path), number, str(error)) from error


class _Numbering:
    """Numbers the tasks and repeats of rows that do not say: equal prompts are one task."""

    def __init__(self) -> None:
        self._tasks: dict[bytes, int] = {}
        self._repeats: dict[int, int] = {}

    def complete(self, row: dict[str, Any]) -> dict[str, Any]:
        task = row.get("_ng_task_index")
        if task is None:
            asked = json.dumps(row.get("responses_create_params"), sort_keys=True).encode()
            task = self._tasks.setdefault(hashlib.sha256(asked).digest(), len(self._tasks))
            row = {**row, "_ng_task_index": task}
        if row.get("_ng_rollout_index") is None and isinstance(task, int):
            repeat = self._repeats[task] = self._repeats.get(task, -1) + 1
            row = {**row, "_ng_rollout_index": repeat}
        return row


def rollout_from_row(row: Mapping[str, Any], env_id: str | None = None) -> Rollout:
    """Return a row as a rollout.

    What the verifier reported, and ``agent_ref``, become fields of the verification.

    Raises:
        pydantic.ValidationError: the row is not one of NeMo Gym. ValueError: an item cannot be read.
    """
    found = NemoRow.model_validate(row)
    response = found.response or Response()
    items = _whole(response.output)
    prompt = _prompt(found.responses_create_params)
    said = _chat(items, "response.output")
    turns = sum(message["role"] == "assistant" for message in said)
    fields = _fields(row, found.reward_components or {})
    task = found.task or 0
    return Rollout(
        env_id=env_id or env_id_of(found.agent_ref.name if found.agent_ref else None),
        task_id=str(row.get("task_id") or f"task-{task}"),
        task_index=task,
        repeat=found.repeat or 0,
        seeds=Seeds(env=0, sampling=0, judge=0),
        state=_state(found),
        reward=found.reward,
        step_rewards=[0.0] * (turns - 1) + [found.reward] if turns else [],
        rewards=found.reward_components or {},
        verification={
            "reward": found.reward,
            "rewards": found.reward_components or {},
            "fields": fields,
        },
        messages=[*prompt, *said],
        tools=chat_tools(found.responses_create_params.tools or ()) or None,
        turns=turns,
        calls=_calls(response),
        tokens=_tokens(items),
        failure=_failure(found, row),
    )


def _state(row: NemoRow) -> RolloutState:
    if row.failure_class is not None:
        return "failed"
    return "truncated" if row.truncated is True else "completed"


def _failure(row: NemoRow, raw: Mapping[str, Any]) -> FailureRecord | None:
    if row.failure_class is None:
        return None
    kind: FailureKind = "env_error"
    if "judge" in row.failure_class:
        kind = "judge_error"
    elif "timeout" in row.failure_class:
        kind = "model_timeout"
    elif "verif" in row.failure_class:
        kind = "verifier_error"
    message = raw.get("_ng_failure_judge_error")
    return FailureRecord(kind=kind, cause=row.failure_class, message=str(message or row.failure_class))


def _prompt(params: Params) -> list[Message]:
    system = [{"role": "system", "content": params.instructions}] if params.instructions else []
    items = params.input
    said = [{"role": "user", "content": items}] if isinstance(items, str) else items
    return [*system, *_chat(said, "responses_create_params.input")]


def _chat(items: Sequence[Mapping[str, Any]], place: str) -> list[Message]:
    # Items of tools that the model's provider runs itself belong to no role.
    known = ("message", "reasoning", "function_call", "function_call_output", None)
    try:
        return chat_from_items([item for item in items if item.get("type") in known])
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{place}: {error}") from error


def _whole(output: Sequence[dict[str, Any] | list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Flatten the output of agents that write a list for each step, with all items so far."""
    items: list[dict[str, Any]] = []
    for item in output:
        if isinstance(item, dict):
            items.append(item)
        else:
            items = item if item[: len(items)] == items else [*items, *item]
    return items


def _fields(row: Mapping[str, Any], components: Mapping[str, float]) -> dict[str, Any]:
    known = {name for name, field in NemoRow.model_fields.items() if field.alias is None}
    indices = {field.alias for field in NemoRow.model_fields.values()}
    left_out = (known - {"agent_ref", "truncated"}) | indices | set(components) | {*CAPTURES}
    return {name: value for name, value in row.items() if name not in left_out}


def _calls(response: Response) -> list[CallRecord]:
    """Return all calls as one: NeMo Gym keeps only the sums."""
    usage = response.usage
    if usage is None and response.model is None:
        return []
    usage = usage or Usage()
    reason = (response.incomplete_details or {}).get("reason")
    finish = {"max_output_tokens": "length", None: "stop"}.get(reason, str(reason))
    return [
        CallRecord(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=_count(usage.output_tokens_details, "reasoning_tokens"),
            cached_tokens=_count(usage.input_tokens_details, "cached_tokens"),
            finish_reason=finish if response.status or reason else None,
            model=response.model,
        )
    ]


def _count(details: Mapping[str, Any] | None, name: str) -> int | None:
    value = (details or {}).get(name)
    return value if isinstance(value, int) else None


def _tokens(items: Iterable[Mapping[str, Any]]) -> list[TokenSegment] | None:
    """Join the token ids that the last item of each turn carries."""
    carriers = [item for item in items if "generation_token_ids" in item]
    if not carriers:
        return None
    from gym_llm.models import Completion
    from gym_llm.models import Usage as CallUsage
    from gym_llm.models.tokens import read_tokens
    from gym_llm.rollouts.tokens import segments

    return segments(
        Completion(AssistantMessage(), CallUsage(), 0.0, "", tokens=read_tokens({"output": [item]}))
        for item in carriers
    )
