"""EnvPool: the environments of one id, lent out one at a time."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode

from gym_llm.errors import EnvFailedError
from gym_llm.vector import AsyncVectorEnv

STUCK_LIMIT_S = 60.0
"""How long a rollout waits for an environment when all are held by steps that nobody waits for."""


@dataclass(frozen=True)
class EnvSetup:
    """How the environments of one id are made, and where they step."""

    env_id: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of ``gymnasium.make``."""
    workers: int | None = None
    """Worker processes; 0 steps in this process; None takes what suits the id."""
    threads: int | None = None
    """Threads that step; None takes what suits the id."""
    step_timeout_s: float | None = None
    """For a reset or a step; needs workers."""

    def make(self) -> gymnasium.Env[str, str]:
        """Make one environment, without Gymnasium's checker: ours are checked by tests."""
        return gymnasium.make(self.env_id, disable_env_checker=True, **self.kwargs)

    def make_vector(self, size: int) -> AsyncVectorEnv:
        """Make a vector that resets nothing by itself, and makes anew what failed."""
        return AsyncVectorEnv(
            self.env_id,
            size,
            num_workers=self.workers,
            threads=self.threads,
            step_timeout=self.step_timeout_s,
            autoreset_mode=AutoresetMode.DISABLED,
            on_error="raise",
            rebuild=True,
            env_kwargs=self.kwargs,
        )


class EnvPool:
    """Environments of one id behind the asyncio face of a vector.

    Args:
        setup: how they are made.
        size: how many; as many rollouts of this id can be in flight.

    Raises:
        ConfigError, EnvFailedError: the environments cannot be made.
    """

    def __init__(self, setup: EnvSetup, size: int) -> None:
        self.vector = setup.make_vector(size)
        self._free = list(range(size))
        self._stuck: list[int] = []
        """Free, but for a step that somebody has stopped waiting for."""

    async def take(self) -> "LentEnv":
        """Lend an environment for one rollout; `give_back` ends that.

        Raises:
            EnvFailedError: none becomes free, as steps hang that cannot be ended.
        """
        waited_s = 0.0
        while not self._free:
            for slot in [slot for slot in self._stuck if self.vector.is_idle(slot)]:
                self._stuck.remove(slot)
                self._free.append(slot)
            if not self._free:
                if waited_s > STUCK_LIMIT_S:
                    text = "every environment of the pool is held by a step that does not end"
                    raise EnvFailedError(self._stuck[0] if self._stuck else 0, "StepTimeout", text)
                await asyncio.sleep(0.05)
                waited_s += 0.05
        return LentEnv(self.vector, self._free.pop())

    def give_back(self, env: "LentEnv") -> None:
        """Take an environment back, be it in the middle of a step that nobody waits for any more."""
        (self._free if self.vector.is_idle(env.slot) else self._stuck).append(env.slot)

    def close(self, timeout_s: float = 5.0) -> None:
        """End workers and environments."""
        self.vector.close(timeout=timeout_s)


@dataclass(frozen=True)
class LentEnv:
    """One environment of a pool."""

    vector: AsyncVectorEnv
    slot: int

    async def reset(self, seed: int, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Begin an episode; raises EnvFailedError."""
        if self.vector.is_immediate:
            return self.vector.reset_now(self.slot, seed=seed, options=options)
        return await self.vector.reset_one(self.slot, seed=seed, options=options)

    async def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Take a turn; raises EnvFailedError."""
        if self.vector.is_immediate:
            # A turn of the event loop would let all answers of the model that are there take this step
            # before any of them asks again.
            return self.vector.step_now(self.slot, action)
        return await self.vector.step_one(self.slot, action)

    async def call(self, name: str, *args: Any) -> Any:
        """Return an attribute of the environment, called when it can be; raises EnvFailedError."""
        return self.vector.call_one(self.slot, name, *args)
