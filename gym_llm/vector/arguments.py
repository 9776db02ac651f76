"""The arguments of a vector: what makes its environments, what suits them, what cannot work."""

import functools
import importlib
import os
from collections.abc import Mapping
from typing import Any

import gymnasium

from gym_llm.errors import ConfigError
from gym_llm.registration import EnvInfo, register, table
from gym_llm.vector.group import Maker


def make_makers(env: Any, num_envs: int | None, env_kwargs: Mapping[str, Any] | None) -> list[Maker]:
    """Return a function for each environment.

    Raises:
        ConfigError: the arguments contradict each other, or nothing can be made of them.
    """
    if isinstance(env, str) or callable(env):
        if num_envs is None or num_envs < 1:
            raise ConfigError(f"num_envs must be 1 or more, got {num_envs!r}")
        if isinstance(env, str):
            return [functools.partial(_make, env, dict(env_kwargs or {}), table.get(env))] * num_envs
        makers = [env] * num_envs
    else:
        makers = list(env)
        if not makers or not all(map(callable, makers)):
            raise ConfigError(
                "env must be an id, a function, or a list of functions that make environments"
            )
        if num_envs not in (None, len(makers)):
            raise ConfigError(f"num_envs is {num_envs}, but {len(makers)} functions are given")
    if env_kwargs:
        raise ConfigError("env_kwargs are for ids; functions have their own arguments")
    return makers


def _make(env_id: str, kwargs: Mapping[str, Any], info: EnvInfo | None) -> gymnasium.Env[Any, Any]:
    importlib.import_module("gym_llm")
    if info is not None and env_id not in gymnasium.registry:
        register([info])  # a worker does not know what a program has registered by itself
    # Gymnasium's checker costs time at every step; ours are checked by tests.
    return gymnasium.make(env_id, disable_env_checker=True, **kwargs)


def suited_to(env_id: str | None, num_envs: int) -> tuple[int, int]:
    """Return the number of workers and threads that suit an environment."""
    info = table.get(env_id or "")
    cost = info.step_cost if info is not None else "cheap"
    if cost == "waits":
        return 0, min(num_envs, 64)
    return (min(os.cpu_count() or 1, num_envs), 0) if cost == "computes" else (0, 0)


def modules_of(env: Any) -> list[str]:
    """Return the modules that every worker will import anyway."""
    if isinstance(env, str):
        return ["gym_llm", table[env].env.partition(":")[0]] if env in table else []
    return []


def check(workers: Any, threads: Any, context: Any, step_timeout: Any, on_error: Any) -> None:
    """Check what does not depend on the environments.

    Raises:
        ConfigError: naming the argument, what was expected and what came.
    """
    for name, value in (("num_workers", workers), ("threads", threads)):
        if not isinstance(value, int) or value < 0:
            raise ConfigError(f"{name} must be an integer of 0 or more, got {value!r}")
    if context not in ("forkserver", "spawn", "fork"):
        raise ConfigError(f"context must be 'forkserver', 'spawn' or 'fork', got {context!r}")
    if on_error not in ("raise", "truncate", "restart"):
        raise ConfigError(f"on_error must be 'raise', 'truncate' or 'restart', got {on_error!r}")
    if step_timeout is not None and not step_timeout > 0:
        raise ConfigError(f"step_timeout must be a number of seconds above 0, got {step_timeout!r}")
    if step_timeout is not None and workers == 0:
        raise ConfigError("step_timeout needs worker processes: a step in this process cannot be ended")
