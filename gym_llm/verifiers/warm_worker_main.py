"""The program that a warm worker runs: calls of one function, from stdin to stdout."""

import importlib
import json
import logging
import os
import resource
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

HEADER = struct.Struct("!Q")
_GRACE_S = 2
"""CPU seconds beyond its limit after which the kernel ends a call that nobody waits for any more."""


def encode(value: Any) -> bytes:
    """Return a JSON value as one frame."""
    data = json.dumps(value).encode()
    return HEADER.pack(len(data)) + data


def serve(target: str, memory_bytes: int) -> None:
    """Load ``"module:function"`` and run the calls that come on stdin until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", 0)
    _silence(0, 1)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, memory_bytes)
    threading.Thread(target=_exit_with_parent, args=(requests.fileno(),), daemon=True).start()
    module, _, name = target.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except Exception as error:
        _send(replies, encode({"error": _describe(error)}))
        return
    # Only now: what Python says about a failed start should be seen.
    _silence(2)
    logging.disable()
    _send(replies, encode({"ready": True}))
    while header := requests.read(HEADER.size):
        limit_s, payload = json.loads(requests.read(HEADER.unpack(header)[0]))
        # The parent's kill comes first. This is for a parent that is gone while the function is in C
        # code, where no thread of ours gets to run.
        _limit(resource.RLIMIT_CPU, int(time.process_time() + limit_s) + _GRACE_S)
        _send(replies, _answer(function, payload))


def _answer(function: Callable[[Any], Any], payload: Any) -> bytes:
    try:
        return encode({"result": function(payload), "resident_bytes": _resident_bytes()})
    except BaseException as error:  # SystemExit, and libraries' own kinds
        return encode({"error": _describe(error), "resident_bytes": _resident_bytes()})


def _resident_bytes() -> int:
    """Return the memory in use; not Linux's peak, which a new process has from its parent."""
    try:
        with open("/proc/self/statm", "rb", buffering=0) as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:1000]}"


def _send(replies: Any, frame: bytes) -> None:
    rest = memoryview(frame)
    while rest:
        rest = rest[replies.write(rest) :]


def _silence(*fds: int) -> None:
    """Point standard streams to the null device: what the function prints must not become a frame."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


def _limit(kind: int, amount: int) -> None:
    _, hard = resource.getrlimit(kind)
    soft = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
    resource.setrlimit(kind, (soft, hard))


def _exit_with_parent(fd: int) -> None:
    """Exit when the other end of the pipe closes, even in the middle of a call."""
    hang_up = select.poll()
    hang_up.register(fd, 0)
    hang_up.poll()
    os._exit(0)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
