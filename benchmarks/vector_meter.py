"""What a stretch of time cost: steps, processor time and memory of this process and its descendants."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

MB = 1 << 20


def process_tree() -> list[int]:
    """Return the ids of this process and its descendants."""
    found, todo = [], [os.getpid()]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children") as file:
                    todo.extend(map(int, file.read().split()))
        except OSError:  # it has ended
            continue
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """Return the processor time of processes, by their CPU-time clocks (see clock_getcpuclockid)."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:  # it has ended
            continue
    return total


def machine_s() -> float:
    """Return the processor time of everything on this machine."""
    with open("/proc/stat") as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def memory_mb(pids: Sequence[int]) -> float:
    """Return the proportional set size of processes."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        except (OSError, StopIteration):  # it has ended
            continue
    return total * 1024 / MB


@dataclass(frozen=True)
class Slice:
    """What one way to step did in a stretch of time."""

    steps: int
    wall_s: float
    cpu_s: float
    others: float
    """Cores that other processes kept busy."""

    @property
    def rate(self) -> float:
        """Steps a second."""
        return self.steps / self.wall_s

    @property
    def cpu_us(self) -> float:
        """Processor time for each step."""
        return self.cpu_s / self.steps * 1e6


class Meter:
    """Times a slice; a runner starts it after its warm-up."""

    def __init__(self, seconds: float, rounds: int | None) -> None:
        self.seconds, self.rounds = seconds, rounds
        self._pids: list[int] = []

    def start(self) -> None:
        self._pids = process_tree()
        self._cpu, self._machine, self._begun = cpu_s(self._pids), machine_s(), time.perf_counter()
        self.end = self._begun + self.seconds

    def stop(self, steps: int) -> Slice:
        wall = time.perf_counter() - self._begun
        cpu = cpu_s(self._pids) - self._cpu
        return Slice(steps, wall, cpu, max(0.0, machine_s() - self._machine - cpu) / wall)
