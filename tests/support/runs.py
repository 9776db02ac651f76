"""Runs for tests: folders with rollouts that no model had to make."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gym_llm.rollouts.records import (
    CallRecord,
    EnvRecord,
    FailureRecord,
    Job,
    Manifest,
    Rollout,
    TaskRecord,
    Timings,
)
from gym_llm.rollouts.run_folder import RunFolder, RunWriter, digest

MCQA = "gym_llm/MCQA-v0"


def rollout(task: int, repeat: int = 0, reward: float = 0.0, **values: Any) -> Rollout:
    """Return a completed rollout of one turn, or a failed one when ``failure`` is given."""
    env_id = values.pop("env_id", MCQA)
    answer = values.pop("answer", "A")
    failure: FailureRecord | None = values.get("failure")
    settled: dict[str, Any] = {
        "state": "failed" if failure else "completed",
        "turns": 1,
        "reward": reward,
        "step_rewards": [reward],
        "rewards": {"correct": reward},
        "verification": {
            "reward": reward,
            "rewards": {"correct": reward},
            "fields": {"extracted_answer": answer},
        },
        "messages": [
            {"role": "user", "content": f"Question {task}?"},
            {"role": "assistant", "content": f"\\boxed{{{answer}}}"},
        ],
        "calls": [CallRecord(input_tokens=10, output_tokens=3, finish_reason="stop", model="m")],
        "timings": Timings(started_at=1.0 + task, duration_s=0.5, model_s=0.4, env_s=0.1, attempts=1),
        **values,
    }
    job = Job.of(env_id, task, repeat, 0)
    return Rollout(
        env_id=env_id,
        task_id=f"task-{task}",
        task_index=task,
        repeat=repeat,
        seeds=job.seeds,
        **settled,
    )


def make_run(path: Path, rollouts: Iterable[Rollout], **values: Any) -> RunFolder:
    """Write a run folder that holds the rollouts, with a row for each of their tasks."""
    found = list(rollouts)
    tasks: dict[tuple[str, int], TaskRecord] = {}
    for r in sorted(found, key=lambda r: (r.env_id, r.task_index)):
        row = {"messages": r.messages[:1], "level": "easy" if r.task_index % 2 else "hard"}
        record = TaskRecord(env_id=r.env_id, task_id=r.task_id, task_index=r.task_index, row=row)
        tasks.setdefault((r.env_id, r.task_index), record)
    environments = {}
    for env_id in dict.fromkeys(env_id for env_id, _ in tasks):
        own = [t for t in tasks.values() if t.env_id == env_id]
        environments[env_id] = EnvRecord(version="0", tasks=len(own), digest=digest(own))
    repeats = 1 + max((r.repeat for r in found), default=0)
    settled: dict[str, Any] = {"agent": "random", "repeats": repeats, "environments": environments}
    with RunWriter(path, Manifest(**{**settled, **values})) as writer:
        writer.write_tasks(tasks.values())
        for r in found:
            writer.add(r)
    return RunFolder(path)
