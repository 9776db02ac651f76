"""What carries out steps: this process, worker processes, or actors on other machines; one interface."""

import contextlib
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium
from gymnasium.vector import AutoresetMode

from gym_llm.vector.group import EnvGroup, Maker, Results
from gym_llm.vector.threads import DaemonThreads


@dataclass(frozen=True)
class Chunk:
    """Results of some environments, as they arrive."""

    ids: Sequence[int]
    results: Results


@dataclass(frozen=True)
class Description:
    """What a vector must know of its environments."""

    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    metadata: dict[str, Any]
    render_mode: str | None


class Backend(Protocol):
    """Holds all environments of a vector; ids go from 0 to ``num_envs - 1``."""

    description: Description
    generation: int
    """Changes when descriptors of `wake_fds` do."""

    def step(self, ids: Sequence[int], actions: Sequence[Any]) -> None:
        """Begin steps; results come from `pump`."""

    def reset(self, ids: Sequence[int], seeds: Sequence[Any], options: Sequence[Any]) -> None:
        """Begin resets; results come from `pump`."""

    def pump(self, timeout_s: float | None) -> list[Chunk]:
        """Return results that have arrived; wait for some, at most so long, when there are none."""

    def wake_fds(self) -> list[int]:
        """Return descriptors that become readable when `pump` has something to do."""

    def ask(self, kind: str, ids: Sequence[int], *rest: Any) -> list[tuple[bool, Any]]:
        """Call or set something on environments without steps in flight; values, or failures."""

    def close(self, timeout_s: float) -> None:
        """End everything within about the time given."""


class LocalBackend:
    """Steps in this process: in the caller's thread, or in threads of its own."""

    def __init__(
        self, makers: Sequence[Maker], autoreset: AutoresetMode, rebuild: bool, threads: int
    ) -> None:
        # Ctrl-C in the middle of a step is meant for the program.
        self.group = EnvGroup(makers, autoreset, rebuild, passes=(KeyboardInterrupt,))
        self.description = Description(
            self.group.observation_space,
            self.group.action_space,
            self.group.metadata,
            self.group.render_mode,
        )
        self._ready: queue.SimpleQueue[Chunk] = queue.SimpleQueue()
        self._threads = DaemonThreads(threads) if threads else None
        self._wake: tuple[Any, Any] | None = None
        self.generation = 0

    @property
    def has_threads(self) -> bool:
        """Whether steps are carried out by threads, rather than by who asks for them."""
        return self._threads is not None

    def step(self, ids: Sequence[int], actions: Sequence[Any]) -> None:
        if self._threads is None:
            self._ready.put(Chunk(ids, self.group.step(ids, actions)))
            return
        for i, action in zip(ids, actions, strict=True):
            self._threads.submit(self._work, i, self.group.step, [i], [action])

    def reset(self, ids: Sequence[int], seeds: Sequence[Any], options: Sequence[Any]) -> None:
        if self._threads is None:
            self._ready.put(Chunk(ids, self.group.reset(ids, seeds, options)))
            return
        for i, seed, option in zip(ids, seeds, options, strict=True):
            self._threads.submit(self._work, i, self.group.reset, [i], [seed], [option])

    def _work(self, i: int, function: Any, *args: Any) -> None:
        self._ready.put(Chunk([i], function(*args)))
        if self._wake is not None:
            # A step may outlast the vector: nobody is there to wake then.
            with contextlib.suppress(OSError):
                self._wake[1].send(b"x")

    def pump(self, timeout_s: float | None) -> list[Chunk]:
        if self._wake is not None:
            _drain(self._wake[0])
        chunks = []
        try:
            chunks.append(self._ready.get(timeout=timeout_s, block=timeout_s != 0))
            while True:
                chunks.append(self._ready.get_nowait())
        except queue.Empty:
            return chunks

    def wake_fds(self) -> list[int]:
        import socket

        if self._threads is None:
            return []
        if self._wake is None:
            self._wake = socket.socketpair()
            self._wake[0].setblocking(False)
        return [self._wake[0].fileno()]

    def ask(self, kind: str, ids: Sequence[int], *rest: Any) -> list[tuple[bool, Any]]:
        from gym_llm.vector.worker import attempt

        return [attempt(self.group, kind, i, rest) for i in ids]

    def close(self, timeout_s: float) -> None:
        if self._threads is not None:
            self._threads.close()
        self.group.close()
        for end in self._wake or ():
            end.close()


def _drain(end: Any) -> None:
    try:
        while end.recv(4096):
            pass
    except BlockingIOError:
        return


def remaining(deadline: float | None) -> float | None:
    """Return the seconds until a moment of ``time.monotonic``, at least 0; None for never."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
