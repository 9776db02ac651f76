"""RayVectorEnv: the vector of environments over the nodes of a Ray cluster."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gymnasium.vector import AutoresetMode

from gym_llm.errors import ConfigError
from gym_llm.vector.backend import Backend
from gym_llm.vector.group import Maker
from gym_llm.vector.vector_env import AsyncVectorEnv, OnError


class RayVectorEnv(AsyncVectorEnv):
    """Environments in Ray actors, on several machines; otherwise like `AsyncVectorEnv`.

    The actors are spread over the nodes and reserve nothing while they run. Every node needs gym_llm and
    the modules of the environments. Where the program has not connected to a cluster, Ray is started on
    this machine, and shut down with the last vector. When a node is lost, its environments go on on
    other nodes, after the end of an episode as for a worker that died.

    A step takes about a millisecond more than with worker processes, and with ``threads`` or
    ``step_timeout`` each environment costs a message: this is for environments that compute or wait.

    Args:
        env: see `AsyncVectorEnv`, as all arguments that are not here.
        num_workers: actors; None takes one a CPU of the cluster.
        step_timeout: seconds that a step or reset of one environment may take, as seen from here: with
            the way to the actor.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: arguments that cannot work. EnvFailedError: an environment cannot be made.
    """

    def __init__(
        self,
        env: str | Maker | Sequence[Maker],
        num_envs: int | None = None,
        *,
        num_workers: int | None = None,
        threads: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        step_timeout: float | None = None,
        on_error: OnError = "raise",
        rebuild: bool | None = None,
        batch_size: int = 1,
        seeding: Literal["sequence", "increment"] = "sequence",
        env_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.closed = True  # until there is something to close
        if num_workers == 0:
            raise ConfigError("num_workers must be 1 or more: an actor each")
        self._has_default_workers = num_workers is None
        super().__init__(
            env,
            num_envs,
            num_workers=sys.maxsize if num_workers is None else num_workers,
            threads=threads,
            autoreset_mode=autoreset_mode,
            step_timeout=step_timeout,
            on_error=on_error,
            rebuild=rebuild,
            batch_size=batch_size,
            seeding=seeding,
            env_kwargs=env_kwargs,
        )

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
        from gym_llm.vector.ray_backend import RayBackend

        return RayBackend(
            makers=makers,
            num_workers=None if self._has_default_workers else workers,
            autoreset=mode,
            rebuild=rebuild,
            threads=threads,
            step_timeout_s=step_timeout,
        )
