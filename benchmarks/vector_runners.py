"""Ways to step environments: vectors, in lock-step or by whoever is ready, and plain loops."""

import asyncio
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import gymnasium
from vector_meter import Meter, Slice

from gym_llm.vector import AsyncVectorEnv

Maker = Callable[[], gymnasium.Env[Any, Any]]
WARM_UP_S = 0.1


class Runner(Protocol):
    """A vector that has been made and reset."""

    @property
    def first(self) -> Sequence[str]:
        """Its first observations."""

    def run(self, meter: Meter) -> Slice:
        """Step for as long as the meter says."""

    def close(self) -> None:
        """End everything that was started."""


class LockStep:
    """Steps all environments of anything with ``reset`` and ``step``."""

    def __init__(self, vector: Any, rounds: Sequence[list[str]], seed: int) -> None:
        self.vector, self.size = vector, len(rounds[0])
        self.first: Sequence[str] = vector.reset(seed=seed)[0]
        self._rounds = itertools.cycle(rounds)

    def run(self, meter: Meter) -> Slice:
        step, rounds = self.vector.step, self._rounds
        limit = meter.rounds or sys.maxsize
        if not meter.rounds:
            warm = time.perf_counter() + WARM_UP_S
            while time.perf_counter() < warm:
                step(next(rounds))
        meter.start()
        done = 0
        while done < limit:
            step(next(rounds))
            done += 1
            if not meter.rounds and time.perf_counter() >= meter.end:
                break
        return meter.stop(done * self.size)

    def close(self) -> None:
        if hasattr(self.vector, "close"):
            self.vector.close()


class Partial:
    """Steps whichever quarter of the environments is ready."""

    def __init__(self, vector: AsyncVectorEnv, rounds: Sequence[list[str]], seed: int) -> None:
        self.vector, self.quarter = vector, max(1, vector.num_envs // 4)
        self.first: Sequence[str] = vector.reset(seed=seed)[0]
        self._rounds = itertools.cycle(rounds)

    def run(self, meter: Meter) -> Slice:
        vector, everyone = self.vector, range(self.vector.num_envs)
        vector.send(next(self._rounds), everyone)
        self._go_on(time.perf_counter() + min(WARM_UP_S, meter.seconds / 4))
        meter.start()
        measured = meter.stop(self._go_on(meter.end))
        vector.recv(vector.num_envs)  # nothing is under way between two slices
        return measured

    def _go_on(self, end: float) -> int:
        vector, rounds, done = self.vector, self._rounds, 0
        while not done or time.perf_counter() < end:
            ids = vector.recv(self.quarter).env_ids.tolist()
            actions = next(rounds)
            vector.send([actions[i] for i in ids], ids)
            done += len(ids)
        return done

    def close(self) -> None:
        self.vector.close()


class Coroutines:
    """Steps each environment from a coroutine of its own."""

    def __init__(self, vector: AsyncVectorEnv, rounds: Sequence[list[str]], seed: int) -> None:
        self.vector, self._rounds = vector, rounds
        self.first: Sequence[str] = vector.reset(seed=seed)[0]
        self._done, self._is_over = 0, False

    def run(self, meter: Meter) -> Slice:
        return asyncio.run(self._run(meter))

    async def _run(self, meter: Meter) -> Slice:
        self._is_over = False
        tasks = [asyncio.create_task(self._go_on(i)) for i in range(self.vector.num_envs)]
        warm = self._done + self.vector.num_envs
        while self._done < warm:
            await asyncio.sleep(min(WARM_UP_S, meter.seconds / 4))
        before = self._done
        meter.start()
        await asyncio.sleep(meter.seconds)
        while self._done == before:
            await asyncio.sleep(0)
        measured = meter.stop(self._done - before)
        self._is_over = True
        await asyncio.gather(*tasks)
        return measured

    async def _go_on(self, i: int) -> None:
        actions = itertools.cycle([actions[i] for actions in self._rounds])
        while not self._is_over:
            await self.vector.step_one(i, next(actions))
            self._done += 1

    def close(self) -> None:
        self.vector.close()


class PlainLoop:
    """No vector: a loop over environments."""

    def __init__(self, makers: Sequence[Maker]) -> None:
        self.envs = [make() for make in makers]
        self.ended = [False] * len(makers)

    def reset(self, seed: int) -> tuple[list[str], list[Any]]:
        results = [env.reset(seed=seed + i) for i, env in enumerate(self.envs)]
        return [observation for observation, _ in results], [info for _, info in results]

    def step(self, actions: Sequence[str]) -> list[Any]:
        return [self.step_one(i, action) for i, action in enumerate(actions)]

    def step_one(self, i: int, action: str) -> Any:
        if self.ended[i]:
            self.ended[i] = False
            observation, info = self.envs[i].reset()
            return observation, 0.0, False, False, info
        row = self.envs[i].step(action)
        self.ended[i] = row[2] or row[3]
        return row

    def close(self) -> None:
        for env in self.envs:
            env.close()


class ThreadPool(PlainLoop):
    """The loop with ``ThreadPoolExecutor.map``, a thread for each environment."""

    def __init__(self, makers: Sequence[Maker]) -> None:
        super().__init__(makers)
        self.pool = ThreadPoolExecutor(len(makers))

    def step(self, actions: Sequence[str]) -> list[Any]:
        return list(self.pool.map(self.step_one, range(len(actions)), actions))

    def close(self) -> None:
        self.pool.shutdown()
        super().close()
