"""Roller: makes the rollout of one job, whatever happens on the way."""

import asyncio
import collections
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from gym_llm.agents.base import AgentFactory, Seat
from gym_llm.errors import ConfigError, EndpointDownError, EnvFailedError
from gym_llm.registration import find
from gym_llm.rollouts.play import Player
from gym_llm.rollouts.pool import EnvPool, EnvSetup
from gym_llm.rollouts.records import FailureKind, Job, Rollout
from gym_llm.vector.group import WORKER_LOST, WORKER_RESTARTED

logger = logging.getLogger(__name__)

MAX_LOSSES = 20
"""How often a rollout begins anew because another one took its worker down."""
ALONE_AFTER = 2
"""A rollout whose worker was lost so often, with it among the suspects, gets a worker of its own: what
ends that one is its own doing."""
ALONE_AT_ONCE = 4
CLOSE_LIMIT_S = 2.0
"""Time that environments have to close after an interruption."""
_INNOCENT = frozenset({WORKER_LOST, WORKER_RESTARTED})
"""Failures of a vector that are perhaps, or for certain, another environment's doing."""


@dataclass(frozen=True)
class Limits:
    """What bounds a run; seconds, and None for no bound."""

    concurrency: int = 16
    """Rollouts in flight; each has an environment of its own."""
    max_turns: int = 1000
    """Turns after which an episode is truncated, whatever its environment says."""
    rollout_timeout_s: float | None = None
    run_timeout_s: float | None = None
    max_cost: float | None = None
    """In the currency of the endpoint's prices; what is in flight when it is reached breaks off."""

    def __post_init__(self) -> None:
        if self.concurrency < 1 or self.max_turns < 1:
            raise ConfigError("concurrency and max_turns must be 1 or more")
        for name in ("rollout_timeout_s", "run_timeout_s", "max_cost"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be above 0, got {value!r}")


class Rolls(Protocol):
    """Makes rollouts, any number at a time; each has an end, and none touches another."""

    limits: Limits
    down: EndpointDownError | None
    """Set when no model call can succeed any more."""
    broken_off: tuple[FailureKind, str] | None
    """What the rollouts become that are cancelled: kind and reason; None lets the cancellation
    through."""
    on_cost: Callable[[float], None] | None
    """Called with what model calls cost."""

    async def roll(self, job: Job) -> Rollout:
        """Make the rollout of a job; whatever breaks it is in its record."""

    async def close(self) -> None:
        """Close the environments; quickly when rollouts were broken off."""


class Roller:
    """Makes rollouts in this process; see `Rolls`.

    Args:
        setups: how to make the environments of each id.
        agents: makes the agent of each episode.
        limits: bounds of a rollout.
        jobs: how many jobs of each id are to come: an id's environments are made before its first job
            and closed after its last.
    """

    def __init__(
        self,
        setups: Sequence[EnvSetup],
        agents: AgentFactory,
        limits: Limits,
        jobs: Mapping[str, int],
    ) -> None:
        self.limits = limits
        self.on_cost: Callable[[float], None] | None = None
        self.down: EndpointDownError | None = None
        self.broken_off: tuple[FailureKind, str] | None = None
        self._agents = agents
        self._pools = _Pools(setups, jobs, limits.concurrency)

    async def roll(self, job: Job) -> Rollout:
        player, lost = Player(job, self.on_cost), 0
        for _ in range(MAX_LOSSES):
            is_alone = lost >= ALONE_AFTER
            try:
                await self._play(player, is_alone)
            except EnvFailedError as error:
                if error.kind in _INNOCENT and not is_alone:
                    lost += error.kind == WORKER_LOST
                    player = Player(job, self.on_cost)
                    continue
                player.fail_by(error)
            except asyncio.CancelledError:
                if self.broken_off is None:
                    raise
                kind, reason = self.broken_off
                player.fail(kind, reason, reason)
            except EndpointDownError as error:
                player.fail_by(error)
                self.down = self.down or error
            except Exception as error:
                # One failed rollout is a record, whatever went wrong.
                logger.debug("rollout %s failed", job.key, exc_info=True)
                player.fail_by(error)
            self._pools.ended(job)
            return player.finish()
        player.fail("env_crash", WORKER_RESTARTED, f"its worker died under it {MAX_LOSSES} times")
        self._pools.ended(job)
        return player.finish()

    async def _play(self, player: Player, is_alone: bool) -> None:
        if is_alone:
            async with self._pools.alone(player.job.env_id) as pool:
                await self._play_in(pool, player)
        else:
            await self._play_in(await self._pools.of(player.job.env_id), player)

    async def _play_in(self, pool: EnvPool, player: Player) -> None:
        job, limit = player.job, self.limits.rollout_timeout_s
        env = await pool.take()
        timeout = asyncio.timeout(limit)
        try:
            seat = Seat(find(job.env_id), job.task, job.repeat, job.seeds.sampling, env.call)
            async with timeout:
                await player.play(env, self._agents(seat), self.limits.max_turns)
        except TimeoutError:
            if not timeout.expired():
                raise
            player.fail("budget", "rollout deadline", f"the rollout took longer than {limit:g} s")
        finally:
            pool.give_back(env)

    async def close(self) -> None:
        await self._pools.close(5.0 if self.broken_off is None else CLOSE_LIMIT_S)


class _Pools:
    """The pools of a run: each is made before the first job of its id, and closed after the last."""

    def __init__(self, setups: Sequence[EnvSetup], jobs: Mapping[str, int], concurrency: int) -> None:
        self._setups = {setup.env_id: setup for setup in setups}
        self._left = collections.Counter(jobs)
        self._concurrency = concurrency
        self._made: dict[str, asyncio.Task[EnvPool]] = {}
        self._alone = asyncio.Semaphore(ALONE_AT_ONCE)

    @asynccontextmanager
    async def alone(self, env_id: str) -> AsyncIterator[EnvPool]:
        """Make a pool of one environment in a worker of its own."""
        async with self._alone:
            pool = EnvPool(replace(self._setups[env_id], workers=1, threads=0), 1)
            try:
                yield pool
            finally:
                pool.close(CLOSE_LIMIT_S)

    async def of(self, env_id: str) -> EnvPool:
        """Return the pool of an id, which is made for the first who asks."""
        if env_id not in self._made:
            self._made[env_id] = asyncio.create_task(self._make(env_id))
        # One that cannot be made is the failure of each of its jobs, and of no others.
        return await asyncio.shield(self._made[env_id])

    async def _make(self, env_id: str) -> EnvPool:
        size = min(self._concurrency, self._left[env_id])
        return await asyncio.to_thread(EnvPool, self._setups[env_id], size)

    def ended(self, job: Job) -> None:
        """Note that a job needs its environment no more."""
        self._left[job.env_id] -= 1
        if not self._left[job.env_id]:
            _close(self._made.pop(job.env_id, None), 5.0)

    async def close(self, timeout_s: float) -> None:
        """Close all pools, those included that are being made."""
        await asyncio.gather(*self._made.values(), return_exceptions=True)
        for task in self._made.values():
            _close(task, timeout_s)
        self._made.clear()


def _close(task: "asyncio.Task[EnvPool] | None", timeout_s: float) -> None:
    if task is not None and task.done() and not task.cancelled() and task.exception() is None:
        task.result().close(timeout_s)
