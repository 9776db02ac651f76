"""Runs whose rollouts were really played: the reference actions of bundled tasks, no model."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import gymnasium

from gym_llm.core.text_env import core_of
from gym_llm.messages import decode_action, with_call_ids
from gym_llm.rollouts.records import EnvRecord, Job, Manifest, Rollout
from gym_llm.rollouts.run_folder import RunFolder, RunWriter, digest, task_record

FAULTY = f"{__name__}:tests/Faulty-v0"
"""A `tests.support.faulty_envs.Faulty`, which other processes can make by its id too."""

gymnasium.register("tests/Faulty-v0", "tests.support.faulty_envs:Faulty")


def played(
    env_id: str,
    task: int,
    repeat: int = 0,
    actions: Sequence[str] | None = None,
    **kwargs: Any,
) -> Rollout:
    """Return the rollout of the given actions, or of the task's reference."""
    env = gymnasium.make(env_id, disable_env_checker=True, **kwargs)
    job = Job.of(env_id, task, repeat, 0)
    _, info = env.reset(seed=job.seeds.env, options={"task": task})
    chosen = core_of(env, "played").episode.task.row.reference if actions is None else actions
    messages, rewards, state = list(info["messages"]), [], "truncated"
    tools, task_id = info.get("tools"), info["task_id"]
    for turn, action in enumerate(chosen):
        messages.append(with_call_ids(decode_action(action), turn).to_chat())
        _, reward, terminated, truncated, info = env.step(action)
        messages.extend(info["messages"])
        rewards.append(reward)
        if terminated or truncated:
            state = "completed" if terminated else "truncated"
            break
    verification = info["verification"]
    env.close()
    return Rollout(
        env_id=env_id,
        task_id=task_id,
        task_index=task,
        repeat=repeat,
        seeds=job.seeds,
        state=state,
        reward=sum(rewards),
        step_rewards=rewards,
        rewards=verification.rewards,
        verification=verification.to_dict(),
        messages=messages,
        tools=tools,
        turns=len(rewards),
    )


def played_run(path: Path, rollouts: Iterable[Rollout], **kwargs: Any) -> RunFolder:
    """Write a run of rollouts over whole task sets; the arguments are those of every environment."""
    found = list(rollouts)
    environments, records = {}, []
    for env_id in dict.fromkeys(r.env_id for r in found):
        env = gymnasium.make(env_id, disable_env_checker=True, **kwargs)
        own = [task_record(env_id, task) for task in core_of(env, "played_run").tasks]
        env.close()
        records += own
        environments[env_id] = EnvRecord(kwargs=kwargs, version="0", tasks=len(own), digest=digest(own))
    manifest = Manifest(
        agent="reference",
        repeats=1 + max(r.repeat for r in found),
        environments=environments,
        command=["eval"],
    )
    with RunWriter(path, manifest) as writer:
        writer.write_tasks(records)
        for rollout in found:
            writer.add(rollout)
    return RunFolder(path)
