"""RayBackend: workers that are Ray actors, on the nodes of a cluster."""

import contextlib
import functools
import itertools
import pickle
import queue
import socket
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from gym_llm.errors import MissingExtraError, WorkerError
from gym_llm.vector.backend import Description
from gym_llm.vector.group import EnvGroup, describe
from gym_llm.vector.worker import Channel, Server, Setup, ready
from gym_llm.vector.workers import WorkerBackend

STARTS = 4
"""How often an actor is started: Ray may choose a node that is down before it has noticed."""
MAX_CAUSE_CHARS = 1_000
_LOOK_AGAIN_S = 5.0


class EnvActor:
    """The program of an actor: an `EnvGroup` behind method calls."""

    _group: EnvGroup

    def node(self) -> bytes:
        """Return where this actor runs."""
        import ray

        return pickle.dumps(("node", ray.get_runtime_context().get_node_id()))

    def begin(self, setup: bytes) -> bytes:
        """Make the environments."""
        try:
            config: Setup = pickle.loads(setup)
            self._group = EnvGroup(config.makers, config.autoreset, config.rebuild, seeds=config.seeds)
            return pickle.dumps(ready(self._group))
        except BaseException as error:
            return pickle.dumps(("failed", describe(error)))

    def handle(self, request: bytes) -> bytes:
        """Carry out a request; by several threads at once where the backend wants that."""
        reply = _Reply()
        Server(self._group, reply).handle(pickle.loads(request))
        return reply.data

    def close(self) -> None:
        """Close the environments."""
        self._group.close()


class _Reply(Channel):
    """Keeps the one message that answers a request."""

    data = b""

    def send(self, message: Any) -> None:
        self.data = pickle.dumps(message, 5)


@dataclass(eq=False)
class _Actor:
    """One actor, as its parent sees it."""

    handle: Any
    setup: bytes | None
    """Kept until it has made its environments."""
    starts: int
    calls: "dict[_Call, None]" = field(default_factory=dict)
    """Requests without a reply, oldest first: the actor takes them up in this order."""
    node: str = ""
    is_gone: bool = False
    cause: str = ""


@dataclass(eq=False)
class _Call:
    """A method call without a reply."""

    worker: int
    actor: _Actor
    indices: Sequence[int]
    """Environments of the worker that it resets or steps."""
    began: float = 0.0
    """About when the actor took it up; 0.0 while others are before it."""


