"""Floors: the least that two processes can cost here, to tell a missed bar from a slow machine.

Neither has deadlines, outlasts the death of a process, or keeps Gymnasium's contract. Large messages
take the socket too: with them bare workers are a peer rather than a floor.
"""

import contextlib
import ctypes
import itertools
import marshal
import mmap
import os
import pickle
import signal
import socket
import struct
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

from vector_meter import Meter, Slice
from vector_runners import WARM_UP_S, Maker, PlainLoop

_HEADER = struct.Struct("<Q?")
_READ_BYTES = 1 << 16
_PR_SET_PDEATHSIG = 1


class _End:
    """One end of a socket, blocking; messages have their length in front."""

    def __init__(self, end: socket.socket) -> None:
        self._socket, self._file = end, end.makefile("rb", _READ_BYTES)
        self._has_plain = True

    def send(self, message: Any) -> None:
        """Send by marshal until something is no plain data; then all by pickle."""
        data = b""
        if self._has_plain:
            try:
                data = marshal.dumps(message, 2)
            except ValueError:
                self._has_plain = False
        if not self._has_plain:
            data = pickle.dumps(message, 5)
        self._socket.sendall(_HEADER.pack(len(data), self._has_plain) + data)

    def receive(self) -> Any:
        """Wait for a whole message."""
        header = self._file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            raise EOFError("the other process has ended")
        size, is_plain = _HEADER.unpack(header)
        return (marshal if is_plain else pickle).loads(self._file.read(size))

    def close(self) -> None:
        self._file.close()
        self._socket.close()


class BareWorkers:
    """Two forked processes that hold half of the environments each, behind blocking sockets."""

    def __init__(self, makers: Sequence[Maker]) -> None:
        self.half = (len(makers) + 1) // 2
        self.sizes = self.half, len(makers) - self.half
        self.counts = memoryview(mmap.mmap(-1, 16)).cast("q")
        """Steps of each process while it loops by itself."""
        self._ends: list[_End] = []
        self.pids: list[int] = []
        for number, own in enumerate((makers[: self.half], makers[self.half :])):
            end, other = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                with _ending_the_process():
                    _serve(_End(other), own, self.counts[number : number + 1])
            other.close()
            self._ends.append(_End(end))
            self.pids.append(pid)

    def reset(self, seed: int) -> tuple[list[str], list[Any]]:
        observations, infos = self.exchange("reset", seed, seed + self.half)
        return observations, infos

    def step(self, actions: Sequence[str]) -> list[list[Any]]:
        """Return columns."""
        return self.exchange("step", actions[: self.half], actions[self.half :])

    def exchange(self, kind: str, *arguments: Any) -> list[list[Any]]:
        """Ask both and join their columns."""
        self.send(kind, *arguments)
        # A process reads its request to the end before it answers: so this cannot block for ever.
        first, second = [end.receive() for end in self._ends]
        return [a + b for a, b in zip(first, second, strict=True)]

    def send(self, kind: str, *arguments: Any) -> None:
        for end, argument in zip(self._ends, arguments, strict=True):
            end.send((kind, argument))

    def close(self) -> None:
        for pid in self.pids:
            # Not by closing the socket: what was forked later holds its end too.
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for end in self._ends:
            end.close()


class TwoLoops:
    """Two forked processes that loop over half of the environments each and exchange nothing.

    Their counts of steps are in shared memory; between slices they are stopped.
    """

    def __init__(self, makers: Sequence[Maker], rounds: Sequence[list[str]], seed: int) -> None:
        self._workers = BareWorkers(makers)
        half = self._workers.half
        self.first: Sequence[str] = self._workers.reset(seed)[0]
        self._signal(signal.SIGSTOP)
        self._workers.send("loop", [r[:half] for r in rounds], [r[half:] for r in rounds])

    def run(self, meter: Meter) -> Slice:
        counts = self._workers.counts
        warm = [count + size for count, size in zip(counts, self._workers.sizes, strict=True)]
        self._signal(signal.SIGCONT)
        time.sleep(WARM_UP_S)
        while any(count < least for count, least in zip(counts, warm, strict=True)):
            time.sleep(0.01)
        meter.start()
        before = sum(counts)
        time.sleep(meter.seconds)
        while sum(counts) == before:
            time.sleep(0.01)
        measured = meter.stop(sum(counts) - before)
        self._signal(signal.SIGSTOP)
        return measured

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._workers.pids:
            os.kill(pid, number)

    def close(self) -> None:
        self._workers.close()


@contextlib.contextmanager
def _ending_the_process() -> Iterator[None]:
    """End a forked process where the parent's program would go on, and when the parent ends."""
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        yield
    except Exception:
        traceback.print_exc()
    finally:
        os._exit(0)


def _serve(end: _End, makers: Sequence[Maker], count: memoryview) -> None:
    loop = PlainLoop(makers)
    while True:
        kind, argument = end.receive()
        if kind == "reset":
            end.send(loop.reset(argument))
        elif kind == "step":
            columns = [list(column) for column in zip(*loop.step(argument), strict=True)]
            end.send(columns or [[]] * 5)  # one environment has no second half
        else:
            done = 0
            for actions in itertools.cycle(argument):
                for i, action in enumerate(actions):
                    loop.step_one(i, action)
                    done += 1
                    count[0] = done
