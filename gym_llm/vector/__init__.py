"""Many environments at once: in this process, in worker processes, on several machines."""

from typing import TYPE_CHECKING, Any

from gym_llm.vector.infos import VectorInfos
from gym_llm.vector.vector_env import AsyncVectorEnv, Batch, SyncVectorEnv

if TYPE_CHECKING:
    from gym_llm.vector.ray_env import RayVectorEnv

__all__ = ["AsyncVectorEnv", "Batch", "RayVectorEnv", "SyncVectorEnv", "VectorInfos"]


def __getattr__(name: str) -> Any:
    """Return what needs an extra, imported when it is looked at."""
    if name == "RayVectorEnv":
        from gym_llm.vector.ray_env import RayVectorEnv

        return RayVectorEnv
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
