"""EnvGroup: several environments stepped one after the other, with autoreset and failures as results."""

import time
import traceback
from collections.abc import Callable, Iterable, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space, create_empty_array, iterate

Maker = Callable[[], gymnasium.Env[Any, Any]]
Failure = tuple[str, str, str]
"""Kind, message and traceback: plain text, as exceptions themselves may not travel between processes."""

GIVEN_UP = "WorkerGivenUp"
"""Kind of the failure of environments whose worker is not replaced any more; always raised."""

WORKER_DIED = "WorkerDied"
"""Kind of the failure of an environment that ended its worker."""
WORKER_LOST = "WorkerLost"
"""Kind of the failure of environments whose worker died when none or several of them were stepping, so
that it is not known which of them did it, if any."""
WORKER_RESTARTED = "WorkerRestarted"
"""Kind of the failure of an environment whose worker was ended by another one."""

Row = tuple[Any, float, bool, bool, dict[str, Any]]
"""Observation, reward, terminated, truncated, info."""


@dataclass
class Results:
    """What steps or resets of some environments gave: columns of equal length."""

    observations: list[Any] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    terminations: list[bool] = field(default_factory=list)
    truncations: list[bool] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    failures: dict[int, Failure] = field(default_factory=dict)
    """Position in the columns to what went wrong."""

    @classmethod
    def of(cls, rows: Sequence[Row], failures: dict[int, Failure] | None = None) -> "Results":
        """Return rows as columns."""
        if not rows:
            return cls()
        observations, rewards, terminations, truncations, infos = map(list, zip(*rows, strict=True))
        return cls(observations, rewards, terminations, truncations, infos, failures or {})

    def rows(self) -> Iterable[Row]:
        """Return the columns as rows."""
        columns = (self.observations, self.rewards, self.terminations, self.truncations, self.infos)
        return zip(*columns, strict=True)

    def columns(self) -> tuple[Any, ...]:
        """Return the columns as a tuple, which is cheaper to send."""
        return (
            self.observations,
            self.rewards,
            self.terminations,
            self.truncations,
            self.infos,
            self.failures,
        )


def failure_info(failure: Failure) -> dict[str, Any]:
    """Return the info of an environment that failed."""
    kind, message, trace = failure
    return {"error": f"{kind}: {message}", "traceback": trace}


def describe(error: BaseException) -> Failure:
    """Return an exception as plain text."""
    try:
        message = str(error)
    except BaseException:  # an exception whose own text raises, be it SystemExit
        message = "(no message)"
    try:
        trace = "".join(traceback.format_exception(error))[-20_000:]
    except BaseException:
        trace = ""
    return type(error).__name__, message, trace


def blank_observation(space: gymnasium.Space[Any]) -> Any:
    """Return what stands for the observation of an environment that failed: empty text, zeros."""
    if isinstance(space, gymnasium.spaces.Text):
        return ""
    return next(iter(iterate(batch_space(space, 1), create_empty_array(space, 1))))


