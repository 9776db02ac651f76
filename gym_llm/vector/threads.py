"""Threads that never keep a process from ending."""

import queue
import threading
from collections.abc import Callable
from typing import Any


class DaemonThreads:
    """Threads that carry out calls in the order in which they come.

    Unlike those of ``concurrent.futures`` the interpreter does not wait for them when it ends, so that
    an environment that hangs cannot hold it. Calls must not raise.

    Args:
        count: number of threads.
    """

    def __init__(self, count: int) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[..., None], tuple[Any, ...]] | None]
        self._calls = queue.SimpleQueue()
        self._count = count
        for number in range(count):
            name = f"gym-llm-step-{number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, function: Callable[..., None], *args: Any) -> None:
        """Carry out a call when a thread is free."""
        self._calls.put((function, args))

    def close(self) -> None:
        """Drop the calls that no thread has begun, and end each thread after the call that it is at."""
        while not self._calls.empty():
            self._calls.get()
        for _ in range(self._count):
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            function, args = call
            function(*args)
