"""WorkerBackend: environments over workers that may die, and what that means for their episodes."""

import itertools
import logging
import math
import pickle
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import cloudpickle
from gymnasium.vector import AutoresetMode

from gym_llm.errors import ConfigError, EnvFailedError
from gym_llm.vector.backend import Chunk, Description, remaining
from gym_llm.vector.group import (
    GIVEN_UP,
    WORKER_DIED,
    WORKER_LOST,
    WORKER_RESTARTED,
    Failure,
    Maker,
    Results,
    Row,
    blank_observation,
    derived_seed,
    describe,
    failure_info,
)
from gym_llm.vector.worker import Setup

logger = logging.getLogger(__name__)

START_LIMIT_S = 120.0
"""Time for a worker to make its environments."""
SILENCE_SLACK_S = 1.0
"""For what a worker does between steps: reading requests, pickling results."""
MAX_DEATHS = 3
"""A worker that dies more often in a row, without any result between, is given up."""


class WorkerBackend(ABC):
    """Workers hold consecutive environments each; one message a worker and call.

    A worker that dies is replaced, while the others go on. Its environments with a step in flight return
    blank, truncated and with an error; those in the middle of an episode do so at their next step.

    Args:
        makers: one a environment.
        num_workers: workers; not more than environments.
        autoreset: see `gym_llm.vector.AsyncVectorEnv`.
        rebuild: make an environment anew after it raised.
        threads: threads that step, in each worker.
        step_timeout_s: seconds for a step or reset of one environment; None for ever.
    """

    description: Description

    def __init__(
        self,
        makers: Sequence[Maker],
        num_workers: int,
        autoreset: AutoresetMode,
        rebuild: bool,
        threads: int,
        step_timeout_s: float | None,
    ) -> None:
        self.makers, self.autoreset, self.rebuild, self.threads = makers, autoreset, rebuild, threads
        self.step_timeout_s = step_timeout_s
        count = len(makers)
        bounds = [count * w // num_workers for w in range(num_workers + 1)]
        self.slices = [range(a, b) for a, b in itertools.pairwise(bounds)]
        self.worker_of = [w for w, ids in enumerate(self.slices) for _ in ids]
        self.in_flight: list[set[int]] = [set() for _ in self.slices]
        self.deaths = [0] * num_workers
        """How often each worker died in a row."""
        self.generation = 0
        """Grows with every worker that is replaced."""
        self._starting: dict[int, tuple[float, list[tuple[Any, ...]]]] = {}
        """Workers that are not ready yet: until when they must be, and requests that wait for it."""
        self._dead: dict[int, Failure] = {}
        """Workers that are gone and not replaced yet."""
        self.traffic = [0] * num_workers
        """Grows with whatever comes from or goes to a worker, where `running_since` does not show it."""
        self._silent: dict[int, tuple[Any, float]] = {}
        """Workers with requests in flight: the last signs of life, and when they were first seen."""
        self._given_up: dict[int, Failure] = {}
        """Environments whose worker is not replaced any more."""
        self._seeds: list[int | None] = [None] * count
        self._restarts = [0] * count
        """How often each environment was lost since it got a seed."""
        self._lost: dict[int, Failure] = {}
        """Environments that lost an episode between two steps."""
        self._returning: dict[int, Failure] = {}
        """Environments whose loss is reported together with the reset that follows it (same-step)."""
        self._arrived: list[Chunk] = []
        self._asked = 0
        self._answer: list[tuple[bool, Any]] | None = None
        self.blank: Any = None

    # --- what a kind of workers provides

    @abstractmethod
    def spawn(self, worker: int, setup: bytes) -> None:
        """Start a worker; its first message is ``ready`` or ``failed``."""

    @abstractmethod
    def transmit(self, worker: int, message: tuple[Any, ...]) -> None:
        """Send a message; a worker that is gone shows in `poll`."""

    @abstractmethod
    def poll(self, timeout_s: float | None) -> list[tuple[int, Any]]:
        """Return messages with their workers; None as message of one that is gone."""

    def cause_of_death(self, worker: int) -> str:
        """Return what is known about the end of a worker that `poll` reported."""
        return "the worker process died"

    @abstractmethod
    def kill(self, worker: int) -> None:
        """End a worker at once."""

    @abstractmethod
    def running_since(self, worker: int) -> list[float]:
        """Return for each environment of a worker when its step began; 0.0 for none."""

    @abstractmethod
    def wake_fds(self) -> list[int]:
        """Return descriptors that become readable when `pump` has something to do."""

    # --- starting

    def start(self) -> Description:
        """Start all workers side by side.

        Raises:
            EnvFailedError: an environment cannot be made.
        """
        for worker in range(len(self.slices)):
            self._launch(worker)
        while self._starting and not self._dead:
            self._poll(remaining(self._first_limit()))
            self._end_unready()
        for worker, failure in self._dead.items():
            raise EnvFailedError(self._culprit(worker), *failure)
        return self.description

    def _launch(self, worker: int, seeds: Sequence[int | None] | None = None) -> None:
        makers = [self.makers[i] for i in self.slices[worker]]
        has_deadlines = self.step_timeout_s is not None
        setup = Setup(makers, self.autoreset, self.rebuild, has_deadlines, self.threads, seeds)
        self._starting[worker] = time.monotonic() + START_LIMIT_S, []
        self.spawn(worker, cloudpickle.dumps(setup))

    def _ready(self, worker: int, spaces: bytes, rest: bytes) -> None:
        if worker == 0:
            observation_space, action_space = pickle.loads(spaces)
            self.description = Description(observation_space, action_space, *pickle.loads(rest))
            self.blank = blank_observation(observation_space)
        _, held = self._starting.pop(worker)
        for message in held:
            self.transmit(worker, message)

    # --- requests

    def step(self, ids: Sequence[int], actions: Sequence[Any]) -> None:
        if self._lost or self._given_up:
            ids, actions = self._report_lost(ids, actions)
        for worker, own, places in self._split(ids):
            self._request(worker, ("step", own, [actions[p] for p in places]))

    def reset(self, ids: Sequence[int], seeds: Sequence[Any], options: Sequence[Any]) -> None:
        if any(options):
            _check_options(options)
        for i, seed in zip(ids, seeds, strict=True):
            self._lost.pop(i, None)
            if seed is not None:
                self._seeds[i], self._restarts[i] = seed, 0
        if self._given_up:
            ids, seeds, options = self._report_lost(ids, seeds, options)
        self._begin_reset(ids, seeds, options)

    def _begin_reset(self, ids: Sequence[int], seeds: Sequence[Any], options: Sequence[Any]) -> None:
        for worker, own, places in self._split(ids):
            rows = [seeds[p] for p in places], [options[p] for p in places]
            self._request(worker, ("reset", own, *rows))

    def _request(self, worker: int, message: tuple[Any, ...]) -> None:
        if worker in self._starting:
            self._starting[worker][1].append(message)
        else:
            self.transmit(worker, message)

    def ask(self, kind: str, ids: Sequence[int], *rest: Any) -> list[tuple[bool, Any]]:
        """Ask environments for something and wait for the answers."""
        found: dict[int, tuple[bool, Any]] = {}
        for worker, own, places in self._split(ids, in_flight=False):
            chosen = self.slices[worker]
            local = list(range(len(chosen))) if own is None else own
            parts = rest if kind == "call" else (rest[0], [rest[1][i] for i in chosen])
            for place, answer in zip(places, self._ask(worker, kind, local, parts), strict=True):
                found[place] = _loaded(answer)
        return [found[place] for place in range(len(ids))]

    def _ask(
        self, worker: int, kind: str, local: list[int], parts: Sequence[Any]
    ) -> list[tuple[bool, Any]]:
        if failure := self._given_up.get(self.slices[worker].start):
            return [(False, failure)] * len(local)
        # The number keeps apart what answers a call that the caller has broken off, by Ctrl-C.
        self._asked += 1
        self._answer = None
        self._request(worker, (kind, local, self._asked, *parts))
        limit = self.step_timeout_s
        # Steps of others may be before it in the same worker.
        before = len(self.in_flight[worker])
        deadline = None if limit is None else time.monotonic() + limit * (len(local) + before)
        while self._answer is None:
            self._poll(1.0 if deadline is None else min(1.0, remaining(deadline) or 0.0))
            if deadline and time.monotonic() > deadline and worker not in self._starting:
                self._dead[worker] = "StepTimeout", f"no answer to {kind!r} within its time", ""
            self._end_unready()
            if failure := self._dead.get(worker):
                self._answer = [(False, failure)] * len(local)
            self._replace_dead()
        return self._answer

    def _split(
        self, ids: Sequence[int], in_flight: bool = True
    ) -> list[tuple[int, list[int] | None, Sequence[int]]]:
        """Return worker, local indices (None for all, in order) and places in ``ids`` of each part."""
        if ids == range(len(self.makers)):
            parts: list[tuple[int, list[int] | None, Sequence[int]]] = []
            for worker, own in enumerate(self.slices):
                parts.append((worker, None, own))
                if in_flight:
                    self.in_flight[worker].update(own)
            return parts
        by_worker: dict[int, tuple[list[int], list[int]]] = {}
        for place, i in enumerate(ids):
            worker = self.worker_of[i]
            locals_, places = by_worker.setdefault(worker, ([], []))
            locals_.append(i - self.slices[worker].start)
            places.append(place)
            if in_flight:
                self.in_flight[worker].add(i)
        return [(worker, *part) for worker, part in by_worker.items()]

    # --- replies

    def pump(self, timeout_s: float | None) -> list[Chunk]:
        """Return what has arrived; wait for something, at most so long, when there is nothing."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._replace_dead()
        while not self._arrived:
            self._poll(self._wait_s(deadline))
            self._end_overdue()
            self._end_unready()
            self._replace_dead()
            if deadline is not None and time.monotonic() >= deadline:
                break
        arrived, self._arrived = self._arrived, []
        return arrived

    def _wait_s(self, deadline: float | None) -> float | None:
        waits = [remaining(deadline), remaining(self._first_limit())]
        if self.step_timeout_s is not None and any(self.in_flight):
            waits.append(min(1.0, self.step_timeout_s / 4))
        return min((wait_s for wait_s in waits if wait_s is not None), default=None)

    def _poll(self, timeout_s: float | None) -> None:
        for worker, message in self.poll(timeout_s):
            self._receive(worker, message)

    def _receive(self, worker: int, message: Any) -> None:
        if message is None:
            self._dead.setdefault(worker, (WORKER_DIED, self.cause_of_death(worker), ""))
            return
        kind, *rest = message
        if kind == "answers":
            number, answers = rest
            if number == self._asked:
                self._answer = answers
        elif kind == "ready":
            self._ready(worker, *rest)
        elif kind == "failed":
            self._dead[worker] = rest[0]
        else:
            indices, *columns = rest
            own = self.slices[worker]
            ids = own if indices is None else [own.start + i for i in indices]
            self.in_flight[worker].difference_update(ids)
            self.deaths[worker] = 0
            results = Results(*columns)
            if self._returning:
                self._add_losses(ids, results)
            self._arrived.append(Chunk(ids, results))

    # --- failures

    def _end_overdue(self) -> None:
        limit = self.step_timeout_s
        if limit is None:
            return
        now = time.monotonic()
        for worker, waiting in enumerate(self.in_flight):
            if not waiting or worker in self._starting or worker in self._dead:
                self._silent.pop(worker, None)
                continue
            own = self.slices[worker]
            since = self.running_since(worker)
            hung = [own.start + j for j, began in enumerate(since) if began and now - began > limit]
            if hung:
                self._gone(worker, ("StepTimeout", f"no result within {limit:g} s", ""), hung)
            elif silence := self._silence(worker, since, now, limit):
                self._gone(worker, (WORKER_LOST, f"no sign of life for {silence:.1f} s", ""))

    def _silence(self, worker: int, since: list[float], now: float, limit: float) -> float:
        """Return for how long a worker has shown no sign of life, if that is too long; else 0.0.

        A worker that was stopped, by SIGSTOP say, begins no step that could take too long. Looks alone
        count: while the caller is away, a worker may wait for the rest of a request or of its answer.
        """
        signs = self.traffic[worker], since
        before, seen = self._silent.setdefault(worker, (signs, now))
        if signs != before:
            self._silent[worker] = signs, now
            return 0.0
        rounds = math.ceil(len(self.in_flight[worker]) / max(1, self.threads))
        return now - seen if now - seen > rounds * limit + SILENCE_SLACK_S else 0.0

    def _end_unready(self) -> None:
        now = time.monotonic()
        for worker, (limit, _) in self._starting.items():
            if now > limit:
                text = f"the environments were not made within {START_LIMIT_S:g} s"
                self._dead.setdefault(worker, ("StartTimeout", text, ""))

    def _first_limit(self) -> float | None:
        return min((limit for limit, _ in self._starting.values()), default=None)

    def _replace_dead(self) -> None:
        while self._dead:
            self._gone(*self._dead.popitem())

    def _gone(self, worker: int, failure: Failure, culprits: Sequence[int] = ()) -> None:
        """Replace a worker and let its environments report their loss."""
        own, waiting = self.slices[worker], sorted(self.in_flight[worker])
        logger.warning("worker %d of environments %d to %d: %s", worker, own[0], own[-1], failure[1])
        self.in_flight[worker] = set()
        if not culprits:
            culprits = self._running(worker)
            if failure[0] == WORKER_DIED and len(culprits) != 1:
                failure = WORKER_LOST, failure[1], failure[2]
        named = ", ".join(map(str, culprits[:5]))
        other: Failure = (
            WORKER_RESTARTED,
            f"its worker was replaced: environment {named}: {failure[1]}" if named else failure[1],
            "",
        )
        losses = {i: failure if i in culprits or not culprits else other for i in own}
        self._replace(worker, failure)
        self._lost.update({i: losses[i] for i in own if i not in waiting})
        self._return_losses(waiting, losses)

    def _running(self, worker: int) -> list[int]:
        """Return the environments at whose step or reset their worker was when it died."""
        start = self.slices[worker].start
        return [start + j for j, began in enumerate(self.running_since(worker)) if began]

    def _culprit(self, worker: int) -> int:
        return next(iter(self._running(worker)), self.slices[worker].start)

    def _replace(self, worker: int, failure: Failure) -> None:
        own = self.slices[worker]
        self.kill(worker)
        self._starting.pop(worker, None)
        self.deaths[worker] += 1
        if self.deaths[worker] > MAX_DEATHS:
            kind, text, trace = failure
            text = f"its worker died {self.deaths[worker]} times in a row, at last by {kind}: {text}"
            self._give_up(own, text, trace)
            return
        self.generation += 1
        seeds = []
        for i in own:
            self._restarts[i] += 1
            seeds.append(derived_seed(self._seeds[i], self._restarts[i]))
        try:
            self._launch(worker, seeds)
        except OSError as error:  # no memory, or no more processes
            self._give_up(own, f"its worker cannot be replaced: {error}")

    def _give_up(self, ids: Sequence[int], text: str, trace: str = "") -> None:
        self._given_up.update({i: (GIVEN_UP, text, trace) for i in ids})

    def _report_lost(self, ids: Sequence[int], *columns: Sequence[Any]) -> list[list[Any]]:
        """Answer for environments that lost their episode or their worker; return the rest."""
        failures = {**self._lost, **self._given_up}
        losses = {i: failures[i] for i in ids if i in failures}
        for i in losses:
            self._lost.pop(i, None)
        self._return_losses(list(losses), losses)
        is_left = [i not in losses for i in ids]
        return [list(itertools.compress(column, is_left)) for column in (ids, *columns)]

    def _return_losses(self, ids: Sequence[int], losses: dict[int, Failure]) -> None:
        if self.autoreset is AutoresetMode.SAME_STEP:
            reset = [i for i in ids if i not in self._given_up]
            self._returning.update({i: losses[i] for i in reset})
            self._begin_reset(reset, [None] * len(reset), [None] * len(reset))
            ids = [i for i in ids if i in self._given_up]
        if ids:
            failures = {place: self._given_up.get(i, losses[i]) for place, i in enumerate(ids)}
            rows: list[Row] = [
                (self.blank, 0.0, False, True, failure_info(failure)) for failure in failures.values()
            ]
            self._arrived.append(Chunk(ids, Results.of(rows, failures)))

    def _add_losses(self, ids: Sequence[int], results: Results) -> None:
        """Turn the reset of a lost environment into its last step, with the fresh observation."""
        for place, i in enumerate(ids):
            failure = self._returning.pop(i, None)
            if failure is not None:
                info = failure_info(failure)
                final = {"final_obs": self.blank, "final_info": info}
                results.infos[place] = {**final, **results.infos[place], **info}
                results.truncations[place] = True
                results.failures[place] = failure


def _loaded(answer: tuple[bool, Any]) -> tuple[bool, Any]:
    """Return an answer with its value; a failure where the value cannot be made again here."""
    if not answer[0]:
        return answer
    try:
        return True, pickle.loads(answer[1])
    except Exception as error:
        return False, describe(error)


def _check_options(options: Sequence[Any]) -> None:
    try:
        pickle.dumps(options)
    except Exception as error:
        raise ConfigError(f"options must be picklable to reach a worker: {error}") from error
