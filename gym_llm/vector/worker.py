"""The program of a worker process: an `EnvGroup` behind a socket, until the parent is gone."""

import contextlib
import ctypes
import fcntl
import os
import pickle
import queue
import select
import signal
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cloudpickle
from gymnasium.vector import AutoresetMode

from gym_llm.vector.group import EnvGroup, Failure, Maker, Results, Row, describe, failure_info
from gym_llm.vector.threads import DaemonThreads
from gym_llm.vector.wire import Reader, Slab, encode


@dataclass(frozen=True)
class Setup:
    """What a worker is told once."""

    makers: Sequence[Maker]
    autoreset: AutoresetMode
    rebuild: bool
    has_deadlines: bool
    threads: int
    """Threads that step environments, for those that wait on something; 0 steps one after the other."""
    seeds: Sequence[int | None] | None = None
    """For a worker that replaces another: its environments begin with a reset, with these seeds."""


@dataclass
class Shared:
    """Memory that parent and worker both see."""

    requests: Slab
    replies: Slab
    clock: Any
    """A ``multiprocess`` buffer with a double for each environment."""


def run(connection: Any, lifeline: Any, setup: bytes, shared: Shared) -> None:
    """Serve requests until the socket closes.

    Args:
        connection: the worker's end of the socket.
        lifeline: the worker's end of a pipe whose other end is open as long as the parent lives.
        setup: a pickled `Setup`.
        shared: slabs and clock.
    """
    _die_with_parent(lifeline.fileno())
    # A handler instead of SIG_IGN, which the programs that environments start would inherit.
    signal.signal(signal.SIGINT, lambda *_: None)
    _keep_memory()
    channel = _SocketChannel(connection, shared)
    try:
        config: Setup = pickle.loads(setup)
        clock = shared.clock.create_memoryview().cast("d")
        group = EnvGroup(
            config.makers,
            config.autoreset,
            config.rebuild,
            clock,
            config.seeds,
            config.has_deadlines,
        )
        first = ready(group)
    except BaseException as error:
        first = "failed", describe(error)
    with contextlib.suppress(ConnectionError):  # the parent closes the pool already
        channel.send(first)
    if first[0] == "failed":
        return
    server = (
        _ThreadedServer(group, channel, config.threads) if config.threads else Server(group, channel)
    )
    try:
        while True:
            for message in channel.receive():
                server.handle(message)
    except (EOFError, ConnectionError):
        server.close()


def ready(group: EnvGroup) -> tuple[Any, ...]:
    """Return the first message of a worker: what a vector must know of its environments."""
    spaces = cloudpickle.dumps((group.observation_space, group.action_space))
    return "ready", spaces, cloudpickle.dumps((group.metadata, group.render_mode))


class Channel(ABC):
    """Where a server's messages go."""

    @abstractmethod
    def send(self, message: Any) -> None:
        """Send a message; raises what pickle raises."""


class _SocketChannel(Channel):
    """The worker's end: blocking, as the parent always reads."""

    def __init__(self, connection: Any, shared: Shared) -> None:
        self._connection = connection
        self._fd = connection.fileno()
        self._reader = Reader(shared.requests)
        self._slab = shared.replies
        self._sending = threading.Lock()

    def receive(self) -> list[Any]:
        return self._reader.feed(self._fd)

    def send(self, message: Any) -> None:
        with self._sending:
            rest = memoryview(encode(message, self._slab))
            while rest:
                rest = rest[os.write(self._fd, rest) :]


