"""Watch: brings the results of a backend into an asyncio event loop."""

import asyncio
from collections.abc import Callable

from gym_llm.vector.backend import Backend, Chunk


class Watch:
    """Feeds results to asyncio: by the backend's descriptors, and by a timer for deadlines."""

    INTERVAL_S = 0.25

    def __init__(
        self, backend: Backend, flush: Callable[[], None], take_in: Callable[[list[Chunk]], None]
    ) -> None:
        self._backend, self._flush, self._take_in = backend, flush, take_in
        self._loop: asyncio.AbstractEventLoop | None = None
        self._fds: list[int] = []
        self._generation = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_due = False

    def start(self) -> None:
        """Watch on behalf of the running loop; look once more soon, as results may be there already."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self.stop()
            self._loop = loop
            self._follow(loop)
            self._tick()
        if not self._is_due:
            self._is_due = True
            loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._is_due = False
        self._flush()
        self._take_in(self._backend.pump(0))
        if self._backend.generation != self._generation and self._loop is not None:
            self._follow(self._loop)

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the present descriptors; those of replaced workers may have the old numbers."""
        for fd in self._fds:
            loop.remove_reader(fd)
        self._fds = self._backend.wake_fds()
        for fd in self._fds:
            loop.add_reader(fd, self._pump)
        self._generation = self._backend.generation

    def _tick(self) -> None:
        self._pump()
        if self._loop is not None:
            self._timer = self._loop.call_later(self.INTERVAL_S, self._tick)

    def stop(self) -> None:
        """Watch no more; before the workers close, as their end would wake the loop for ever."""
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None and not self._loop.is_closed():
            for fd in self._fds:
                self._loop.remove_reader(fd)
        self._loop, self._timer, self._fds = None, None, []
