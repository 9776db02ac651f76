"""Warm helper processes that can be killed: for checks that may hang, crash or eat memory.

A `WarmPool` keeps subprocesses that have imported a function and waits at most a given time for each
call. A process that runs out of time or dies is replaced. The processes (`warm_worker_main`) are started
as programs, not by ``multiprocessing``, so that they also work inside the daemonic workers of vector
environments. Both sides exchange frames: eight bytes of length, then JSON. Nothing is unpickled.
"""

import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from typing import Any

from gym_llm.errors import WorkerError
from gym_llm.verifiers.warm_worker_main import HEADER, encode

START_LIMIT_S = 120.0
"""Time to import the target: a cold machine that runs other things takes long."""


class CallError(WorkerError):
    """The function gave no result for this payload: the payload's fault as far as one can tell."""


class WorkerTimeout(CallError, TimeoutError):
    """The call took longer than its limit; its worker was killed."""


class WorkerCrash(CallError):
    """The worker died during the call, and so did the one that tried again."""


class WarmPool:
    """Processes that run one function, started when needed and used again.

    Calls from several threads run side by side, each on a worker of its own; further ones wait. A
    forked child starts workers of its own.

    >>> with WarmPool("json:dumps") as pool:
    ...     pool.call([1, 2], limit_s=60)
    '[1, 2]'

    Args:
        target: ``"module:function"``; the function takes and returns a JSON value and runs in the main
            thread of its process, where signals work.
        workers: most processes at a time; by default one a core.
        memory_bytes: limit of a worker's address space; a worker that keeps a quarter of it after a call
            is replaced.
    """

    def __init__(self, target: str, workers: int | None = None, memory_bytes: int = 4 << 30) -> None:
        self._target = target
        self._size = workers or os.cpu_count() or 1
        self._memory = memory_bytes
        self._workers: set[_Worker] = set()
        self._forget()
        _pools.add(self)
        self.close = weakref.finalize(self, _end_all, self._workers)
        """End all workers; also called when the pool is collected and when Python exits."""

    def __enter__(self) -> "WarmPool":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def call(self, payload: Any, limit_s: float) -> Any:
        """Return what the function returns for ``payload``, a JSON value of any size.

        Args:
            payload: the argument.
            limit_s: wall-clock seconds for the transfer and the function; starting a worker and waiting
                for a free one do not count.

        Raises:
            WorkerTimeout: the limit was reached. WorkerCrash: the worker died twice. CallError: the
                function raised. WorkerError: no worker could be started.
        """
        frame = encode([limit_s, payload])
        with self._free:
            # The first death may have another cause; a second one is the payload's doing.
            reply = self._try(frame, limit_s) or self._try(frame, limit_s)
        if reply is None:
            raise WorkerCrash(f"{self._target}: the worker died")
        if "error" in reply:
            raise CallError(f"{self._target}: {reply['error']}")
        return reply["result"]

    def _try(self, frame: bytes, limit_s: float) -> dict[str, Any] | None:
        """Return the reply, or None when the worker died."""
        worker = self._take()
        try:
            reply = worker.exchange(frame, time.monotonic() + limit_s)
        except EOFError:
            self._discard(worker)
            return None
        except TimeoutError:
            self._discard(worker)
            raise WorkerTimeout(f"{self._target}: no result after {limit_s} s") from None
        except BaseException:
            # Also when interrupted: what comes next on the pipe is part of an old frame.
            self._discard(worker)
            raise
        if reply["resident_bytes"] > self._memory / 4:
            # What the function keeps in caches would starve later calls.
            self._discard(worker)
        else:
            self._idle.append(worker)
        return reply

    def _take(self) -> "_Worker":
        if not self.close.alive:
            raise WorkerError(f"{self._target}: the pool is closed")
        while True:
            try:
                worker = self._idle.pop()
            except IndexError:
                return self._start()
            if worker.is_alive():
                return worker
            self._discard(worker)

    def _start(self) -> "_Worker":
        worker = _Worker(self._target, self._memory)
        self._workers.add(worker)
        try:
            worker.wait_until_ready()
        except BaseException:
            self._discard(worker)
            raise
        return worker

    def _discard(self, worker: "_Worker") -> None:
        self._workers.discard(worker)
        worker.kill()

    def _forget(self) -> None:
        """Begin without workers: those of a parent process are not ours to use."""
        for worker in self._workers:
            worker.abandon()
        self._workers.clear()
        self._idle: list[_Worker] = []
        # As many threads as workers come past this, so that an idle worker or room for one is there.
        self._free = threading.BoundedSemaphore(self._size)


_pools: weakref.WeakSet[WarmPool] = weakref.WeakSet()


def _forget_all() -> None:
    for pool in list(_pools):
        pool._forget()


def _end_all(workers: "set[_Worker]") -> None:
    while workers:
        workers.pop().kill()


os.register_at_fork(after_in_child=_forget_all)


class _Worker:
    """One process and the pipes to it, as its parent sees it."""

    def __init__(self, target: str, memory_bytes: int) -> None:
        self._target = target
        # -P: the path is the parent's, without the directory that happens to be the current one.
        program = ["-P", "-m", "gym_llm.verifiers.warm_worker_main"]
        command = [sys.executable, *program, target, str(memory_bytes)]
        path = os.pathsep.join(map(os.path.abspath, sys.path))
        env = {**os.environ, "PYTHONPATH": path}
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, env=env)
        except OSError as error:
            raise WorkerError(f"{target}: the worker cannot be started: {error}") from error
        self._polls: dict[int, Any] = {}
        self._writing = self._prepare(self._process.stdin, select.POLLOUT)
        self._reading = self._prepare(self._process.stdout, select.POLLIN)

    def _prepare(self, pipe: Any, event: int) -> int:
        fd: int = pipe.fileno()
        os.set_blocking(fd, False)
        self._polls[fd] = select.poll()
        self._polls[fd].register(fd, event)
        return fd

    def wait_until_ready(self) -> None:
        """Wait for the target's import; WorkerError when it fails."""
        try:
            reply = self._receive(time.monotonic() + START_LIMIT_S)
        except (EOFError, TimeoutError) as error:
            raise WorkerError(f"{self._target}: the worker did not start") from error
        if "error" in reply:
            raise WorkerError(f"{self._target}: {reply['error']}")

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def exchange(self, frame: bytes, deadline: float) -> dict[str, Any]:
        """Send a frame and return the reply; EOFError when the process is gone, or TimeoutError."""
        try:
            self._send(frame, deadline)
        except BrokenPipeError:
            raise EOFError from None
        return self._receive(deadline)

    def _send(self, data: bytes, deadline: float) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._writing, rest) :]
            except BlockingIOError:
                self._wait(self._writing, deadline)

    def _receive(self, deadline: float) -> dict[str, Any]:
        data = bytearray()
        wanted = HEADER.size
        while len(data) < wanted:
            self._wait(self._reading, deadline)
            part = os.read(self._reading, 1 << 16)
            if not part:
                raise EOFError
            data += part
            if len(data) >= HEADER.size:
                wanted = HEADER.size + HEADER.unpack_from(data)[0]
        reply: dict[str, Any] = json.loads(data[HEADER.size :])
        return reply

    def _wait(self, fd: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not self._polls[fd].poll(left * 1000):
            raise TimeoutError

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        with self._process:
            pass  # waits for it and closes the pipes

    def abandon(self) -> None:
        """In a forked child: let go of the parent's worker, so that it ends when the parent does."""
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()  # type: ignore[union-attr]
        # Popen would warn that the process still runs, and wait for what is not our child.
        self._process.returncode = 0
