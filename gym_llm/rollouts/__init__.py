"""Collecting episodes: rollouts, their records, metrics over them, and the folder of a run."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gym_llm.rollouts.collector import Collector, collect
    from gym_llm.rollouts.loading import load, to_pandas
    from gym_llm.rollouts.metrics import summarise
    from gym_llm.rollouts.pool import EnvSetup
    from gym_llm.rollouts.records import Rollout
    from gym_llm.rollouts.roll import Limits
    from gym_llm.rollouts.run_folder import RunFolder

_HOMES = {
    "Collector": "collector",
    "EnvSetup": "pool",
    "Limits": "roll",
    "Rollout": "records",
    "RunFolder": "run_folder",
    "collect": "collector",
    "load": "loading",
    "summarise": "metrics",
    "to_pandas": "loading",
}
__all__ = [
    "Collector",
    "EnvSetup",
    "Limits",
    "Rollout",
    "RunFolder",
    "collect",
    "load",
    "summarise",
    "to_pandas",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for: reading a run needs no environments."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
