"""Vectors of text environments: ours against Gymnasium's, GEM's and a thread pool, in one run.

    python benchmarks/vector.py [--quick] [--only cheap starts waits real] [--sizes 8 64] [--json FILE]

Four parts, then the table of bars, with the ratio of this run for each:

- ``cheap``: a 2 us environment, observations of 200 and 8,000 characters, without and with an info.
- ``waits``: every step sleeps, lognormal with median 10 ms and sigma 1. All that step in lock-step make
  the same steps with the same waits; the others run for as long.
- ``real``: an id of each kind, 64 environments, its example actions in turn.
- ``starts``: seconds to make and reset a vector, and memory afterwards, each in a fresh interpreter.

Everything resets itself by NEXT_STEP, and resets count as steps. Ways to step take turns in short
slices, in several passes; rates are medians over passes, and a ratio is the median of the ratios within
the passes, with the least and the largest beside it. A slice in which other programs were busy is
repeated a few times, and the least disturbed one counts. CPU time and memory (PSS) are
those of the whole process tree; ``others`` is how many cores other processes kept busy meanwhile.
Gymnasium's AsyncVectorEnv starts by fork, where it is fastest, and with ``shared_memory=False``: its
default returns wrong text. GEM is measured where it is installed (``pip install gem-llm``).
"""

import argparse
import asyncio
import functools
import gc
import importlib
import itertools
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import gymnasium
from gymnasium.vector import AutoresetMode
from vector_envs import CheapTextEnv, WaitingTextEnv, example_actions, registered

from gym_llm.vector import AsyncVectorEnv

Maker = Callable[[], gymnasium.Env[Any, Any]]
GUESSES = ["<think>Not seven.</think><answer>42</answer>", "<answer>7</answer>", "I do not know."]
REAL_IDS = ("MCQA", "WorkplaceAssistant", "Sokoban", "MathDAPO17k")
REAL_SIZE = 64
PARTS = ("cheap", "waits", "real", "starts")
TRIES = 4
QUIET_HELP = f"repeat slices, at most {TRIES} times, in which others kept more busy (0.4)"
START_HELP = "for the part of that name: start once, print seconds and MB an environment"
WARM_UP_S = 0.1
FORKING_LIMIT = 512
"""Gymnasium needs more than 20 s to start 2,048 processes."""
MB = 1 << 20


# --- what the machine did


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


# --- ways to step


class Runner(Protocol):
    """A vector that has been made and reset."""

    @property
    def first(self) -> Sequence[str]:
        """Its first observations."""

    def run(self, meter: Meter) -> Slice:
        """Step for as long as the meter says."""

    def close(self) -> None:
        """End everything that was started."""


class LockStep:
    """Steps all environments of anything with ``reset`` and ``step``."""

    def __init__(self, vector: Any, rounds: Sequence[list[str]], seed: int) -> None:
        self.vector, self.size = vector, len(rounds[0])
        self.first: Sequence[str] = vector.reset(seed=seed)[0]
        self._rounds = itertools.cycle(rounds)

    def run(self, meter: Meter) -> Slice:
        step, rounds = self.vector.step, self._rounds
        limit = meter.rounds or sys.maxsize
        if not meter.rounds:
            warm = time.perf_counter() + WARM_UP_S
            while time.perf_counter() < warm:
                step(next(rounds))
        meter.start()
        done = 0
        while done < limit:
            step(next(rounds))
            done += 1
            if not meter.rounds and time.perf_counter() >= meter.end:
                break
        return meter.stop(done * self.size)

    def close(self) -> None:
        if hasattr(self.vector, "close"):
            self.vector.close()