class EnvGroup:
    """Environments of one process.

    Args:
        makers: one a environment.
        autoreset: when an environment that has ended starts again by itself.
        rebuild: make an environment anew after it raised, instead of resetting it.
        clock: a slot an environment; holds the time at which its running step began, else 0.0.
        seeds: for environments that replace lost ones: they begin with a reset, with these seeds.
        passes: exceptions that are not an environment's failure.
        has_deadlines: whether the clock needs the time; without, 1.0 stands for it, which costs less and
            still tells which environment was running when the process died.
    """

    def __init__(
        self,
        makers: Sequence[Maker],
        autoreset: AutoresetMode,
        rebuild: bool = False,
        clock: MutableSequence[float] | None = None,
        seeds: Sequence[int | None] | None = None,
        has_deadlines: bool = True,
        passes: tuple[type[BaseException], ...] = (),
    ) -> None:
        self.makers = makers
        self.autoreset = autoreset
        self.rebuild = rebuild
        self.passes = passes
        self.clock, self.has_deadlines = clock, has_deadlines
        self.envs = [self._make(i) for i in range(len(makers))]
        self.needs_reset = [seeds is not None] * len(makers)
        self._next_seeds = list(seeds or [None] * len(makers))
        self._last_seeds: list[int | None] = [None] * len(makers)
        self._rebuilt = [0] * len(makers)
        first = self.envs[0]
        self.observation_space, self.action_space = first.observation_space, first.action_space
        self.metadata, self.render_mode = dict(first.metadata), first.render_mode
        self.blank = blank_observation(self.observation_space)

    def reset(self, indices: Iterable[int], seeds: Sequence[Any], options: Sequence[Any]) -> Results:
        """Reset environments; a failure shows as a blank observation."""
        rows: list[Row] = []
        failures: dict[int, Failure] = {}
        for i, seed, option in zip(indices, seeds, options, strict=True):
            try:
                observation, info = self._reset(i, seed=seed, options=option)
                rows.append((observation, 0.0, False, False, info))
            except self.passes:
                raise
            except BaseException as error:
                failures[len(rows)] = describe(error)
                rows.append(self.failed(i, failures[len(rows)]))
        return Results.of(rows, failures)

    def step(self, indices: Iterable[int], actions: Sequence[Any]) -> Results:
        """Step environments; those that have ended are reset where the autoreset mode says so."""
        rows: list[Row] = []
        failures: dict[int, Failure] = {}
        for i, action in zip(indices, actions, strict=True):
            try:
                rows.append(self.step_one(i, action))
            except self.passes:
                raise
            except BaseException as error:
                failures[len(rows)] = describe(error)
                rows.append(self.failed(i, failures[len(rows)]))
        return Results.of(rows, failures)

    def step_one(self, i: int, action: Any) -> Row:
        """Step one environment; raises what it raises."""
        if self.needs_reset[i]:
            observation, info = self._reset(i)
            return observation, 0.0, False, False, info
        if self.clock is None:
            observation, reward, terminated, truncated, info = self.envs[i].step(action)
        else:
            self.clock[i] = time.monotonic() if self.has_deadlines else 1.0
            observation, reward, terminated, truncated, info = self.envs[i].step(action)
            self.clock[i] = 0.0
        if terminated or truncated:
            if self.autoreset is AutoresetMode.NEXT_STEP:
                self.needs_reset[i] = True
            elif self.autoreset is AutoresetMode.SAME_STEP:
                final = {"final_obs": observation, "final_info": info}
                observation, fresh = self._reset(i)
                info = {**final, **fresh}
        return observation, float(reward), bool(terminated), bool(truncated), info

    def call(self, i: int, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Return an attribute of an environment or its wrappers, called when it can be."""
        value = self.envs[i].get_wrapper_attr(name)
        return value(*args, **kwargs) if callable(value) else value

    def set(self, i: int, name: str, value: Any) -> None:
        """Set an attribute where it is, else on the outermost wrapper."""
        self.envs[i].set_wrapper_attr(name, value)

    def close(self) -> None:
        """Close all environments, whatever they raise."""
        for env in self.envs:
            try:
                env.close()
            except Exception:  # closing is best effort: the process is about to end
                continue

    def _reset(
        self, i: int, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        if self.clock is not None:
            self.clock[i] = time.monotonic()
        # It stays to be reset if this raises.
        self.needs_reset[i] = True
        if seed is None:
            seed = self._next_seeds[i]
        else:
            self._rebuilt[i] = 0
        if seed is not None:
            self._last_seeds[i], self._next_seeds[i] = seed, None
        observation, info = self.envs[i].reset(seed=seed, options=options)
        self.needs_reset[i] = False
        if self.clock is not None:
            self.clock[i] = 0.0
        return observation, info

    def failed(self, i: int, failure: Failure) -> Row:
        """Return the row of an environment that raised, and bring it back where that is possible."""
        if self.clock is not None:  # what follows has its own time
            self.clock[i] = time.monotonic()
        self.needs_reset[i] = self.autoreset is not AutoresetMode.DISABLED
        observation, info = self.blank, failure_info(failure)
        try:
            if self.rebuild:
                self._rebuild(i)
            if self.autoreset is AutoresetMode.SAME_STEP:
                final = {"final_obs": observation, "final_info": info}
                observation, fresh = self._reset(i)
                info = {**final, **fresh, **info}
        except BaseException:  # it cannot be brought back: the next step tries again and reports
            self.needs_reset[i] = True
        if self.clock is not None:
            self.clock[i] = 0.0
        return observation, 0.0, False, True, info

    def _make(self, i: int) -> gymnasium.Env[Any, Any]:
        if self.clock is not None:  # names the culprit when it raises or ends the process
            self.clock[i] = time.monotonic()
        env = self.makers[i]()
        if self.clock is not None:
            self.clock[i] = 0.0
        return env

    def _rebuild(self, i: int) -> None:
        self.envs[i].close()
        self.envs[i] = self._make(i)
        self._rebuilt[i] += 1
        self._next_seeds[i] = derived_seed(self._last_seeds[i], self._rebuilt[i])


def derived_seed(seed: int | None, number: int) -> int | None:
    """Return the seed of what comes after a failure; None after an unseeded start."""
    return None if seed is None else int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
