"""Frames between a pool and its workers: one for each message, whatever its size.

A frame is a header (length, kind) and the message, by marshal where it is text and numbers, else by
pickle. Large messages go through a slab of shared memory, and the pipe carries only the header.
"""

import marshal
import os
import pickle
import struct
import weakref
from collections.abc import Sequence
from typing import Any

from multiprocess.heap import Arena

HEADER = struct.Struct("<QB")
_MARSHALLED, _PICKLED, _RESULTS, _IN_SLAB = 0, 1, 2, 4
_MARSHAL_VERSION = 2
"""Later ones look for repeated objects, which columns of texts do not have."""

SLAB_FROM_BYTES = 1 << 16
MIN_SLAB_BYTES, MAX_SLAB_BYTES = 4 << 20, 32 << 20
SLAB_BYTES_PER_ENV = 32 << 10
"""So much of a slab stays in memory, in each direction of each worker, once a message has reached it."""
READ_BYTES = 1 << 16
"""A larger buffer costs more to make than further reads do."""


class Slab:
    """Shared memory for one large message in one direction.

    Its first byte says whether a message waits in it: the writer sets it, the reader clears it, and a
    message that finds it set takes the pipe. Pages that no message has reached take no memory.

    Args:
        num_envs: environments whose results are one message.
    """

    def __init__(self, num_envs: int) -> None:
        wanted = num_envs * SLAB_BYTES_PER_ENV
        self._arena = _arena(1 + max(MIN_SLAB_BYTES, min(wanted, MAX_SLAB_BYTES)))
        self._view: memoryview | None = None

    @property
    def size(self) -> int:
        """The bytes of the largest message that fits."""
        return int(self._arena.size) - 1

    @property
    def view(self) -> memoryview:
        """The memory; made on first use, as a view does not travel to the worker."""
        if self._view is None:
            self._view = memoryview(self._arena.buffer)
        return self._view

    def put(self, data: bytes) -> bool:
        """Store a message; False when another one waits or it is too large."""
        view = self.view
        if view[0] or len(data) > self.size:
            return False
        view[1 : 1 + len(data)] = data
        view[0] = 1
        return True

    def waiting(self, size: int) -> memoryview:
        """Return the message in place; `free` when it is decoded."""
        return self.view[1 : 1 + size]

    def free(self) -> None:
        """Let the next message in."""
        self.view[0] = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"_arena": self._arena, "_view": None}


def _arena(size: int) -> Any:
    """Return shared memory that travels to a worker; the least where there is only a file of a folder.

    In ``/dev/shm`` a container may have 64 MB for all its programs, and who writes to a page that is not
    to be had there is ended by SIGBUS.
    """
    try:
        fd = os.memfd_create("gym-llm-slab")
    except (AttributeError, OSError):  # not Linux, or not allowed
        return Arena(1 + MIN_SLAB_BYTES)
    os.ftruncate(fd, size)
    arena = Arena(size, fd)
    weakref.finalize(arena, os.close, fd)
    return arena


def encode(message: tuple[Any, ...], slab: Slab) -> bytes:
    """Return the frame of a message.

    Raises:
        Exception: whatever pickle raises for a message that cannot be pickled.
    """
    kind, data = _dumps(message)
    if len(data) >= SLAB_FROM_BYTES and slab.put(data):
        return HEADER.pack(len(data), kind | _IN_SLAB)
    return HEADER.pack(len(data), kind) + data


def _dumps(message: tuple[Any, ...]) -> tuple[int, bytes]:
    """Return kind and bytes of a message; marshal takes only what is text and numbers for certain.

    Of arrays and of numpy's numbers marshal would silently keep the bytes alone.
    """
    if message[0] == "step" and _is_text(message[2]):
        return _MARSHALLED, marshal.dumps(message, _MARSHAL_VERSION)
    if message[0] == "results" and _is_text(message[2]):
        *columns, infos, failures = message
        packed = pickle.dumps(infos, 5) if any(infos) else len(infos)
        return _RESULTS, marshal.dumps((*columns, packed, failures), _MARSHAL_VERSION)
    return _PICKLED, pickle.dumps(message, 5)


def _is_text(values: Sequence[Any]) -> bool:
    return set(map(type, values)) <= {str}


def _loads(kind: int, data: bytes | memoryview) -> Any:
    if kind & _PICKLED:
        return pickle.loads(data)
    message = marshal.loads(data)
    if kind & _RESULTS:
        *columns, packed, failures = message
        infos = [{} for _ in range(packed)] if isinstance(packed, int) else pickle.loads(packed)
        return (*columns, infos, failures)
    return message


class Reader:
    """Cuts what comes from a pipe into messages."""

    def __init__(self, slab: Slab) -> None:
        self._slab = slab
        self._buffer = bytearray()

    def feed(self, fd: int) -> list[Any]:
        """Read once and return the messages that are complete.

        Raises:
            EOFError: the other end is closed. BlockingIOError: nothing is there to read.
        """
        chunk = os.read(fd, READ_BYTES)
        if not chunk:
            raise EOFError
        if not self._buffer and (whole := self._whole(chunk)) is not None:
            return [whole[0]]
        self._buffer += chunk
        messages = []
        while (message := self._next()) is not None:
            messages.append(message[0])
        return messages

    def _whole(self, chunk: bytes) -> tuple[Any] | None:
        """Decode a chunk that is exactly one frame, as most are."""
        if len(chunk) < HEADER.size:
            return None
        size, kind = HEADER.unpack_from(chunk)
        if len(chunk) != (HEADER.size if kind & _IN_SLAB else HEADER.size + size):
            return None
        return (self._decoded(size, kind, memoryview(chunk)[HEADER.size :]),)

    def _next(self) -> tuple[Any] | None:
        buffer = self._buffer
        if len(buffer) < HEADER.size:
            return None
        size, kind = HEADER.unpack_from(buffer)
        end = HEADER.size if kind & _IN_SLAB else HEADER.size + size
        if len(buffer) < end:
            return None
        body = bytes(buffer[HEADER.size : end])
        del buffer[:end]
        return (self._decoded(size, kind, body),)

    def _decoded(self, size: int, kind: int, body: Any) -> Any:
        """Decode a message in place: of large ones a copy costs as much as the rest."""
        if not kind & _IN_SLAB:
            return _loads(kind, body)
        try:
            return _loads(kind, self._slab.waiting(size))
        finally:
            self._slab.free()
