"""AsyncVectorEnv: many text environments behind Gymnasium's vector interface, and without lock-step."""

import asyncio
import collections
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import gymnasium
import numpy as np
from gymnasium.error import (
    AlreadyPendingCallError,
    ClosedEnvironmentError,
    NoAsyncCallError,
    ResetNeeded,
)
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate
from numpy.typing import NDArray

from gym_llm.errors import ConfigError, EnvFailedError
from gym_llm.vector.arguments import check, make_makers, modules_of, suited_to
from gym_llm.vector.backend import Backend, Chunk, LocalBackend, remaining
from gym_llm.vector.group import GIVEN_UP, Failure, Maker, Results
from gym_llm.vector.infos import VectorInfos
from gym_llm.vector.watch import Watch

OnError = Literal["raise", "truncate", "restart"]
StartMethod = Literal["forkserver", "spawn", "fork"]
CLOSE_TIMEOUT_S = 5.0


class Batch(NamedTuple):
    """Results of some environments of a vector; the columns have one entry for each of ``env_ids``."""

    observations: Any
    """As the vector's observations: a tuple of str for text."""
    rewards: NDArray[np.float64]
    terminations: NDArray[np.bool_]
    truncations: NDArray[np.bool_]
    infos: VectorInfos
    """Read as a dict it also has ``env_id``, as EnvPool's infos do."""
    env_ids: NDArray[np.int64]


