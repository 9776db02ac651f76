"""ProcessBackend: workers that are processes of this machine."""

import collections
import contextlib
import os
import selectors
import signal
import sys
import threading
import time
import types
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import multiprocess
from gymnasium.error import ClosedEnvironmentError
from multiprocess.connection import wait
from multiprocess.heap import BufferWrapper
from multiprocess.util import Finalize

from gym_llm.vector.backend import remaining
from gym_llm.vector.group import describe
from gym_llm.vector.wire import Reader, Slab, encode
from gym_llm.vector.worker import Shared, run
from gym_llm.vector.workers import WorkerBackend

_main_lock = threading.Lock()


class ProcessBackend(WorkerBackend):
    """Worker processes behind sockets.

    Args:
        context: ``"forkserver"``, ``"spawn"`` or ``"fork"``.
        preload: modules that the fork server imports before it forks workers.
        kwargs: see `WorkerBackend`.
    """

    def __init__(self, *, context: str, preload: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._context = multiprocess.get_context(context)
        if context == "forkserver":
            self._context.set_forkserver_preload(["gym_llm.vector.worker", *preload])
        self._processes: dict[int, _Process] = {}
        self._selector = selectors.DefaultSelector()
        # Before multiprocess's own exit function, which would wait for workers for ever.
        self._finalizer = Finalize(
            self, _end_all, args=(self._processes, self._selector), exitpriority=100
        )
        try:
            self.start()
        except BaseException:
            self.close(0.0)
            raise

    def spawn(self, worker: int, setup: bytes) -> None:
        process = _Process(self._context, setup, len(self.slices[worker]))
        self._processes[worker] = process
        for fd in (process.fd, process.sentinel):
            self._selector.register(fd, selectors.EVENT_READ, worker)

    def transmit(self, worker: int, message: tuple[Any, ...]) -> None:
        process = self._processes[worker]
        process.queue(message)
        if not process.flush():
            self._listen(process, worker, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def poll(self, timeout_s: float | None) -> list[tuple[int, Any]]:
        found: list[tuple[int, Any]] = []
        gone: set[int] = set()
        for key, event in self._selector.select(timeout_s):
            worker = key.data
            if worker in gone:
                continue
            process = self._processes[worker]
            self.traffic[worker] += 1
            if event & selectors.EVENT_WRITE and process.flush():
                self._listen(process, worker, selectors.EVENT_READ)
            if event & selectors.EVENT_READ:
                messages, is_gone = process.read()
                found.extend((worker, message) for message in messages)
                if is_gone or (key.fd == process.sentinel and not messages):
                    gone.add(worker)
                    self._forget(process)
                    found.append((worker, None))
        return found

    def running_since(self, worker: int) -> list[float]:
        return self._processes[worker].running_since()

    def kill(self, worker: int) -> None:
        process = self._processes[worker]
        self._forget(process)
        process.kill()

    def wake_fds(self) -> list[int]:
        # Its own descriptor is readable when one of those is that it watches.
        return [self._selector.fileno()]

    def close(self, timeout_s: float) -> None:
        """Let the workers close their environments, and end those that take longer."""
        deadline = time.monotonic() + timeout_s
        for process in self._processes.values():
            self._forget(process)
            process.hang_up()
        for process in self._processes.values():
            process.wait(remaining(deadline))
        self._finalizer()

    def _listen(self, process: "_Process", worker: int, events: int) -> None:
        if process.fd in self._selector.get_map():
            self._selector.modify(process.fd, events, worker)

    def _forget(self, process: "_Process") -> None:
        for fd in (process.fd, process.sentinel):
            if process.is_open and fd in self._selector.get_map():
                self._selector.unregister(fd)


def _end_all(processes: "dict[int, _Process]", selector: selectors.BaseSelector) -> None:
    for process in processes.values():
        process.kill()
    selector.close()


class _Process:
    """One worker process, as its parent sees it."""

    def __init__(self, context: Any, setup: bytes, size: int) -> None:
        self._clock = BufferWrapper(8 * size)
        self._since = self._clock.create_memoryview().cast("d")
        self._since[:] = memoryview(bytes(8 * size)).cast("d")
        shared = Shared(Slab(size), Slab(size), self._clock)
        self._slab, self._reader = shared.requests, Reader(shared.replies)
        self._outgoing: collections.deque[memoryview] = collections.deque()
        self._connection, connection = context.Pipe(duplex=True)
        lifeline, self._lifeline = context.Pipe(duplex=False)
        self.fd: int = self._connection.fileno()
        os.set_blocking(self.fd, False)
        self._pidfd: int | None = None
        self.is_open = True
        _open.add(self)
        arguments = connection, lifeline, setup, shared
        self._process = context.Process(target=run, args=arguments, daemon=False)
        with _hidden_main():
            self._process.start()
        connection.close()
        lifeline.close()
        self._pidfd = _pidfd(self._process.pid, context.get_start_method())
        self.sentinel: int = self._process.sentinel if self._pidfd is None else self._pidfd

    def queue(self, message: tuple[Any, ...]) -> None:
        """Append a message to what goes out."""
        if not self.is_open:
            raise ClosedEnvironmentError("the workers of this vector are closed, or another process's")
        self._outgoing.append(memoryview(encode(message, self._slab)))

    def flush(self) -> bool:
        """Write as much as fits; False when something is left. Reading shows if a worker is gone."""
        outgoing = self._outgoing
        while outgoing:
            try:
                written = os.write(self.fd, outgoing[0])
            except BlockingIOError:
                return False
            except OSError:
                outgoing.clear()
                return True
            if written == len(outgoing[0]):
                outgoing.popleft()
            else:
                outgoing[0] = outgoing[0][written:]
        return True

    def read(self) -> tuple[list[Any], bool]:
        """Return the messages that are there, and whether the worker is gone."""
        try:
            return self._reader.feed(self.fd), False
        except BlockingIOError:
            return [], False
        except (EOFError, OSError):
            return [], True
        except Exception as error:  # something that can be pickled there and not be made again here
            return [("failed", describe(error))], True

    def running_since(self) -> list[float]:
        """Return the clock's slots."""
        since: list[float] = self._since.tolist()
        return since

    def hang_up(self) -> None:
        """Close the socket: the worker closes its environments and ends."""
        self._connection.close()

    def wait(self, timeout_s: float | None) -> None:
        """Wait for the process to end by itself."""
        if self.is_open:
            wait([self.sentinel], timeout_s)

    def kill(self) -> None:
        """End the process and what it has started."""
        if not self.is_open:
            return
        process = self._process
        # A number that no process has is still that of its group, or nobody's.
        if process.is_alive() or not _is_process(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()  # one that is not at the head of a group yet
        process.join()
        self.disown()

    def disown(self) -> None:
        """Close what holds the process."""
        self.is_open = False
        self._connection.close()
        self._lifeline.close()
        if self._pidfd is not None:
            os.close(self._pidfd)


_open: "weakref.WeakSet[_Process]" = weakref.WeakSet()


def _disown_all() -> None:
    for process in list(_open):
        if process.is_open:
            process.disown()


# A fork that kept a pool's sockets would keep its workers alive, and could end them.
os.register_at_fork(after_in_child=_disown_all)


def _pidfd(pid: int, start_method: str) -> int | None:
    """Return a descriptor that becomes readable when a child of this process ends, where there are such.

    A pipe, which multiprocess offers, stays open as long as something that the child has forked.
    """
    if start_method == "forkserver" or sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:  # an old or a restricted kernel
        return None


def _is_process(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep workers from importing the user's main module again.

    What they need of it travels by value. So a script can make a vector without a ``__main__`` guard.
    """
    with _main_lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