class RayBackend(WorkerBackend):
    """Actors, spread over the nodes; a request is a method call, or one an environment.

    Ray answers a call once and shares no clock. So where environments are stepped by threads, or have
    deadlines, each has its own call: results come when they are ready, and the parent sees which
    environment an actor is at.

    Args:
        num_workers: actors; None for one a CPU of the cluster.
        kwargs: see `WorkerBackend`.
    """

    def __init__(self, *, num_workers: int | None, **kwargs: Any) -> None:
        self._ray, address = connect()
        # Also at the end of the interpreter, when it is too late for `close`.
        self._release = weakref.finalize(self, release, self._ray, address)
        cpus = int(self._ray.cluster_resources().get("CPU", 1))
        count = max(1, min(cpus, len(kwargs["makers"]))) if num_workers is None else num_workers
        super().__init__(num_workers=count, **kwargs)
        self._make: Any = self._ray.remote(EnvActor).options(
            scheduling_strategy="SPREAD", max_concurrency=max(1, self.threads)
        )
        self._has_call_each = bool(self.threads) or self.step_timeout_s is not None
        self._actors: dict[int, _Actor] = {}
        self._done: queue.SimpleQueue[tuple[_Call, Future[Any]]] = queue.SimpleQueue()
        self._wake: tuple[socket.socket, socket.socket] | None = None
        try:
            self.description: Description = self.start()
        except BaseException:
            self.close(0.0)
            raise

    def spawn(self, worker: int, setup: bytes, starts: int = 1) -> None:
        actor = self._actors[worker] = _Actor(self._make.remote(), setup, starts)
        self._watch(_Call(worker, actor, ()), actor.handle.node.remote())
        self._watch(_Call(worker, actor, ()), actor.handle.begin.remote(setup))

    def transmit(self, worker: int, message: tuple[Any, ...]) -> None:
        actor = self._actors[worker]
        for request, indices in list(self._requests(worker, message)):
            self._watch(_Call(worker, actor, indices), actor.handle.handle.remote(request))

    def _requests(self, worker: int, message: tuple[Any, ...]) -> Iterator[tuple[bytes, Sequence[int]]]:
        """Return the calls of a message, with the environments that each of them steps."""
        kind, indices, *columns = message
        if kind not in ("step", "reset"):
            yield pickle.dumps(message, 5), ()
            return
        indices = range(len(self.slices[worker])) if indices is None else indices
        if not self._has_call_each:
            yield pickle.dumps(message, 5), indices
            return
        for i, *row in zip(indices, *columns, strict=True):
            yield pickle.dumps((kind, [i], *([value] for value in row)), 5), [i]

    def _watch(self, call: _Call, ref: Any) -> None:
        call.actor.calls[call] = None
        self._note_begin(call.actor)
        ref.future().add_done_callback(functools.partial(self._on_done, call))

    def _note_begin(self, actor: _Actor) -> None:
        for call in itertools.islice(actor.calls, max(1, self.threads)):
            call.began = call.began or time.monotonic()

    def _on_done(self, call: _Call, future: "Future[Any]") -> None:
        """Pass a reply on from Ray's thread."""
        self._done.put((call, future))
        if self._wake is not None:
            # Full: it is readable anyway. Closed: nobody reads.
            with contextlib.suppress(OSError):
                self._wake[1].send(b"x")

    def poll(self, timeout_s: float | None) -> list[tuple[int, Any]]:
        if self._wake is not None:
            with contextlib.suppress(BlockingIOError):
                while self._wake[0].recv(4096):
                    pass
        found: list[tuple[int, Any]] = []
        try:
            wait_s = _LOOK_AGAIN_S if timeout_s is None else timeout_s
            found += self._outcome(*self._done.get(timeout=wait_s))
            while True:
                found += self._outcome(*self._done.get_nowait())
        except queue.Empty:
            if not found and not self._ray.is_initialized():
                raise WorkerError("Ray was shut down while environments were stepping") from None
            return found

    def _outcome(self, call: _Call, future: "Future[Any]") -> list[tuple[int, Any]]:
        actor, worker = call.actor, call.worker
        if actor.is_gone:
            return []
        error = future.exception()
        if error is not None:
            return self._died_with(error, actor, worker)
        del actor.calls[call]
        self._note_begin(actor)
        message = pickle.loads(future.result())
        if message[0] == "node":
            actor.node = message[1]
            return []
        actor.setup = None
        return [(worker, message)]

    def _died_with(self, error: BaseException, actor: _Actor, worker: int) -> list[tuple[int, Any]]:
        if actor.setup is not None and actor.starts < STARTS and not self._is_up(actor.node):
            self.kill(worker)
            self.spawn(worker, actor.setup, actor.starts + 1)
            return []
        actor.is_gone = True
        actor.cause = " ".join(str(error).split())[:MAX_CAUSE_CHARS]
        return [(worker, None)]

    def cause_of_death(self, worker: int) -> str:
        actor = self._actors[worker]
        return f"its node {actor.node} died" if self._has_lost_node(actor) else actor.cause

    def _has_lost_node(self, actor: _Actor) -> bool:
        return bool(actor.node) and not self._is_up(actor.node)

    def _is_up(self, node: str) -> bool:
        return any(n["Alive"] for n in self._ray.nodes() if n["NodeID"] == node)

    def _running(self, worker: int) -> list[int]:
        # When a node goes, no environment is to blame.
        return [] if self._has_lost_node(self._actors[worker]) else super()._running(worker)

    def running_since(self, worker: int) -> list[float]:
        since = [0.0] * len(self.slices[worker])
        for call in self._actors[worker].calls:
            for i in call.indices:
                since[i] = call.began
        return since

    def kill(self, worker: int) -> None:
        actor = self._actors[worker]
        actor.is_gone = True
        if self._ray.is_initialized():
            self._ray.kill(actor.handle, no_restart=True)

    def wake_fds(self) -> list[int]:
        if self._wake is None:
            self._wake = socket.socketpair()
            for end in self._wake:
                end.setblocking(False)
        return [self._wake[0].fileno()]

    def close(self, timeout_s: float) -> None:
        """Let the actors close their environments, and end those that take longer."""
        if not self._release.alive:
            return
        if self._ray.is_initialized():
            if timeout_s > 0:
                self._close_environments(timeout_s)
            for worker in self._actors:
                self.kill(worker)
        for end in self._wake or ():
            end.close()
        self._release()

    def _close_environments(self, timeout_s: float) -> None:
        refs = [actor.handle.close.remote() for actor in self._actors.values() if not actor.is_gone]
        if refs:
            self._ray.wait(refs, num_returns=len(refs), timeout=timeout_s)


_connecting = threading.Lock()
_started_here: dict[str, int] = {}
"""Address of a Ray that was started here to the number of open vectors."""


def connect() -> tuple[Any, str]:
    """Return the module ``ray``, connected, and what `release` needs.

    Ray is started on this machine where the program has not connected to one; with ``RAY_ADDRESS`` set
    it connects to that cluster instead.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("ray", "ray") from error
    with _connecting:
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False, logging_level="ERROR")
            _started_here[_address(ray)] = 0
        address = _address(ray) if _started_here else ""
        if address in _started_here:
            _started_here[address] += 1
    return ray, address


def release(ray: Any, address: str) -> None:
    """Shut Ray down after its last vector, if it was started here."""
    with _connecting:
        if address not in _started_here:
            return
        _started_here[address] -= 1
        if _started_here[address] == 0:
            del _started_here[address]
            if ray.is_initialized() and _address(ray) == address:
                ray.shutdown()


def _address(ray: Any) -> str:
    return str(ray.get_runtime_context().gcs_address)
