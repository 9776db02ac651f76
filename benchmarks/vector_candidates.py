"""What is measured: cases, and the candidates that step the environments of a case."""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.vector import AutoresetMode
from vector_floors import BareWorkers, TwoLoops
from vector_runners import Coroutines, LockStep, Maker, Partial, PlainLoop, Runner, ThreadPool

from gym_llm.vector import AsyncVectorEnv

NEXT_STEP = AutoresetMode.NEXT_STEP
LOCAL, STEP, RECV, AIO = "ours, in process", "ours, 2 workers", "ours, recv of N/4", "ours, asyncio"
DEFAULT, SYNC, ASYNC = "ours, as make_vec", "SyncVectorEnv", "AsyncVectorEnv"
GEM, GEM_THREADS, THREADS, LOOP = "GEM", "GEM, threads", "ThreadPoolExecutor", "plain loop"
BARE, LOOPS = "bare workers", "two loops"


@dataclass(frozen=True)
class Case:
    """Environments to step and how to step them."""

    part: str
    label: str
    makers: Sequence[Maker]
    actions: Sequence[str]
    candidates: Sequence[str]
    context: Any = "forkserver"
    """How our workers start."""
    peer_context: str = "fork"
    threads: int = 0
    """Threads in each of our workers."""
    rounds: int | None = None
    """Rounds in lock-step, instead of seconds; vectors are made anew for each slice."""
    seconds: float = 0.4
    env_id: str | None = None
    seed: int = 0

    @property
    def size(self) -> int:
        """Number of environments."""
        return len(self.makers)

    @property
    def action_rounds(self) -> list[list[str]]:
        """Actions for all environments, in turn, until they repeat."""
        count = len(self.actions)
        return [[self.actions[(i + k) % count] for i in range(self.size)] for k in range(count)]


Make = Callable[[Case], Runner]


def _ours(
    kind: Callable[[AsyncVectorEnv, Sequence[list[str]], int], Runner], workers: int | None
) -> Make:
    def make(case: Case) -> Runner:
        env = case.env_id if workers is None and case.env_id else case.makers
        threads = None if workers is None else case.threads
        vector = AsyncVectorEnv(
            env,
            case.size,
            num_workers=workers,
            threads=threads,
            context=case.context,
            seeding="increment",
        )
        return kind(vector, case.action_rounds, case.seed)

    return make


def _lock_step(make_vector: Callable[[Case], Any]) -> Make:
    return lambda case: LockStep(make_vector(case), case.action_rounds, case.seed)


def _gem(module: str, name: str) -> Make:
    def make(case: Case) -> Runner:
        vector_class = getattr(importlib.import_module(f"gem.vector.{module}"), name)
        mode = importlib.import_module("gem.vector.vector_env").AutoresetMode.NEXT_STEP
        vector = vector_class([""] * case.size, case.makers, autoreset_mode=mode)
        return LockStep(vector, case.action_rounds, case.seed)

    return make


def _gymnasium_async(case: Case) -> Any:
    # Not as daemons: those may not have processes of their own, which MathDAPO17k needs.
    return gymnasium.vector.AsyncVectorEnv(
        case.makers,
        shared_memory=False,
        context=case.peer_context,
        autoreset_mode=NEXT_STEP,
        daemon=False,
    )


CANDIDATES: dict[str, Make] = {
    # First what forks: later there are threads.
    ASYNC: _lock_step(_gymnasium_async),
    BARE: _lock_step(lambda case: BareWorkers(case.makers)),
    LOOPS: lambda case: TwoLoops(case.makers, case.action_rounds, case.seed),
    STEP: _ours(LockStep, 2),
    RECV: _ours(Partial, 2),
    AIO: _ours(Coroutines, 2),
    LOCAL: _ours(LockStep, 0),
    DEFAULT: _ours(LockStep, None),
    SYNC: _lock_step(lambda case: gymnasium.vector.SyncVectorEnv(case.makers, autoreset_mode=NEXT_STEP)),
    LOOP: _lock_step(lambda case: PlainLoop(case.makers)),
    GEM: _gem("sync_vector_env", "SyncVectorEnv"),
    GEM_THREADS: _gem("async_vector_env", "AsyncVectorEnv"),
    THREADS: _lock_step(lambda case: ThreadPool(case.makers)),
}


def load_gem() -> str | None:
    """Import GEM's vectors; return why that cannot be done."""
    try:
        for module in ("vector_env", "sync_vector_env", "async_vector_env"):
            importlib.import_module(f"gem.vector.{module}")
    except Exception as error:  # whatever another package does when it is imported
        return f"{type(error).__name__}: {error}"
    return None
