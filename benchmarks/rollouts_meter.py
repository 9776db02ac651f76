"""What a command costs: processor time and memory of it and all that it starts, from outside."""

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vector_meter import cpu_s, machine_s, memory_mb

POLL_S = 0.02
MEMORY_EVERY_S = 0.2
GRACE_S = 1.0
"""What a command started may outlive it for so long before it counts as left over."""

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Cost:
    """What a command cost."""

    returncode: int | None
    """None if it had to be ended."""
    started_at: float
    """Seconds since the epoch."""
    wall_s: float
    cpu_s: float
    """Of the command, everything it started, and its services meanwhile."""
    others: float
    """Cores that all other programs kept busy meanwhile, the model's server aside."""
    peak_mb: float | None
    """Largest proportional set size, if it was asked for."""
    left_over: int
    """Processes that outlived the command, and were ended then."""


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, so that their processor time is counted."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def descendants(root: int) -> list[int]:
    """Return the ids of a process and all that it started."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    except OSError:  # it has ended
        pass
    return found


def _spent_by_ended_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: Path,
    timeout_s: float,
    server: subprocess.Popen[str],
    services: Iterable[int] = (),
    is_memory_wanted: bool = False,
) -> Cost:
    """Run a command to its end.

    Args:
        command: program and arguments.
        cwd: its working directory.
        env: added to this process's variables.
        output: standard output goes to this file, standard error to one beside it.
        timeout_s: after so long it is ended.
        server: counted neither as the command nor as others.
        services: processes that work for the command but outlive it.
        is_memory_wanted: sample memory, which costs some processor time.
    """
    services = [pid for root in services for pid in descendants(root)]
    known = {*_children(os.getpid())}
    spent, served, scripted = _spent_by_ended_children(), cpu_s(services), cpu_s([server.pid])
    own, machine, begun, started_at = time.process_time(), machine_s(), time.monotonic(), time.time()
    peak: float | None = None
    with output.open("w") as out, output.with_suffix(".stderr").open("w") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            cwd=cwd,
            env={**os.environ, **env},
        )
        next_sample = begun
        while (returncode := process.poll()) is None:
            now = time.monotonic()
            if now - begun > timeout_s:
                end_tree(process)
                break
            if is_memory_wanted and now >= next_sample:
                peak = max(peak or 0.0, memory_mb([*descendants(process.pid), *services]))
                next_sample = time.monotonic() + MEMORY_EVERY_S
            time.sleep(POLL_S)
    wall = time.monotonic() - begun
    left_over = _end_orphans(known)
    cpu = _spent_by_ended_children() - spent + cpu_s(services) - served
    aside = cpu + cpu_s([server.pid]) - scripted + time.process_time() - own
    others = max(0.0, machine_s() - machine - aside) / wall
    return Cost(returncode, started_at, wall, cpu, others, peak, left_over)


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started."""
    started = [(pid, _start_of(pid)) for pid in descendants(process.pid)]
    process.terminate()
    try:
        process.wait(10.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid, start in started:
        # Its number may belong to another process by now.
        if start is not None and _start_of(pid) == start:
            _kill(pid)


def _start_of(pid: int) -> str | None:
    """Return when a process began, in ticks since the machine did; None if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None


def _end_orphans(known: set[int]) -> int:
    """Reap what a command left to this process; end and count what goes on."""
    deadline = time.monotonic() + GRACE_S
    while orphans := set(_children(os.getpid())) - known:
        for pid in orphans:
            os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    left = [pid for orphan in orphans for pid in descendants(orphan)]
    for pid in left:
        _kill(pid)
    for pid in orphans:
        os.waitpid(pid, 0)
    return len(left)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