class Partial:
    """Steps whichever quarter of the environments is ready."""

    def __init__(self, vector: AsyncVectorEnv, rounds: Sequence[list[str]], seed: int) -> None:
        self.vector, self.quarter = vector, max(1, vector.num_envs // 4)
        self.first: Sequence[str] = vector.reset(seed=seed)[0]
        self._rounds = itertools.cycle(rounds)

    def run(self, meter: Meter) -> Slice:
        vector, everyone = self.vector, range(self.vector.num_envs)
        vector.send(next(self._rounds), everyone)
        self._go_on(time.perf_counter() + min(WARM_UP_S, meter.seconds / 4))
        meter.start()
        measured = meter.stop(self._go_on(meter.end))
        vector.recv(vector.num_envs)  # nothing is under way between two slices
        return measured

    def _go_on(self, end: float) -> int:
        vector, rounds, done = self.vector, self._rounds, 0
        while not done or time.perf_counter() < end:
            ids = vector.recv(self.quarter).env_ids.tolist()
            actions = next(rounds)
            vector.send([actions[i] for i in ids], ids)
            done += len(ids)
        return done

    def close(self) -> None:
        self.vector.close()


class Coroutines:
    """Steps each environment from a coroutine of its own."""

    def __init__(self, vector: AsyncVectorEnv, rounds: Sequence[list[str]], seed: int) -> None:
        self.vector, self._rounds = vector, rounds
        self.first: Sequence[str] = vector.reset(seed=seed)[0]
        self._done, self._is_over = 0, False

    def run(self, meter: Meter) -> Slice:
        return asyncio.run(self._run(meter))

    async def _run(self, meter: Meter) -> Slice:
        self._is_over = False
        tasks = [asyncio.create_task(self._go_on(i)) for i in range(self.vector.num_envs)]
        warm = self._done + self.vector.num_envs
        while self._done < warm:
            await asyncio.sleep(min(WARM_UP_S, meter.seconds / 4))
        before = self._done
        meter.start()
        await asyncio.sleep(meter.seconds)
        while self._done == before:
            await asyncio.sleep(0)
        measured = meter.stop(self._done - before)
        self._is_over = True
        await asyncio.gather(*tasks)
        return measured

    async def _go_on(self, i: int) -> None:
        actions = itertools.cycle([actions[i] for actions in self._rounds])
        while not self._is_over:
            await self.vector.step_one(i, next(actions))
            self._done += 1

    def close(self) -> None:
        self.vector.close()


class PlainLoop:
    """No vector: a loop over environments."""

    def __init__(self, makers: Sequence[Maker]) -> None:
        self.envs = [make() for make in makers]
        self.ended = [False] * len(makers)

    def reset(self, seed: int) -> tuple[list[str], list[Any]]:
        results = [env.reset(seed=seed + i) for i, env in enumerate(self.envs)]
        return [observation for observation, _ in results], [info for _, info in results]

    def step(self, actions: Sequence[str]) -> list[Any]:
        return [self.step_one(i, action) for i, action in enumerate(actions)]

    def step_one(self, i: int, action: str) -> Any:
        if self.ended[i]:
            self.ended[i] = False
            observation, info = self.envs[i].reset()
            return observation, 0.0, False, False, info
        row = self.envs[i].step(action)
        self.ended[i] = row[2] or row[3]
        return row

    def close(self) -> None:
        for env in self.envs:
            env.close()


class ThreadPool(PlainLoop):
    """The loop with ``ThreadPoolExecutor.map``, a thread for each environment."""

    def __init__(self, makers: Sequence[Maker]) -> None:
        super().__init__(makers)
        self.pool = ThreadPoolExecutor(len(makers))

    def step(self, actions: Sequence[str]) -> list[Any]:
        return list(self.pool.map(self.step_one, range(len(actions)), actions))

    def close(self) -> None:
        self.pool.shutdown()
        super().close()


# --- the candidates

Make = Callable[["Case"], Runner]
NEXT_STEP = AutoresetMode.NEXT_STEP
LOCAL, STEP, RECV, AIO = "ours, in process", "ours, 2 workers", "ours, recv of N/4", "ours, asyncio"
DEFAULT, SYNC, ASYNC = "ours, as make_vec", "SyncVectorEnv", "AsyncVectorEnv"
GEM, GEM_THREADS, THREADS, LOOP = "GEM", "GEM, threads", "ThreadPoolExecutor", "plain loop"


@dataclass(frozen=True)
class Case:
    """Environments to step and how to step them."""

    part: str
    label: str
    makers: Sequence[Maker]
    actions: Sequence[str]
    candidates: Sequence[str]
    context: Any = "forkserver"
    """How our workers start."""
    peer_context: str = "fork"
    threads: int = 0
    """Threads in each of our workers."""
    rounds: int | None = None
    """Rounds in lock-step, instead of seconds; vectors are made anew for each slice."""
    seconds: float = 0.4
    env_id: str | None = None
    seed: int = 0

    @property
    def size(self) -> int:
        """Number of environments."""
        return len(self.makers)

    @property
    def action_rounds(self) -> list[list[str]]:
        """Actions for all environments, in turn, until they repeat."""
        count = len(self.actions)
        return [[self.actions[(i + k) % count] for i in range(self.size)] for k in range(count)]


def _ours(
    kind: Callable[[AsyncVectorEnv, Sequence[list[str]], int], Runner], workers: int | None
) -> Make:
    def make(case: Case) -> Runner:
        env = case.env_id if workers is None and case.env_id else case.makers
        threads = None if workers is None else case.threads
        vector = AsyncVectorEnv(
            env,
            case.size,
            num_workers=workers,
            threads=threads,
            context=case.context,
            seeding="increment",
        )
        return kind(vector, case.action_rounds, case.seed)

    return make


def _lock_step(make_vector: Callable[[Case], Any]) -> Make:
    return lambda case: LockStep(make_vector(case), case.action_rounds, case.seed)


def _gem(module: str, name: str) -> Make:
    def make(case: Case) -> Runner:
        vector_class = getattr(importlib.import_module(f"gem.vector.{module}"), name)
        mode = importlib.import_module("gem.vector.vector_env").AutoresetMode.NEXT_STEP
        vector = vector_class([""] * case.size, case.makers, autoreset_mode=mode)
        return LockStep(vector, case.action_rounds, case.seed)

    return make


def _gymnasium_async(case: Case) -> Any:
    # Not as daemons: those may not have processes of their own, which MathDAPO17k needs.
    return gymnasium.vector.AsyncVectorEnv(
        case.makers,
        shared_memory=False,
        context=case.peer_context,
        autoreset_mode=NEXT_STEP,
        daemon=False,
    )


CANDIDATES: dict[str, Make] = {
    # First what forks: later there are threads.
    ASYNC: _lock_step(_gymnasium_async),
    STEP: _ours(LockStep, 2),
    RECV: _ours(Partial, 2),
    AIO: _ours(Coroutines, 2),
    LOCAL: _ours(LockStep, 0),
    DEFAULT: _ours(LockStep, None),
    SYNC: _lock_step(lambda case: gymnasium.vector.SyncVectorEnv(case.makers, autoreset_mode=NEXT_STEP)),
    LOOP: _lock_step(lambda case: PlainLoop(case.makers)),
    GEM: _gem("sync_vector_env", "SyncVectorEnv"),
    GEM_THREADS: _gem("async_vector_env", "AsyncVectorEnv"),
    THREADS: _lock_step(lambda case: ThreadPool(case.makers)),
}


# --- measuring


@dataclass
class Row:
    """What one candidate did in one case, slice by slice."""

    part: str
    case: str
    num_envs: int
    candidate: str
    slices: list[Slice] = field(default_factory=list)
    starts: list[tuple[float, float]] = field(default_factory=list)
    """Seconds, and MB for each environment."""
    error: str | None = None

    def record(self) -> dict[str, Any]:
        """Return what goes into a JSON file."""
        found: dict[str, Any] = {k: v for k, v in vars(self).items() if k not in ("slices", "starts")}
        if self.slices:
            found["rates"] = [round(s.rate, 1) for s in self.slices]
            found |= {name: self.median(name) for name in ("rate", "cpu_us", "others")}
        if self.starts:
            found["start_s"], found["mb_per_env"] = self.start()
        return found

    def median(self, name: str) -> float:
        """Return the median of a figure over the slices."""
        return float(statistics.median(getattr(s, name) for s in self.slices))

    def start(self) -> tuple[float, float]:
        """Return median seconds and MB."""
        seconds, memory = zip(*self.starts, strict=True)
        return statistics.median(seconds), statistics.median(memory)


Rows = dict[tuple[str, str, int, str], Row]


def measure(case: Case, passes: int, quiet: float) -> list[Row]:
    """Let the candidates take turns."""
    rows = [Row(case.part, case.label, case.size, name) for name in case.candidates]
    running: dict[str, Runner] = {}
    for number, row in itertools.product(range(passes), rows):
        if row.error is not None:
            continue
        try:
            if row.candidate not in running:
                # The same seed for all candidates: those in lock-step then wait for the same.
                running[row.candidate] = _made(row.candidate, replace(case, seed=1000 * number))
            row.slices.append(_undisturbed(running[row.candidate], case, quiet))
        except Exception as error:  # a candidate that fails is a result, and the others go on
            row.error = f"{type(error).__name__}: {error}"[:200]
        if case.rounds and row.candidate in running:
            running.pop(row.candidate).close()
    for runner in running.values():
        runner.close()
    return rows


def _undisturbed(runner: Runner, case: Case, quiet: float) -> Slice:
    """Return a slice during which others were quiet, or the least disturbed of a few."""
    found = [runner.run(Meter(case.seconds, case.rounds))]
    # Where steps wait, other load matters little, and further rounds would have other waits.
    while case.part != "waits" and found[-1].others > quiet and len(found) < TRIES:
        found.append(runner.run(Meter(case.seconds, case.rounds)))
    return min(found, key=lambda s: s.others)


def _made(name: str, case: Case) -> Runner:
    runner = CANDIDATES[name](case)
    bare = case.makers[0]()
    expected = bare.reset(seed=case.seed)[0]
    bare.close()
    if runner.first[0] != expected:
        runner.close()
        raise ValueError("the first observation is not that of the environment")
    return runner


def start(name: str, size: int, context: str) -> tuple[float, float]:
    """Return seconds to make and reset a vector in this process, and MB that an environment adds."""
    case = Case("starts", "", [CheapTextEnv] * size, GUESSES, [name], context, context)
    gc.collect()
    before = memory_mb(process_tree())
    begun = time.perf_counter()
    runner = CANDIDATES[name](case)
    seconds = time.perf_counter() - begun
    runner.run(Meter(0.0, 3))
    memory: float = (memory_mb(process_tree()) - before) / size
    runner.close()
    return seconds, memory


def measure_starts(size: int, candidates: Sequence[str], options: argparse.Namespace) -> list[Row]:
    """Start every candidate in interpreters of its own."""
    passes = 1 if options.quick else min(options.passes, 3)
    # A process for each environment costs 0.1 s and 20 MB each under spawn.
    limits = {"fork": FORKING_LIMIT, "spawn": 0 if options.quick else 64}
    rows = []
    # Bytecode is kept, as it is for whoever installs the package; the first start writes it.
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name in candidates:
        contexts = {STEP: ("fork", "forkserver", "spawn"), ASYNC: ("fork", "spawn")}.get(name, ("",))
        for context in contexts:
            if name == ASYNC and size > limits[context] and not options.all:
                continue
            row = Row("starts", context, size, name)
            command = [sys.executable, __file__, "--start", name, str(size), context or "fork"]
            if name == STEP:
                subprocess.run(command, capture_output=True, env=own)
            for _ in range(passes):
                done = subprocess.run(command, capture_output=True, text=True, env=own)
                if done.returncode:
                    row.error = done.stderr.strip().rpartition("\n")[2][:200]
                    break
                row.starts.append(tuple(json.loads(done.stdout)))
            rows.append(row)
    return rows


# --- the bars


@dataclass(frozen=True)
class Bar:
    """A figure to reach, and what this run says."""

    what: str
    num_envs: int
    target: float
    is_limit: bool = False
    """The target is the most that is allowed, rather than the least."""
    figure: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def verdict(self) -> str:
        """``pass``, ``FAIL``, or ``-`` where nothing was measured."""
        if self.figure is None:
            return "-"
        is_met = self.figure <= self.target if self.is_limit else self.figure >= self.target
        return "pass" if is_met else "FAIL"


SHORT, SHORT_INFO, LONG, LONG_INFO = "200 chars", "200 chars, info", "8000 chars", "8000 chars, info"
RATIO_BARS: tuple[tuple[str, str, tuple[str, ...], str, dict[int, float]], ...] = (
    ("cheap", SHORT, (STEP,), ASYNC, {8: 2.0, 64: 8.0, 512: 25.0, 2048: 45.0}),
    ("cheap", SHORT, (STEP,), SYNC, {8: 0.25, 64: 0.8, 512: 1.15, 2048: 1.2}),
    ("cheap", LONG, (STEP,), ASYNC, {8: 2.0, 64: 4.5, 512: 14.0}),
    ("cheap", SHORT, (LOCAL,), SYNC, {8: 1.2, 64: 1.1, 512: 1.1, 2048: 1.1}),
    ("cheap", SHORT_INFO, (LOCAL,), SYNC, {64: 2.0, 512: 1.8}),
    ("cheap", SHORT_INFO, (STEP,), SYNC, {64: 1.4, 512: 1.6}),
    ("waits", "10 ms", (RECV, AIO), ASYNC, {8: 2.5, 64: 5.0, 512: 12.0}),
    ("waits", "10 ms", (STEP,), ASYNC, {8: 0.97, 64: 0.97, 512: 1.0}),
    ("real", "Sokoban", (STEP,), SYNC, {64: 1.7}),
    ("real", "MathDAPO17k", (STEP,), SYNC, {64: 1.7}),
)
"""Part, case, ours (the better counts), peer, and the least ratio for each number of environments."""
START_BARS: tuple[tuple[str, int, str, dict[int, float]], ...] = (
    ("start-up, s", 0, "spawn", {8: 0.3, 64: 0.4, 512: 0.5, 2048: 1.0}),
    ("MB an environment", 1, "fork", {8: 1.5, 64: 0.3, 512: 0.1, 2048: 0.06}),
    ("MB an environment", 1, "spawn", {8: 7.0, 64: 1.0, 512: 0.2}),
)
"""Figure, its place in a start, how 2 workers start, and the most for each number of environments."""


def ratios(rows: Rows, part: str, case: str, size: int, ours: str, peer: str) -> list[float]:
    """Return the ratios of rates within each pass; none where one of the two was not measured."""
    pair = [rows.get((part, case, size, name)) for name in (ours, peer)]
    if any(row is None or row.error for row in pair):
        return []
    return [a.rate / b.rate for a, b in zip(*(row.slices for row in pair if row), strict=True)]


def bars(rows: Rows) -> list[Bar]:
    """Compare the rows with the targets."""
    found = []
    for part, case, ours, peer, targets in RATIO_BARS:
        for size, target in targets.items():
            measured = [r for name in ours if (r := ratios(rows, part, case, size, name, peer))]
            best = max(measured, key=statistics.median, default=[])
            figures = (statistics.median(best), (min(best), max(best))) if best else (None, None)
            what = f"{part}, {case}: {' or '.join(ours)} / {peer}"
            found.append(Bar(what, size, target, False, *figures))
    for what, place, context, targets in START_BARS:
        for size, target in targets.items():
            row = rows.get(("starts", context, size, STEP))
            values = [s[place] for s in row.starts] if row and not row.error else []
            figures = (statistics.median(values), (min(values), max(values))) if values else (None, None)
            found.append(Bar(f"{what}: {STEP}, {context}", size, target, True, *figures))
    return found


# --- printing


def print_rows(rows: Sequence[Row], all_rows: Rows) -> None:
    """Print the rows of a case."""
    first = rows[0]
    print(f"\n{first.part}, {first.case + ', ' if first.case else ''}{first.num_envs} environments")
    columns = ("steps/s", "least", "largest", "/Async", "/Sync", "cpu us", "others")
    print(f"  {'':20}" + "".join(f"{name:>10}" for name in columns))
    for row in rows:
        if row.error:
            print(f"  {row.candidate:20}  {row.error}")
            continue
        key = row.part, row.case, row.num_envs
        pairs = (ratios(all_rows, *key, row.candidate, peer) for peer in (ASYNC, SYNC))
        relative = "".join(f"{statistics.median(pair):10.2f}" if pair else f"{'':10}" for pair in pairs)
        rates = [s.rate for s in row.slices]
        shown = "".join(f"{f:10,.0f}" for f in (statistics.median(rates), min(rates), max(rates)))
        usage = f"{row.median('cpu_us'):10.1f}{row.median('others'):10.2f}"
        print(f"  {row.candidate:20}{shown}{relative}{usage}", flush=True)


def print_starts(rows: Sequence[Row]) -> None:
    """Print start-up and memory for one number of environments."""
    print(f"\nstarts, {SHORT}, {rows[0].num_envs} environments")
    print(f"  {'':20}{'':12}{'seconds':>10}{'MB/env':>10}")
    for row in rows:
        seconds, memory = row.start() if row.starts else (0.0, 0.0)
        figures = row.error or f"{seconds:10.3f}{memory:10.3f}"
        print(f"  {row.candidate:20}{row.case:12}{figures}", flush=True)


def print_bars(found: Sequence[Bar]) -> None:
    """Print every bar with its verdict."""
    print(f"\n{'bars':64}{'envs':>6}{'target':>9}{'here':>9}   {'spread':18}")
    for bar in found:
        target = f"{'<=' if bar.is_limit else '>='} {bar.target:g}"
        here = "" if bar.figure is None else f"{bar.figure:.3g}"
        spread = "{:.3g} - {:.3g}".format(*bar.spread) if bar.spread else ""
        print(f"{bar.what:64}{bar.num_envs:6}{target:>9}{here:>9}   {spread:18}{bar.verdict}")


# --- the run


def cases(options: argparse.Namespace, available: Sequence[str]) -> Iterator[Case]:
    """Return what to measure, part by part."""
    own = Case("", "", [], GUESSES, available, options.context, seconds=options.seconds)
    everything = [name for name in available if name != DEFAULT]
    if "cheap" in options.only:
        for size, chars, has_info in itertools.product(options.sizes, (200, 8000), (False, True)):
            label = f"{chars} chars{', info' if has_info else ''}"
            maker = functools.partial(CheapTextEnv, chars, has_info)
            is_slow = size > FORKING_LIMIT and not options.all
            names = [name for name in everything if not (is_slow and name == ASYNC)]
            yield replace(own, part="cheap", label=label, makers=[maker] * size, candidates=names)
    if "waits" in options.only:
        names = [n for n in (ASYNC, STEP, RECV, AIO, GEM_THREADS, THREADS) if n in available]
        for size in (size for size in options.sizes if size <= FORKING_LIMIT):
            yield replace(
                own,
                part="waits",
                label="10 ms",
                makers=[WaitingTextEnv] * size,
                candidates=names,
                threads=(size + 1) // 2,
                # The longest of n waits grows about so: as many rounds as take the seconds.
                rounds=max(3, round(250 * options.seconds * (8 / size) ** 0.44)),
                seconds=10 * options.seconds,
            )
    if "real" in options.only:
        for name in REAL_IDS:
            env_id = f"gym_llm/{name}-v0"
            makers = [functools.partial(registered, env_id)] * REAL_SIZE
            actions = example_actions(env_id)
            # Its checks need a helper in every process: 64 times the symbolic library.
            is_slow = name == "MathDAPO17k" and not options.all
            yield replace(
                own,
                part="real",
                label=name,
                makers=makers,
                actions=actions,
                env_id=env_id,
                candidates=[n for n in available if not (is_slow and n == ASYNC)],
            )


def load_gem() -> str | None:
    """Import GEM's vectors; return why that cannot be done."""
    try:
        for module in ("vector_env", "sync_vector_env", "async_vector_env"):
            importlib.import_module(f"gem.vector.{module}")
    except Exception as error:  # whatever another package does when it is imported
        return f"{type(error).__name__}: {error}"
    return None


def parsed() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure")
    parser.add_argument("--sizes", nargs="+", type=int, help="numbers of environments (8 64 512 2048)")
    parser.add_argument("--seconds", type=float, help="a slice (0.4); ten times that where steps wait")
    parser.add_argument("--passes", type=int, help="slices of each candidate (5; 3 where steps wait)")
    parser.add_argument("--quiet", type=float, default=0.4, metavar="CORES", help=QUIET_HELP)
    parser.add_argument("--context", default="forkserver", choices=("forkserver", "spawn", "fork"))
    parser.add_argument(
        "--quick", action="store_true", help="64, short slices, 2 passes, nothing repeated"
    )
    parser.add_argument("--all", action="store_true", help=f"{ASYNC} also where it starts slowly")
    parser.add_argument("--json", metavar="FILE", help="write the figures to a file")
    parser.add_argument("--start", nargs=3, metavar=("CANDIDATE", "SIZE", "CONTEXT"), help=START_HELP)
    options = parser.parse_args()
    options.sizes = options.sizes or ([64] if options.quick else [8, 64, 512, 2048])
    options.seconds = options.seconds or (0.1 if options.quick else 0.4)
    options.quiet = math.inf if options.quick else options.quiet
    options.passes = options.passes or (2 if options.quick else 5)
    return options


def main() -> None:
    """Measure and print."""
    options = parsed()
    missing = load_gem()
    if options.start:
        name, size, context = options.start
        print(json.dumps(start(name, int(size), context)))
        return
    if missing:
        print(f"GEM is left out, it cannot be imported: {missing}")
    available = [name for name in CANDIDATES if not (missing and name in (GEM, GEM_THREADS))]
    rows: Rows = {}
    begun, machine = time.perf_counter(), machine_s()
    for case in cases(options, available):
        passes = min(options.passes, 3) if case.rounds else options.passes
        found = measure(case, passes, options.quiet)
        rows.update({(row.part, row.case, row.num_envs, row.candidate): row for row in found})
        print_rows(found, rows)
    if "starts" in options.only:
        names = [name for name in available if name not in (RECV, AIO, DEFAULT)]
        for size in options.sizes:
            found = measure_starts(size, names, options)
            rows.update({(row.part, row.case, row.num_envs, row.candidate): row for row in found})
            print_starts(found)
    verdicts = bars(rows)
    print_bars(verdicts)
    about = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "gymnasium": gymnasium.__version__,
        "context": options.context,
        "run_s": time.perf_counter() - begun,
        "busy_cores": (machine_s() - machine) / (time.perf_counter() - begun),
    }
    print(
        "\n"
        + ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in about.items())
    )
    if options.json:
        records = [row.record() for row in rows.values()]
        results = [{**vars(bar), "verdict": bar.verdict} for bar in verdicts]
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({"about": about, "rows": records, "bars": results}, file, indent=1)


if __name__ == "__main__":
    main()
