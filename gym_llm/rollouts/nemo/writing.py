"""From rollouts of ours to files of NeMo Gym."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gym_llm.errors import DataError
from gym_llm.messages import Message
from gym_llm.rollouts.nemo.items import input_items, output_items, response_tools
from gym_llm.rollouts.nemo.metrics import aggregate_metrics
from gym_llm.rollouts.nemo.rows import agent_name, read_rows
from gym_llm.rollouts.records import CallRecord, Rollout
from gym_llm.rollouts.run_folder import RunFolder


def row_from_rollout(
    rollout: Rollout, *, task_index: int | None = None, agent: str | None = None
) -> dict[str, Any]:
    """Return a rollout as a row of NeMo Gym.

    `rollout_from_row` gives the same reward, indices, messages, tools and sums of tokens back.

    Args:
        rollout: any; a failed one becomes a row of the failures file.
        task_index: in the file, where that is not the index in the environment's task set.
        agent: name of the agent; by default the one that it was read with, or one named after the
            environment's configuration.
    """
    own = _first_own_message(rollout)
    shown_tools = response_tools(rollout.tools or ())
    row: dict[str, Any] = dict(rollout.fields)
    if len(rollout.rewards) > 1:
        # NeMo Gym's metrics look at top-level numbers alone.
        row.update(rollout.rewards, reward_components=dict(rollout.rewards))
    if agent is not None or not isinstance(row.get("agent_ref"), dict):
        name = agent or agent_name(rollout.env_id)
        row["agent_ref"] = {"type": "responses_api_agents", "name": name}
    row.update(
        reward=rollout.reward,
        responses_create_params={"input": input_items(rollout.messages[:own]), "tools": shown_tools},
        response=_response(rollout, own, shown_tools),
        _ng_task_index=rollout.task_index if task_index is None else task_index,
        _ng_rollout_index=rollout.repeat,
    )
    if rollout.state == "truncated":
        row["truncated"] = True
    if rollout.failure is not None:
        is_judge = rollout.failure.kind == "judge_error"
        row["_ng_failure_class"] = "judge_failed" if is_judge else rollout.failure.kind
        row["_ng_failure_judge_error"] = rollout.failure.message
    return row


def _first_own_message(rollout: Rollout) -> int:
    """Return where the model's first own turn stands; assistants before it belong to the prompt."""
    said = [i for i, m in enumerate(rollout.messages) if m.get("role") == "assistant"]
    own = said[max(0, len(said) - rollout.turns) :]
    return own[0] if own else len(rollout.messages)


def _response(rollout: Rollout, own: int, tools: list[Message]) -> dict[str, Any]:
    name = f"{agent_name(rollout.env_id)}_{rollout.task_index}_{rollout.repeat}"
    last = rollout.calls[-1] if rollout.calls else CallRecord()
    incomplete = {"length": "max_output_tokens", "content_filter": "content_filter"}
    reason = incomplete.get(last.finish_reason or "")
    return {
        "id": f"resp_{name}",
        "object": "response",
        "created_at": rollout.timings.started_at,
        "model": last.model or "",
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output_items(rollout.messages[own:], name, rollout.tokens or ()),
        "usage": _usage(rollout),
        "tools": tools,
        "tool_choice": "auto",
        "parallel_tool_calls": True,
    }


def _usage(rollout: Rollout) -> dict[str, Any] | None:
    if all(c.input_tokens is None and c.output_tokens is None for c in rollout.calls):
        return None
    read, made = rollout.total("input_tokens"), rollout.total("output_tokens")
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": rollout.total("cached_tokens")},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": rollout.total("reasoning_tokens")},
        "total_tokens": read + made,
    }


def write_rollouts(run: RunFolder, path: str | os.PathLike[str]) -> list[Path]:
    """Write a run as the files that NeMo Gym would have left, beside each other.

    They are the rollouts (``path``), ``STEM_failures.jsonl``, ``STEM_materialized_inputs.jsonl`` and
    ``STEM_aggregate_metrics.json``, in the order of tasks and repeats. The tasks of several environments
    get running numbers, as NeMo Gym numbers the lines of a file.

    Returns:
        The files, in this order.

    Raises:
        DataError: a file cannot be written.
    """
    path = Path(path)
    files = [
        path,
        *(path.with_name(path.stem + end) for end in ("_failures.jsonl", "_materialized_inputs.jsonl")),
        path.with_name(path.stem + "_aggregate_metrics.json"),
    ]
    numbers, rows = _numbered_tasks(run)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files[0].open("w") as good, files[1].open("w") as bad, files[2].open("w") as inputs:
            for rollout in run.everything():
                key = (rollout.env_id, rollout.task_index)
                number = numbers.setdefault(key, len(numbers))
                row = row_from_rollout(rollout, task_index=number)
                (good if rollout.counts else bad).write(json.dumps(row, default=str) + "\n")
                asked = {**rows.get(key, {}), **_asked(row)}
                inputs.write(json.dumps(asked, default=str) + "\n")
        # Read back, as the rows of a large run do not fit in memory twice.
        metrics = aggregate_metrics(row for _, row in read_rows(files[0]))
        files[3].write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be written: {error.strerror}") from error
    return files


def _numbered_tasks(
    run: RunFolder,
) -> tuple[dict[tuple[str, int], int], dict[tuple[str, int], dict[str, Any]]]:
    """Return the number of each task in the file, and its row; one environment's keep their index."""
    rows = {(task.env_id, task.task_index): task.row for task in run.tasks()}
    if len({env_id for env_id, _ in rows}) <= 1:
        return {key: key[1] for key in rows}, rows
    return {key: number for number, key in enumerate(rows)}, rows


def _asked(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("responses_create_params", "agent_ref", "_ng_task_index", "_ng_rollout_index")
    return {name: row[name] for name in names}