class Server:
    """Carries out requests one after the other."""

    def __init__(self, group: EnvGroup, channel: Channel) -> None:
        self.group, self.channel = group, channel

    def handle(self, message: Any) -> None:
        """Answer one message."""
        kind, indices, *rest = message
        if kind == "step":
            self.step(indices, rest[0])
        elif kind == "reset":
            self.reset(indices, *rest)
        else:
            number, *rest = rest
            answers = [_pickled(attempt(self.group, kind, i, rest)) for i in indices]
            self.channel.send(("answers", number, answers))

    def step(self, indices: Sequence[int] | None, actions: Sequence[Any]) -> None:
        """Step environments; None for all of them."""
        self.send_results(indices, self.group.step(self._all(indices), actions))

    def reset(self, indices: Sequence[int] | None, seeds: Sequence[Any], options: Sequence[Any]) -> None:
        """Reset environments; None for all of them."""
        self.send_results(indices, self.group.reset(self._all(indices), seeds, options))

    def send_results(self, indices: Sequence[int] | None, results: Results) -> None:
        """Send results; an observation or info that cannot be pickled fails its environment."""
        try:
            self.channel.send(("results", indices, *results.columns()))
        except ConnectionError:
            raise
        except Exception:
            sendable = self._sendable(self._all(indices), results)
            self.channel.send(("results", indices, *sendable.columns()))

    def _sendable(self, indices: Sequence[int], results: Results) -> Results:
        rows: list[Row] = []
        failures: dict[int, Failure] = {}
        for place, (i, row) in enumerate(zip(indices, results.rows(), strict=True)):
            if place in results.failures:
                failures[place] = results.failures[place]
            if error := _pickling_error(row):
                failures[place] = describe(error)
                row = self.group.failed(i, failures[place])
            if _pickling_error(row):  # neither what the reset after it gave
                row = (self.group.blank, 0.0, False, True, failure_info(failures[place]))
            rows.append(row)
        return Results.of(rows, failures)

    def _all(self, indices: Sequence[int] | None) -> Sequence[int]:
        return range(len(self.group.envs)) if indices is None else indices

    def close(self) -> None:
        """Close the environments."""
        self.group.close()


def attempt(group: EnvGroup, kind: str, i: int, rest: Sequence[Any]) -> tuple[bool, Any]:
    """Return whether a call worked, and its value or the failure."""
    try:
        if kind == "call":
            return True, group.call(i, *rest)
        group.set(i, rest[0], rest[1][i])
        return True, None
    except BaseException as error:
        return False, describe(error)


def _pickled(answer: tuple[bool, Any]) -> tuple[bool, Any]:
    """Pickle the value of an answer, or say why that cannot be done."""
    try:
        return answer[0], cloudpickle.dumps(answer[1]) if answer[0] else answer[1]
    except Exception as error:
        return False, describe(error)


def _pickling_error(value: Any) -> Exception | None:
    try:
        pickle.dumps(value, 5)
    except Exception as error:
        return error
    return None


class _ThreadedServer(Server):
    """Steps environments in threads; results leave as soon as they are there, together if they can."""

    def __init__(self, group: EnvGroup, channel: Channel, threads: int) -> None:
        super().__init__(group, channel)
        self._threads = DaemonThreads(threads)
        self._done: queue.SimpleQueue[tuple[int, Results]] = queue.SimpleQueue()
        threading.Thread(target=self._write, daemon=True).start()

    def step(self, indices: Sequence[int] | None, actions: Sequence[Any]) -> None:
        for i, action in zip(self._all(indices), actions, strict=True):
            self._threads.submit(self._work, i, self.group.step, ([i], [action]))

    def reset(self, indices: Sequence[int] | None, seeds: Sequence[Any], options: Sequence[Any]) -> None:
        for i, seed, option in zip(self._all(indices), seeds, options, strict=True):
            self._threads.submit(self._work, i, self.group.reset, ([i], [seed], [option]))

    def _work(self, i: int, function: Callable[..., Results], args: tuple[Any, ...]) -> None:
        with _ending_the_process():
            self._done.put((i, function(*args)))

    def _write(self) -> None:
        with _ending_the_process():
            while True:
                ready = [self._done.get()]
                while not self._done.empty():
                    ready.append(self._done.get())
                self.send_results([i for i, _ in ready], merged([r for _, r in ready]))

    def close(self) -> None:
        self._threads.close()
        super().close()


@contextlib.contextmanager
def _ending_the_process() -> Iterator[None]:
    """Let the parent see an error in a thread: without that it would wait for the result for ever."""
    try:
        yield
    except ConnectionError:  # the parent closes the pool, and the main thread the environments
        return
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def merged(parts: Sequence[Results]) -> Results:
    """Return the rows of several results as one."""
    failures: dict[int, Failure] = {}
    rows: list[Row] = []
    for part in parts:
        failures.update({len(rows) + place: failure for place, failure in part.failures.items()})
        rows.extend(part.rows())
    return Results.of(rows, failures)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def _keep_memory() -> None:
    """Keep the memory of large messages, which glibc would return and fault in again at every step."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 << 20)


def _die_with_parent(lifeline: int) -> None:
    """Let this process, and those that its environments start, end when the parent does."""
    os.setpgid(0, 0)
    if sys.platform == "linux":
        # By the kernel: also while C code keeps every Python thread from running.
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpid())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

    def watch() -> None:
        hang_up = select.poll()
        hang_up.register(lifeline, 0)
        hang_up.poll()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
