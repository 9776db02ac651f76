"""One event loop in a daemon thread of each process, for synchronous code that calls models.

Environments step in plain code and in many threads; their calls meet on this loop, so that all of them
share one client, and with it the limit on calls in flight, for each endpoint. A forked child starts with
a loop and clients of its own.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from gym_llm.models.client import Client
from gym_llm.models.endpoint import Endpoint

T = TypeVar("T")

CLOSE_TIMEOUT_S = 2.0


class _Background:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.clients: dict[Endpoint, Client] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread: threading.Thread | None = None

    def start(self) -> asyncio.AbstractEventLoop:
        """Return the loop, which runs."""
        with self.lock:
            if self.loop is None:
                self.loop = asyncio.new_event_loop()
                self.thread = threading.Thread(
                    target=self.loop.run_forever, name="gym-llm-models", daemon=True
                )
                self.thread.start()
            return self.loop

    async def close(self) -> None:
        """Close all clients."""
        await asyncio.gather(*(c.close() for c in self.clients.values()), return_exceptions=True)


_background = _Background()
_inherited: list[_Background] = []


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the process's loop and wait for its result."""
    background = _background
    loop = background.start()
    if threading.current_thread() is background.thread:
        coroutine.close()
        raise RuntimeError("run() was called on the loop that it would wait for: await instead")
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    try:
        return future.result()
    finally:
        future.cancel()  # of no effect on a future that is done


def client_for(endpoint: Endpoint) -> Client:
    """Return the process's one client of an endpoint, for use inside `run`."""
    background = _background
    with background.lock:
        if endpoint not in background.clients:
            background.clients[endpoint] = Client(endpoint)
        return background.clients[endpoint]


def _start_afresh() -> None:
    global _background
    # Kept alive: collecting the parent's transports here would take its sockets out of the
    # selector that both processes share.
    _inherited.append(_background)
    _background = _Background()


def _shut_down() -> None:
    background = _background
    if background.loop is None or background.thread is None:
        return
    closing = asyncio.run_coroutine_threadsafe(background.close(), background.loop)
    try:
        closing.result(CLOSE_TIMEOUT_S)
    except TimeoutError:
        closing.cancel()
    background.loop.call_soon_threadsafe(background.loop.stop)
    background.thread.join(CLOSE_TIMEOUT_S)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
atexit.register(_shut_down)
