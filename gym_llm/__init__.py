"""gym_llm: every LLM task a ``gymnasium.Env`` with text in and text out.

>>> import gymnasium, gym_llm
>>> env = gymnasium.make("gym_llm/MCQA-v0")
>>> observation, info = env.reset(seed=0)
"""

import importlib
from typing import Any

from gym_llm.messages import AssistantMessage, ToolCall, decode_action, encode_action
from gym_llm.registration import register, register_plugins
from gym_llm.table import ENVIRONMENTS
from gym_llm.version import __version__

__all__ = ["AssistantMessage", "ToolCall", "__version__", "decode_action", "encode_action"]

register(ENVIRONMENTS)
register_plugins()

_SUBMODULES = {
    "agents",
    "core",
    "errors",
    "rollouts",
    "spaces",
    "tasks",
    "vector",
    "verification",
    "wrappers",
}


def __getattr__(name: str) -> Any:
    """Import a submodule when it is looked at, as in ``gym_llm.spaces.Text``."""
    if name in _SUBMODULES:
        return importlib.import_module(f"gym_llm.{name}")
    raise AttributeError(f"module 'gym_llm' has no attribute {name!r}")
