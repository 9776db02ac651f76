"""Collecting rollouts: asynchronous over the model, in threads over the environments."""

import asyncio
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import gymnasium

from gym_llm.agents.base import Agent
from gym_llm.agents.factory import AgentFactory
from gym_llm.core.text_env import TextEnv, core_of
from gym_llm.errors import EndpointDownError, ModelError
from gym_llm.registration import find
from gym_llm.rollouts.records import Job, Rollout

logger = logging.getLogger(__name__)

MAX_TURNS = 1000
"""No episode is longer, whatever its environment says; it counts as truncated."""


@dataclass(frozen=True)
class EnvSetup:
    """How the environments of one id are made."""

    env_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> gymnasium.Env[str, str]:
        """Make one environment, without Gymnasium's checker: ours are checked by tests."""
        return gymnasium.make(self.env_id, disable_env_checker=True, **self.kwargs)


@dataclass
class Progress:
    """What is known while a run goes on."""

    total: int
    in_flight: int = 0
    done: int = 0
    failed: int = 0
    reward_sum: float = 0.0

    @property
    def mean(self) -> float | None:
        """Mean return of the rollouts that count so far."""
        counted = self.done - self.failed
        return self.reward_sum / counted if counted else None


OnRollout = Callable[[Rollout], None]
OnProgress = Callable[[Progress], None]


async def collect(
    setups: Sequence[EnvSetup],
    jobs: Sequence[Job],
    agents: AgentFactory,
    *,
    concurrency: int = 16,
    on_rollout: OnRollout | None = None,
    on_progress: OnProgress | None = None,
) -> list[Rollout]:
    """Make one rollout for every job; one that fails touches no other.

    Args:
        setups: how to make the environment of each id that the jobs name.
        jobs: what to roll out.
        agents: makes the agent of each episode.
        concurrency: rollouts in flight; each has an environment of its own.
        on_rollout: called with each finished rollout, in order of completion.
        on_progress: called whenever a rollout starts or ends.

    Returns:
        All rollouts, in the order of the jobs.

    Raises:
        EndpointDownError: no model call can succeed; the rollouts finished before were passed to
            ``on_rollout``.
    """
    collector = _Collector(
        {s.env_id: s for s in setups}, agents, on_rollout, on_progress, Progress(len(jobs))
    )
    workers = max(1, min(concurrency, len(jobs)))
    queue = list(reversed(list(enumerate(jobs))))
    with ThreadPoolExecutor(workers, thread_name_prefix="gym-llm-env") as threads:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(collector.work(queue, threads))
        except* EndpointDownError as down:
            raise down.exceptions[0] from None
    return [collector.results[i] for i in range(len(jobs))]


class _Collector:
    """The shared state of one call of `collect`."""

    def __init__(
        self,
        setups: Mapping[str, EnvSetup],
        agents: AgentFactory,
        on_rollout: OnRollout | None,
        on_progress: OnProgress | None,
        progress: Progress,
    ) -> None:
        self.setups, self.agents = setups, agents
        self.on_rollout, self.on_progress, self.progress = on_rollout, on_progress, progress
        self.results: dict[int, Rollout] = {}

    async def work(self, queue: list[tuple[int, Job]], threads: ThreadPoolExecutor) -> None:
        """Take jobs until none is left; an environment is kept for the next job of its id."""
        loop = asyncio.get_running_loop()
        run = functools.partial(loop.run_in_executor, threads)
        envs: dict[str, gymnasium.Env[str, str]] = {}
        while queue:
            number, job = queue.pop()
            self._report(in_flight=1)
            rollout = Rollout(job.env_id, f"{job.env_id}#{job.task}", job.task, job.repeat, job.seed)
            started = time.monotonic()
            try:
                if job.env_id not in envs:
                    envs[job.env_id] = await run(self.setups[job.env_id].make)
                await self._play(envs[job.env_id], rollout, run)
            except EndpointDownError:
                raise
            except Exception as error:
                # One failed rollout is a record, whatever went wrong; its environment is not used again.
                logger.debug("rollout of %s failed", rollout.task_id, exc_info=True)
                kind = "model_error" if isinstance(error, ModelError) else "env_error"
                rollout.state, rollout.failure = (
                    "failed",
                    {"kind": kind, "message": f"{type(error).__name__}: {error}"},
                )
                envs.pop(job.env_id, None)
            rollout.duration_s = time.monotonic() - started
            self.results[number] = rollout
            if self.on_rollout:
                self.on_rollout(rollout)
            self._report(in_flight=-1, rollout=rollout)
        for env in envs.values():
            env.close()

    async def _play(
        self, env: gymnasium.Env[str, str], rollout: Rollout, run: Callable[..., Any]
    ) -> None:
        job = rollout.job
        observation, info = await run(
            functools.partial(env.reset, seed=job.seed, options={"task": job.task})
        )
        core = core_of(env, "collect")
        rollout.task_id, rollout.tools = info["task_id"], info.get("tools")
        agent = self.agents(env, find(job.env_id), job.seed)
        try:
            ended = False
            while not ended and rollout.turns < MAX_TURNS:
                action = await agent.act(observation, info)
                observation, reward, terminated, truncated, info = await run(env.step, action)
                rollout.turns += 1
                rollout.step_rewards.append(float(reward))
                ended = terminated or truncated
                rollout.state = "completed" if terminated else "truncated"
        finally:
            _complete(rollout, core, agent, info)

    def _report(self, in_flight: int, rollout: Rollout | None = None) -> None:
        self.progress.in_flight += in_flight
        if rollout is not None:
            self.progress.done += 1
            self.progress.failed += not rollout.counts
            self.progress.reward_sum += rollout.reward if rollout.counts else 0.0
        if self.on_progress:
            self.on_progress(self.progress)


def _complete(rollout: Rollout, core: TextEnv, agent: Agent, info: Mapping[str, Any]) -> None:
    """Fill in what is known, also when the episode broke off."""
    rollout.messages = list(core.episode.transcript)
    rollout.reward = sum(rollout.step_rewards)
    verification = info.get("verification")
    if verification is not None:
        rollout.rewards = dict(verification.rewards)
        rollout.verification = verification.to_dict()
        if verification.failure is not None:
            rollout.failure = {
                "kind": verification.failure.kind,
                "message": verification.failure.message,
            }
    for usage in getattr(agent, "usages", ()):
        for name in ("input_tokens", "output_tokens"):
            rollout.usage[name] = rollout.usage.get(name, 0) + (getattr(usage, name) or 0)