class AsyncVectorEnv(VectorEnv[Any, Any, Any]):
    """Environments in this process or in worker processes; three faces on the same engine.

    - `reset` and `step`: Gymnasium's contract, all environments together.
    - `async_reset`, `send` and `recv`: some environments at a time, so that slow ones hold nobody up.
    - `reset_one` and `step_one`: coroutines, one environment each, for asyncio.

    Args:
        env: an id, a list of functions that each make an environment, or one such function.
        num_envs: number of environments; not needed for a list.
        num_workers: worker processes; 0 steps in this process, which is the fastest for cheap
            environments; None takes what suits the id: 0 for cheap ones, else a worker a core.
        threads: threads that step environments (in each worker, or in this process), for environments
            that wait on something; 0 steps one after the other; None takes what suits the id.
        context: how workers start: ``"forkserver"``, ``"spawn"`` or ``"fork"``.
        autoreset_mode: Gymnasium's ``AutoresetMode`` or its value, such as ``"SameStep"``.
        step_timeout: seconds that a step or reset of one environment may take; needs workers.
        on_error: what an environment that raises, hangs or loses its worker does: ``"raise"`` raises
            EnvFailedError, ``"truncate"`` ends its episode with a blank observation, reward 0.0,
            ``truncated`` and ``info["error"]``; ``"restart"`` also makes the environment anew. A worker
            that died or hung is replaced in every case.
        rebuild: make an environment anew after it raised; by default only with ``"restart"``.
        batch_size: how many results `recv` waits for by default.
        seeding: ``"sequence"`` derives a seed for each environment from the one given to `reset` by
            SeedSequence; ``"increment"`` counts up from it, as Gymnasium does, where neighbouring seeds
            share all but one environment.
        env_kwargs: arguments for ``gymnasium.make`` when ``env`` is an id.

    Raises:
        ConfigError: arguments that cannot work. EnvFailedError: an environment cannot be made.
    """

    def __init__(
        self,
        env: str | Maker | Sequence[Maker],
        num_envs: int | None = None,
        *,
        num_workers: int | None = None,
        threads: int | None = None,
        context: StartMethod = "forkserver",
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        step_timeout: float | None = None,
        on_error: OnError = "raise",
        rebuild: bool | None = None,
        batch_size: int = 1,
        seeding: Literal["sequence", "increment"] = "sequence",
        env_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.closed = True  # until there is something to close
        makers = make_makers(env, num_envs, env_kwargs)
        defaults = suited_to(env if isinstance(env, str) else None, len(makers))
        workers = defaults[0] if num_workers is None else num_workers
        threads = defaults[1] if threads is None else threads
        mode = AutoresetMode(autoreset_mode)
        check(workers, threads, context, step_timeout, on_error)
        if seeding not in ("sequence", "increment"):
            raise ConfigError(f"seeding must be 'sequence' or 'increment', got {seeding!r}")
        self.num_envs = len(makers)
        self.on_error = on_error
        self.batch_size = batch_size
        self.seeding = seeding
        self.autoreset_mode = mode
        self._backend = self._make_backend(
            makers,
            min(workers, len(makers)),
            threads,
            context,
            mode,
            step_timeout,
            on_error == "restart" if rebuild is None else rebuild,
            env,
        )
        self.is_immediate = isinstance(self._backend, LocalBackend) and not self._backend.has_threads
        """Whether environments step in this process and thread, so that `step_now` can be had."""
        about = self._backend.description
        self.single_observation_space, self.single_action_space = (
            about.observation_space,
            about.action_space,
        )
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {**about.metadata, "autoreset_mode": mode}
        self.render_mode = about.render_mode
        self.spec: Any = None
        self._has_text = isinstance(self.single_observation_space, gymnasium.spaces.Text)
        self._takes_text = isinstance(self.single_action_space, gymnasium.spaces.Text)
        self._everyone = range(self.num_envs)
        self._busy: set[int] = set()
        self._inbox: collections.deque[tuple[int, Chunk, int]] = collections.deque()
        """Results that nobody has taken: environment, chunk, place in it."""
        self._started: set[int] = set()
        self._ended: set[int] = set()
        """With autoreset disabled: environments that must be reset before they are stepped."""
        self._last = [None] * self.num_envs
        self._waiters: dict[int, asyncio.Future[tuple[Results, int]]] = {}
        self._outbox: list[tuple[int, Any]] = []
        self._watch: Watch | None = None
        self.closed = False

    def _make_backend(
        self,
        makers: list[Maker],
        workers: int,
        threads: int,
        context: str,
        mode: AutoresetMode,
        step_timeout: float | None,
        rebuild: bool,
        env: Any,
    ) -> Backend:
        if workers == 0:
            return LocalBackend(makers, mode, rebuild, min(threads, len(makers)))
        from gym_llm.vector.processes import ProcessBackend

        return ProcessBackend(
            context=context,
            preload=modules_of(env),
            makers=makers,
            num_workers=workers,
            autoreset=mode,
            rebuild=rebuild,
            threads=threads,
            step_timeout_s=step_timeout,
        )

    # --- all together

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | Sequence[Mapping[str, Any] | None] | None = None,
    ) -> tuple[Any, VectorInfos]:
        """Reset all environments, or those of ``options["reset_mask"]``.

        Args:
            seed: an int, from which SeedSequence derives a seed for each environment; or a seed (or
                None) for each.
            options: for all environments, or a list with options (or None) for each.

        Returns:
            Observations and infos. With a mask, environments outside it keep their last observation and
            have an empty info.
        """
        self._refuse_if_busy("reset")
        ids, per_env = self._reset_options(options)
        seeds = self._seeds(seed)
        self._inbox.clear()
        self._begin_reset(ids, [seeds[i] for i in ids], [per_env[i] for i in ids])
        rows = self._collect(ids)
        infos: list[dict[str, Any]] = [{} for _ in self._everyone]
        for i, (results, place) in zip(ids, rows, strict=True):
            infos[i] = results.infos[place]
            self._last[i] = results.observations[place]
        return self._batched(self._last), VectorInfos(infos)

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], VectorInfos]:
        """Step all environments and wait for all of them."""
        self._refuse_if_busy("step")
        self._begin_step(self._everyone, self._checked(actions, self.num_envs))
        whole = self._collect_whole()
        self._last = whole.observations
        return (
            self._batched(self._last),
            np.array(whole.rewards, dtype=np.float64),
            np.array(whole.terminations, dtype=np.bool_),
            np.array(whole.truncations, dtype=np.bool_),
            VectorInfos(whole.infos),
        )

    # --- some at a time

    def send(self, actions: Any, env_ids: Iterable[int]) -> None:
        """Begin steps of some environments; results come from `recv`.

        Raises:
            ConfigError: an id is out of range, given twice, or already stepping.
        """
        ids = self._idle(env_ids)
        self._begin_step(ids, self._checked(actions, len(ids)))

    def async_reset(
        self,
        env_ids: Iterable[int] | None = None,
        *,
        seeds: Sequence[int | None] | None = None,
        options: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> None:
        """Begin resets of some environments, or all; results come from `recv`."""
        ids = self._idle(self._everyone if env_ids is None else env_ids)
        nothing = [None] * len(ids)
        self._begin_reset(ids, list(seeds or nothing), list(options or nothing))

    def recv(self, min_envs: int | None = None, timeout: float | None = None) -> Batch:
        """Return results, oldest first: at least ``min_envs`` of them, or what is there at the timeout.

        Args:
            min_envs: by default ``batch_size``.
            timeout: seconds; None waits for ever.

        Raises:
            NoAsyncCallError: fewer than ``min_envs`` environments are stepping or have results.
            EnvFailedError: an environment failed, with ``on_error="raise"``; other results stay for the
                next call.
        """
        min_envs = self.batch_size if min_envs is None else min_envs
        if len(self._busy) + len(self._inbox) < min_envs:
            count = len(self._busy) + len(self._inbox)
            raise NoAsyncCallError(f"recv waits for {min_envs} results, only {count} can come", "recv")
        deadline = None if timeout is None else time.monotonic() + timeout
        while len(self._inbox) < min_envs:
            self._take_in(self._backend.pump(remaining(deadline)))
            if deadline is not None and time.monotonic() >= deadline:
                break
        return self._as_batch()

    # --- one at a time, for asyncio

    def is_idle(self, env_id: int) -> bool:
        """Return whether an environment has no request in flight; one may outlast who waited for it."""
        if env_id in self._busy:
            self._take_in(self._backend.pump(0))
        return env_id not in self._busy

    async def reset_one(
        self, env_id: int, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset one environment; others go on meanwhile."""
        (i,) = self._idle([env_id])
        if self._inbox:  # results that nobody waited for any more
            self._inbox = collections.deque(row for row in self._inbox if row[0] != i)
        self._begin_reset([i], [seed], [options])
        results, place = await self._arrival(i)
        return results.observations[place], results.infos[place]

    async def step_one(self, env_id: int, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step one environment; others go on meanwhile."""
        (i,) = self._idle([env_id])
        self._refuse_unready([i])
        self._outbox.append((i, self._checked([action], 1)[0]))
        self._busy.add(i)
        return _row(*await self._arrival(i))

    # --- one at a time, at once

    def reset_now(
        self, env_id: int, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset one environment here and now; see `step_now`."""
        i = self._idle_now(env_id)
        self._begin_reset([i], [seed], [options])
        results, place = self._now(i)
        return results.observations[place], results.infos[place]

    def step_now(self, env_id: int, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step one environment here and now, without a turn of the event loop as `step_one` takes.

        A coroutine that does nothing else lets no other one run.

        Raises:
            ConfigError: the vector is not `is_immediate`.
        """
        i = self._idle_now(env_id)
        self._begin_step([i], self._checked([action], 1))
        return _row(*self._now(i))

    def _idle_now(self, env_id: int) -> int:
        if not self.is_immediate:
            raise ConfigError("step_now needs environments in this process and thread (num_workers=0)")
        return self._idle([env_id])[0]

    def _now(self, i: int) -> tuple[Results, int]:
        found: tuple[Results, int] | None = None
        for chunk in self._backend.pump(0):
            if list(chunk.ids) == [i]:
                self._note(chunk)
                found = chunk.results, 0
            else:  # of those that a `send` began
                self._take_in([chunk])
        assert found is not None
        self._raise_failure([(i, *found)])
        return found

    # --- the environments themselves

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return an attribute of every environment, called when it can be."""
        return self._ask("call", self._everyone, name, args, kwargs)

    def call_one(self, env_id: int, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return an attribute of one environment, called when it can be; others may be stepping."""
        return self._answers("call", self._idle([env_id]), name, args, kwargs)[0]

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every environment; methods are called."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Set an attribute of every environment: a list or tuple gives each its own value."""
        each = list(values) if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(each) != self.num_envs:
            raise ConfigError(f"set_attr needs {self.num_envs} values, got {len(each)}")
        self._ask("set", self._everyone, name, each)

    def render(self) -> tuple[Any, ...]:
        """Return what every environment renders."""
        return self.call("render")

    def close_extras(self, **kwargs: Any) -> None:
        """Close all environments and end the workers; what takes longer than a few seconds is killed."""
        if self._watch is not None:
            self._watch.stop()
        for waiter in self._waiters.values():
            if not waiter.get_loop().is_closed():
                waiter.cancel("the vector was closed")
        self._backend.close(float(kwargs.get("timeout", CLOSE_TIMEOUT_S)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if not self.closed:
            self.close(timeout=0.0)

    # --- requests

    def _begin_reset(self, ids: Sequence[int], seeds: Sequence[Any], options: Sequence[Any]) -> None:
        if not len(seeds) == len(options) == len(ids):
            raise ConfigError(f"{len(ids)} environments, {len(seeds)} seeds and {len(options)} options")
        self._backend.reset(ids, seeds, [None if o is None else dict(o) for o in options])
        self._started.update(ids)
        self._ended.difference_update(ids)
        self._busy.update(ids)

    def _begin_step(self, ids: Sequence[int], actions: Sequence[Any]) -> None:
        self._refuse_unready(ids)
        self._backend.step(ids, actions)
        self._busy.update(ids)

    def _flush(self) -> None:
        """Begin the steps that coroutines asked for since the last time, one message a worker."""
        if self._outbox:
            outbox, self._outbox = self._outbox, []
            self._backend.step([i for i, _ in outbox], [action for _, action in outbox])

    def _refuse_unready(self, ids: Sequence[int]) -> None:
        if len(self._started) < self.num_envs and not self._started.issuperset(ids):
            raise ResetNeeded("call reset before step")
        if self._ended and not self._ended.isdisjoint(ids):
            first = min(self._ended.intersection(ids))
            raise ResetNeeded(
                f'environment {first} has ended: reset it with options={{"reset_mask": ...}} first'
            )

    def _checked(self, actions: Any, count: int) -> list[Any]:
        if isinstance(actions, str | bytes):
            raise ConfigError(f"actions must be a sequence of {count} actions, got one text")
        listed = list(
            actions
            if self._takes_text
            else iterate(batch_space(self.single_action_space, count), actions)
        )
        if len(listed) != count:
            raise ConfigError(f"expected {count} actions, got {len(listed)}")
        if self._takes_text:
            for place, action in enumerate(listed):
                if type(action) is not str:
                    if not isinstance(action, str):
                        raise ConfigError(f"action {place} must be a str, got {type(action).__name__}")
                    listed[place] = str(action)
        return listed

    def _idle(self, env_ids: Iterable[int]) -> list[int]:
        self._refuse_if_closed()
        ids = [int(i) for i in env_ids]
        for i in ids:
            if not 0 <= i < self.num_envs:
                raise ConfigError(f"env_ids must be from 0 to {self.num_envs - 1}, got {i}")
            if i in self._busy:
                raise ConfigError(f"environment {i} is still at its last request")
        if len(set(ids)) < len(ids):
            raise ConfigError(f"env_ids has an id twice: {ids[:20]}")
        return ids

    def _refuse_if_closed(self) -> None:
        if self.closed:
            raise ClosedEnvironmentError("this vector is closed")

    def _refuse_if_busy(self, what: str) -> None:
        self._refuse_if_closed()
        if self._busy:
            raise AlreadyPendingCallError(
                f"{what} needs all environments, and {len(self._busy)} are still at a request", what
            )

    def _seeds(self, seed: Any) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            if self.seeding == "increment":
                return [int(seed) + i for i in self._everyone]
            states = np.random.SeedSequence(int(seed)).generate_state(self.num_envs)
            return [int(state) for state in states]
        seeds = [None if s is None else int(s) for s in seed]
        if len(seeds) != self.num_envs:
            raise ConfigError(f"expected {self.num_envs} seeds, got {len(seeds)}")
        return seeds

    def _reset_options(self, options: Any) -> tuple[Sequence[int], list[Any]]:
        if options is None or isinstance(options, Mapping):
            shared = dict(options or {})
            mask = shared.pop("reset_mask", None)
            if mask is not None and len(mask) != self.num_envs:
                raise ConfigError(f"reset_mask must have {self.num_envs} entries, got {len(mask)}")
            ids = self._everyone if mask is None else [i for i in self._everyone if mask[i]]
            return ids, [shared or None] * self.num_envs
        each = list(options)
        if len(each) != self.num_envs:
            raise ConfigError(f"expected {self.num_envs} options, got {len(each)}")
        return self._everyone, each

    def _ask(self, kind: str, ids: Sequence[int], *rest: Any) -> tuple[Any, ...]:
        self._refuse_if_busy("call")
        return self._answers(kind, ids, *rest)

    def _answers(self, kind: str, ids: Sequence[int], *rest: Any) -> tuple[Any, ...]:
        answers = self._backend.ask(kind, ids, *rest)
        for i, (is_ok, value) in zip(ids, answers, strict=True):
            if not is_ok:
                raise EnvFailedError(i, *value)
        return tuple(value for _, value in answers)

    # --- results

    def _take_in(self, chunks: Iterable[Chunk]) -> None:
        """Give arrived results to those who wait for them, else to the inbox."""
        for chunk in chunks:
            self._note(chunk)
            for place, i in enumerate(chunk.ids):
                waiter = self._waiters.pop(i, None)
                if waiter is None:
                    self._inbox.append((i, chunk, place))
                elif not waiter.cancelled():
                    waiter.set_result((chunk.results, place))

    def _note(self, chunk: Chunk) -> None:
        self._busy.difference_update(chunk.ids)
        if self.autoreset_mode is AutoresetMode.DISABLED:
            ended = zip(chunk.ids, chunk.results.terminations, chunk.results.truncations, strict=True)
            self._ended.update(i for i, terminated, truncated in ended if terminated or truncated)

    def _collect(self, ids: Sequence[int]) -> list[tuple[Results, int]]:
        """Wait for some environments and return their rows in the order of the ids."""
        while self._busy:
            self._take_in(self._backend.pump(None))
        found = {i: (chunk.results, place) for i, chunk, place in self._inbox}
        self._inbox.clear()
        rows = [found[i] for i in ids]
        self._raise_failure((i, *row) for i, row in zip(ids, rows, strict=True))
        return rows

    def _collect_whole(self) -> Results:
        """Wait for all environments; chunks of neighbours are joined without touching their rows."""
        chunks: list[Chunk] = []
        while self._busy:
            arrived = self._backend.pump(None)
            for chunk in arrived:
                self._note(chunk)
            chunks.extend(arrived)
        if len(chunks) == 1:
            whole = chunks[0].results
        elif all(isinstance(chunk.ids, range) for chunk in chunks):
            whole = Results()
            for chunk in sorted(chunks, key=lambda c: c.ids[0]):
                _extend(whole, chunk.results)
        else:
            whole = _ordered(chunks)
        if whole.failures:
            self._raise_failure((place, whole, place) for place in whole.failures)
        return whole

    def _raise_failure(self, rows: Iterable[tuple[int, Results, int]]) -> None:
        failed = [(i, results.failures[p]) for i, results, p in rows if self._is_raised(results, p)]
        if failed:
            raise _error(failed)

    def _is_raised(self, results: Results, place: int) -> bool:
        failure = results.failures.get(place)
        return failure is not None and (self.on_error == "raise" or failure[0] == GIVEN_UP)

    def _as_batch(self) -> Batch:
        rows = list(self._inbox)
        self._inbox.clear()
        failed = [(i, c.results.failures[p]) for i, c, p in rows if self._is_raised(c.results, p)]
        if failed:
            self._inbox.extend(row for row in rows if not self._is_raised(row[1].results, row[2]))
            raise _error(failed)
        env_ids = np.array([i for i, _, _ in rows], dtype=np.int64)
        return Batch(
            self._batched([c.results.observations[p] for _, c, p in rows]),
            np.array([c.results.rewards[p] for _, c, p in rows], dtype=np.float64),
            np.array([c.results.terminations[p] for _, c, p in rows], dtype=np.bool_),
            np.array([c.results.truncations[p] for _, c, p in rows], dtype=np.bool_),
            VectorInfos([c.results.infos[p] for _, c, p in rows], {"env_id": env_ids}),
            env_ids,
        )

    async def _arrival(self, i: int) -> tuple[Results, int]:
        if self._watch is None:
            self._watch = Watch(self._backend, self._flush, self._take_in)
        future: asyncio.Future[tuple[Results, int]] = asyncio.get_running_loop().create_future()
        self._waiters[i] = future
        self._watch.start()
        try:
            results, place = await future
        finally:
            self._waiters.pop(i, None)
        self._raise_failure([(i, results, place)])
        return results, place

    def _batched(self, observations: Sequence[Any]) -> Any:
        if self._has_text:
            return tuple(observations)
        space = self.single_observation_space
        out: Any = create_empty_array(space, len(observations))
        return concatenate(space, observations, out)


class SyncVectorEnv(AsyncVectorEnv):
    """The twin for debugging: the same interface, every environment stepped in the caller's thread."""

    def __init__(
        self,
        env: str | Maker | Sequence[Maker],
        num_envs: int | None = None,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        on_error: OnError = "raise",
        env_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            env,
            num_envs,
            num_workers=0,
            threads=0,
            autoreset_mode=autoreset_mode,
            on_error=on_error,
            env_kwargs=env_kwargs,
        )


def _row(results: Results, place: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
    return (
        results.observations[place],
        results.rewards[place],
        results.terminations[place],
        results.truncations[place],
        results.infos[place],
    )


def _extend(whole: Results, part: Results) -> None:
    if part.failures:
        whole.failures.update({len(whole.rewards) + p: f for p, f in part.failures.items()})
    whole.observations += part.observations
    whole.rewards += part.rewards
    whole.terminations += part.terminations
    whole.truncations += part.truncations
    whole.infos += part.infos


def _ordered(chunks: Sequence[Chunk]) -> Results:
    """Return the rows of chunks with single environments in the order of the ids."""
    ids = [i for chunk in chunks for i in chunk.ids]
    rows = dict(zip(ids, (row for chunk in chunks for row in chunk.results.rows()), strict=True))
    failed = {chunk.ids[p]: f for chunk in chunks for p, f in chunk.results.failures.items()}
    order = sorted(ids)
    failures = {place: failed[i] for place, i in enumerate(order) if i in failed}
    return Results.of([rows[i] for i in order], failures)


def _error(failed: Sequence[tuple[int, Failure]]) -> EnvFailedError:
    i, (kind, message, trace) = failed[0]
    others = sorted(j for j, _ in failed[1:])
    more = f" (and environments {', '.join(map(str, others[:10]))})" if others else ""
    return EnvFailedError(i, kind, message + more, trace)
