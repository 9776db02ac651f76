"""What ``gymnasium.make_vec`` calls for an id: ``gym_llm.vector.entry_points:ID``."""

import functools
import inspect
from typing import Any

from gym_llm.registration import table
from gym_llm.vector.vector_env import AsyncVectorEnv

_SIGNATURE = inspect.signature(AsyncVectorEnv)
OWN_ARGUMENTS = frozenset(_SIGNATURE.parameters) - {"env", "num_envs", "env_kwargs"}
"""Arguments of the vector; all others go to the environments."""


def make(env_id: str, num_envs: int = 1, **kwargs: Any) -> AsyncVectorEnv:
    """Make a vector of an id, from the arguments of the vector and those of its environments."""
    own = {name: value for name, value in kwargs.items() if name in OWN_ARGUMENTS}
    rest = {name: value for name, value in kwargs.items() if name not in OWN_ARGUMENTS}
    return AsyncVectorEnv(env_id, num_envs, **own, env_kwargs=rest)


def __getattr__(name: str) -> Any:
    """Return the creator of vectors of an id."""
    if name in table:
        return functools.partial(make, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
