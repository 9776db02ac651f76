"""Collecting rollouts: many episodes at once, each with one end, none of which touches another."""

import asyncio
import collections
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gym_llm.agents.base import AgentFactory
from gym_llm.rollouts.pool import EnvSetup
from gym_llm.rollouts.records import FailureKind, Job, Key, Rollout
from gym_llm.rollouts.roll import Limits, Roller, Rolls

__all__ = ["Collector", "EnvSetup", "Limits", "Progress", "collect"]


@dataclass
class Progress:
    """What is known while a run goes on."""

    total: int
    in_flight: int = 0
    done: int = 0
    failed: collections.Counter[FailureKind] = field(default_factory=collections.Counter)
    reward_sum: float = 0.0
    output_tokens: int = 0
    cost: float = 0.0
    """Of all model calls, those of broken rollouts included."""

    @property
    def mean(self) -> float | None:
        """Mean return of the rollouts that count so far."""
        counted = self.done - self.failed.total()
        return self.reward_sum / counted if counted else None

    def add(self, rollout: Rollout) -> None:
        """Count a rollout that has ended."""
        self.done += 1
        if rollout.failure is not None:
            self.failed[rollout.failure.kind] += 1
        else:
            self.reward_sum += rollout.reward
        self.output_tokens += rollout.total("output_tokens")


OnRollout = Callable[[Rollout], None]
OnGroup = Callable[[list[Rollout]], None]
OnProgress = Callable[[Progress], None]


class Collector:
    """Makes one rollout for every job.

    Every job ends in one record, unless the run is stopped before its turn: then it never ran.

    Args:
        roller: makes them; it is closed at the end.
        jobs: what to roll out, in order of work; the jobs of an id should follow each other, as its
            environments are made before its first and closed after its last.
        on_rollout: called with each rollout that has ended, in order of completion.
        on_group: called with all rollouts of a task when the last of them has ended, by repeat.
        on_progress: called whenever a rollout starts or ends.
    """

    def __init__(
        self,
        roller: Rolls,
        jobs: Sequence[Job],
        *,
        on_rollout: OnRollout | None = None,
        on_group: OnGroup | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.limits = roller.limits
        self.progress = Progress(len(jobs))
        self._on_rollout, self._on_group, self._on_progress = on_rollout, on_group, on_progress
        self._jobs = collections.deque(jobs)
        self._groups = _Groups(jobs) if on_group else None
        self._roller = roller
        roller.on_cost = self._spend
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until every job has ended or the run is stopped.

        Raises:
            EndpointDownError: no model call can succeed; what was in flight has been cancelled.
        """
        deadline = self.limits.run_timeout_s
        timer = None
        if deadline is not None:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(deadline, self.stop, f"the run's {deadline:g} s are over", "budget")
        count = max(1, min(self.limits.concurrency, len(self._jobs)))
        try:
            self._tasks = {asyncio.create_task(self._work()) for _ in range(count)}
            await _all(self._tasks)
        finally:
            if timer is not None:
                timer.cancel()
            await self._roller.close()
        if self._roller.down is not None:
            raise self._roller.down

    def stop(self, reason: str = "the run was interrupted", kind: FailureKind = "cancelled") -> None:
        """Break off what is in flight, as failures of that kind, and begin nothing more."""
        if not self._is_stopped:
            self._roller.broken_off = kind, reason
            for task in self._tasks:
                task.cancel()

    @property
    def _is_stopped(self) -> bool:
        return self._roller.broken_off is not None

    async def _work(self) -> None:
        while self._jobs and not self._is_stopped:
            job = self._jobs.popleft()
            self.progress.in_flight += 1
            self._report()
            rollout = await self._roller.roll(job)
            self.progress.in_flight -= 1
            self._keep(rollout)
            if not rollout.calls:  # an agent that waits for nothing would let nothing else happen
                await asyncio.sleep(0)
            if self._roller.down is not None:
                self.stop("no model call can succeed")

    def _spend(self, cost: float) -> None:
        self.progress.cost += cost
        limit = self.limits.max_cost
        if limit is not None and self.progress.cost >= limit:
            self.stop("the run's budget is used up", "budget")

    def _keep(self, rollout: Rollout) -> None:
        self.progress.add(rollout)
        if self._on_rollout:
            self._on_rollout(rollout)
        if self._groups and self._on_group and (group := self._groups.add(rollout)):
            self._on_group(group)
        self._report()

    def _report(self) -> None:
        if self._on_progress:
            self._on_progress(self.progress)


async def _all(tasks: set[asyncio.Task[None]]) -> None:
    """Wait for all tasks; one that raises, or a cancellation from outside, ends the others."""
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            if not task.cancelled():  # stopped before its first step
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Groups:
    """Rollouts of the same task, until all of them are there."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._left = collections.Counter((job.env_id, job.task) for job in jobs)
        self._found: dict[tuple[str, int], list[Rollout]] = {}

    def add(self, rollout: Rollout) -> list[Rollout] | None:
        """Return the whole group with its last rollout, else None."""
        key = rollout.env_id, rollout.task_index
        self._found.setdefault(key, []).append(rollout)
        self._left[key] -= 1
        if self._left[key]:
            return None
        return sorted(self._found.pop(key), key=lambda r: r.repeat)


async def collect(
    setups: Sequence[EnvSetup],
    jobs: Sequence[Job],
    agents: AgentFactory,
    limits: Limits | None = None,
    *,
    on_group: OnGroup | None = None,
    on_progress: OnProgress | None = None,
) -> list[Rollout]:
    """Make one rollout for every job and return them in the order of the jobs.

    A run that a limit ends returns what there is.

    Args:
        setups: how to make the environments of each id that the jobs name.
        jobs: what to roll out.
        agents: makes the agent of each episode.
        limits: bounds of the run.
        on_group: see `Collector`, which keeps no rollouts.
        on_progress: see `Collector`.

    Raises:
        EndpointDownError: no model call can succeed.
    """
    found: dict[Key, Rollout] = {}

    def keep(rollout: Rollout) -> None:
        found[rollout.key] = rollout

    roller = Roller(setups, agents, limits or Limits(), jobs_by_id(jobs))
    await Collector(roller, jobs, on_rollout=keep, on_group=on_group, on_progress=on_progress).run()
    return [found[job.key] for job in jobs if job.key in found]


def jobs_by_id(jobs: Sequence[Job]) -> collections.Counter[str]:
    """Return how many jobs each id has."""
    return collections.Counter(job.env_id for job in jobs)
