"""RayRoller: rollouts made by actors on the nodes of a Ray cluster, as safe as those made here."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle

from gym_llm.agents.base import AgentFactory
from gym_llm.errors import EndpointDownError
from gym_llm.registration import EnvInfo, register, table
from gym_llm.rollouts.play import Player
from gym_llm.rollouts.pool import EnvSetup
from gym_llm.rollouts.records import FailureKind, Job, Rollout
from gym_llm.rollouts.roll import CLOSE_LIMIT_S, Limits, Roller
from gym_llm.rollouts.run_folder import encoded
from gym_llm.vector.ray_backend import connect, release

logger = logging.getLogger(__name__)

OpenAgents = Callable[[], contextlib.AbstractAsyncContextManager[AgentFactory]]
"""Opens the factory of agents, with the model client that they share, inside an actor's event loop."""

ALONE_AFTER = 2
"""A job under which so many actors died gets one of its own."""
MAX_DEATHS = 4
"""How many actors may die under a job before the job is held to be the cause."""
START_LIMIT_S = 120.0


@dataclass(frozen=True)
class Work:
    """What an actor is told once."""

    setups: Sequence[EnvSetup]
    open_agents: OpenAgents
    limits: Limits
    jobs: Mapping[str, int]
    infos: Sequence[EnvInfo]
    """Rows of the table, for ids that only the driver's program has registered."""


class RollerActor:
    """The program of an actor: a `Roller` behind method calls."""

    _roller: Roller

    async def begin(self, work: bytes) -> None:
        """Make ready for jobs."""
        told: Work = cloudpickle.loads(work)
        register([info for info in told.infos if info.id not in table])
        self._agents = told.open_agents()
        factory = await self._agents.__aenter__()
        self._roller = Roller(told.setups, factory, told.limits, told.jobs)

    async def roll(self, job: Job) -> tuple[bytes, str | None]:
        """Return the record of a job as JSON, and why the endpoint is down, if it is."""
        rollout = await self._roller.roll(job)
        down = self._roller.down
        return encoded(rollout), None if down is None else str(down)

    async def close(self) -> None:
        """Close environments and connections."""
        await self._roller.close()
        await self._agents.__aexit__(None, None, None)


class RayRoller:
    """Makes rollouts on a cluster; the interface is that of `gym_llm.rollouts.roll.Roller`.

    A job whose actor or node dies is made anew on another one, from its seeds.

    Args:
        setups, limits, jobs: see `Roller`.
        open_agents: opens the agents in each actor; it and what it holds must be picklable.
        actors: how many; None for one a CPU of the cluster.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    def __init__(
        self,
        setups: Sequence[EnvSetup],
        open_agents: OpenAgents,
        limits: Limits,
        jobs: Mapping[str, int],
        actors: int | None = None,
    ) -> None:
        self.limits = limits
        self.on_cost: Callable[[float], None] | None = None
        self._ray, self._address = connect()
        self.down: EndpointDownError | None = None
        self.broken_off: tuple[FailureKind, str] | None = None
        cpus = int(self._ray.cluster_resources().get("CPU", 1))
        self._count = max(1, min(actors or cpus, limits.concurrency))
        each = math.ceil(limits.concurrency / self._count)
        infos = [table[setup.env_id] for setup in setups]
        work = Work(setups, open_agents, replace(limits, concurrency=each), jobs, infos)
        self._work = cloudpickle.dumps(work)
        # More than its share, as jobs move to the others when an actor dies.
        self._make: Any = self._ray.remote(RollerActor).options(
            scheduling_strategy="SPREAD", max_concurrency=limits.concurrency + 2
        )
        self._load: dict[Any, int] = {}
        """Actors that are ready, with their jobs in flight."""
        self._starting: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Condition()
        self._failed: BaseException | None = None

    async def roll(self, job: Job) -> Rollout:
        """Make the rollout of a job; whatever breaks it is in its record."""
        player = Player(job)
        try:
            for deaths in range(MAX_DEATHS):
                # Others' jobs may have ended the actors that died under it: it goes on by itself.
                is_alone = deaths >= ALONE_AFTER
                actor = await (self._started() if is_alone else self._least_loaded())
                try:
                    return self._noted(*await self._rolled(actor, job))
                except self._ray.exceptions.RayError as error:
                    self._drop(actor, error)
                finally:
                    if is_alone:
                        self._ray.kill(actor, no_restart=True)
            player.fail("env_crash", "actor died", f"{MAX_DEATHS} actors died under it")
        except asyncio.CancelledError:
            if self.broken_off is None:
                raise
            kind, reason = self.broken_off
            player.fail(kind, reason, reason)
        return player.finish()

    async def _rolled(self, actor: Any, job: Job) -> tuple[bytes, str | None]:
        ref = actor.roll.remote(job)
        try:
            found: tuple[bytes, str | None] = await ref
            return found
        except asyncio.CancelledError:
            self._ray.cancel(ref)
            raise
        finally:
            if actor in self._load:
                self._load[actor] -= 1

    def _noted(self, data: bytes, down: str | None) -> Rollout:
        if down is not None:
            self.down = self.down or EndpointDownError(down)
        rollout = Rollout.model_validate_json(data)
        if self.on_cost and rollout.cost:
            self.on_cost(rollout.cost)
        return rollout

    async def _least_loaded(self) -> Any:
        while len(self._load) + len(self._starting) < self._count:
            task = asyncio.create_task(self._add())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)
        async with self._ready:
            await self._ready.wait_for(lambda: self._load or self._failed)
        if not self._load and self._failed is not None:
            raise self._failed
        actor = min(self._load, key=lambda a: self._load[a])
        self._load[actor] += 1
        return actor

    async def _add(self) -> None:
        """Start an actor and use it as soon as it is ready."""
        try:
            actor = await self._started()
        except (self._ray.exceptions.RayError, TimeoutError) as error:
            self._failed = error
            await asyncio.sleep(1.0)  # a node may be gone before Ray has noticed
        else:
            self._load[actor], self._failed = 0, None
        async with self._ready:
            self._ready.notify_all()

    async def _started(self) -> Any:
        actor = self._make.remote()
        try:
            await asyncio.wait_for(actor.begin.remote(self._work), START_LIMIT_S)
        except BaseException:
            self._ray.kill(actor, no_restart=True)
            raise
        return actor

    def _drop(self, actor: Any, error: BaseException) -> None:
        """Use an actor no more; its other jobs learn of its end by themselves."""
        if self._load.pop(actor, None) is not None:
            logger.warning("an actor is gone: %s", " ".join(str(error).split())[:300])
            self._ray.kill(actor, no_restart=True)

    async def close(self) -> None:
        """Let the actors close, and end those that take longer."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        refs = [actor.close.remote() for actor in self._load]
        if refs:
            limit_s = 5.0 if self.broken_off is None else CLOSE_LIMIT_S
            await asyncio.wait([asyncio.ensure_future(ref) for ref in refs], timeout=limit_s)
        for actor in self._load:
            self._ray.kill(actor, no_restart=True)
        self._load.clear()
        release(self._ray, self._address)
