"""Many environments at once: in this process, in worker processes, on several machines."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gym_llm.vector.infos import VectorInfos
    from gym_llm.vector.ray_env import RayVectorEnv
    from gym_llm.vector.vector_env import AsyncVectorEnv, Batch, SyncVectorEnv

__all__ = ["AsyncVectorEnv", "Batch", "RayVectorEnv", "SyncVectorEnv", "VectorInfos"]

_HOMES = {"RayVectorEnv": "ray_env", "VectorInfos": "infos"}


def __getattr__(name: str) -> Any:
    """Import what is looked at: a worker process needs none of this, and only one name needs Ray."""
    if name in __all__:
        module = importlib.import_module(f"gym_llm.vector.{_HOMES.get(name, 'vector_env')}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
