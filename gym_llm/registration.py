"""From the table of environments to Gymnasium's registry.

Importing gym_llm registers every id of the table with a string entry point, so no environment module is
loaded. Other packages add rows through the entry-point group ``gym_llm.environments``: each entry point
is a sequence of `EnvInfo`.
"""

import importlib
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import gymnasium

from gym_llm.errors import ConfigError, MissingExtraError, UnknownNameError

logger = logging.getLogger(__name__)

ENTRY_POINT_GROUP = "gym_llm.environments"


@dataclass(frozen=True, kw_only=True)
class EnvInfo:
    """One row of the table: what can be known of an environment without importing it."""

    id: str
    env: str
    """``module:Class`` of the `gym_llm.core.TextEnv`."""
    domain: str
    kind: str
    summary: str
    row: str = ""
    """Name of the configuration in NeMo Gym's list of environments."""
    data: tuple[str, ...] = ()
    """Public data sets behind the splits."""
    licence: str
    needs: tuple[str, ...] = ()
    """Of ``judge``, ``network``, ``weights``, ``binaries``, and extras as ``extra:NAME``."""
    reward_range: tuple[float, float] = (0.0, 1.0)
    """Least and most return of an episode."""
    null_return: float | None = None
    """Return of saying nothing, where that is not the least."""
    step_cost: Literal["cheap", "computes", "waits"] = "cheap"
    """What a step does for most of its time: next to nothing, compute, or wait (judges, helper
    processes)."""
    heuristic: str | None = None
    """``module:Class`` of an agent that plays by rules, without a model."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Arguments that the id fixes by default."""

    @property
    def baseline(self) -> str:
        """Name of the agent that ``gym-llm eval`` runs when no model is configured."""
        return "heuristic" if self.heuristic else "random"

    def load(self) -> type[Any]:
        """Import the environment class.

        Raises:
            MissingExtraError: a package of the extra that the environment needs is not installed.
        """
        module, _, name = self.env.partition(":")
        try:
            env_class: type[Any] = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as error:
            extra = next((n.removeprefix("extra:") for n in self.needs if n.startswith("extra:")), None)
            if extra is None or error.name is None:
                raise
            raise MissingExtraError(error.name, extra) from error
        return env_class


table: dict[str, EnvInfo] = {}
"""Every registered environment of gym_llm and its plug-ins, by id."""


class Creator:
    """What Gymnasium calls for an id: builds the environment with its always-on wrappers."""

    def __init__(self, info: EnvInfo) -> None:
        self._info = info
        self._class = info.load()
        self.metadata: dict[str, Any] = self._class.metadata

    def __call__(self, **kwargs: Any) -> gymnasium.Env[str, str]:
        env: gymnasium.Env[str, str] = self._class.make(**{**self._info.kwargs, **kwargs})
        return env


def __getattr__(name: str) -> Any:
    """Return the creator of an id: entry points are ``gym_llm.registration:ID``."""
    if name in table:
        return Creator(table[name])
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def register(infos: Iterable[EnvInfo]) -> None:
    """Add rows to the table and to Gymnasium's registry.

    Raises:
        ConfigError: an id is there already.
    """
    for info in infos:
        if info.id in table:
            raise ConfigError(f"environment {info.id!r} is registered twice")
        table[info.id] = info
        gymnasium.register(
            info.id,
            f"{__name__}:{info.id}",
            vector_entry_point=f"gym_llm.vector.entry_points:{info.id}",
            nondeterministic="judge" in info.needs,
            kwargs=dict(info.kwargs),
        )


def register_plugins() -> None:
    """Register the rows of installed packages; one that fails is reported and left out."""
    if not any(_declares_environments(folder) for folder in sys.path):
        return
    from importlib import metadata

    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            register(entry_point.load())
        except Exception as error:  # another package's code: it must not take gym_llm down
            logger.warning("environments of %s were not registered: %s", entry_point.value, error)


def _declares_environments(folder: str) -> bool:
    """Return whether a package installed in a folder of ``sys.path`` names our entry-point group.

    Asked first because importlib.metadata alone would cost a tenth of the time of importing gym_llm.
    """
    try:
        names = [
            name for name in os.listdir(folder or ".") if name.endswith((".dist-info", ".egg-info"))
        ]
    except OSError:
        return False
    return any(_mentions(os.path.join(folder, name, "entry_points.txt")) for name in names)


def _mentions(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return f"[{ENTRY_POINT_GROUP}]".encode() in file.read()
    except OSError:
        return False


def find(env_id: str) -> EnvInfo:
    """Return the row of an id; the namespace and the version may be left out.

    Raises:
        UnknownNameError: no such id; the message has the nearest ones.
    """
    for candidate in (env_id, f"gym_llm/{env_id}", f"gym_llm/{env_id}-v0"):
        if candidate in table:
            return table[candidate]
    raise UnknownNameError("environment", env_id, [*table, *(i.split("/")[-1] for i in table)])
