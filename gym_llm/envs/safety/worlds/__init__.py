"""Nine small worlds (clinic, shop, law office, ...) with tools, to test what an agent obeys."""

from gym_llm.envs.safety.worlds.generator import generate_task
from gym_llm.envs.safety.worlds.records import World
from gym_llm.envs.safety.worlds.specs import fold
from gym_llm.envs.safety.worlds.tables import Domain, load_common, load_domain
from gym_llm.envs.safety.worlds.toolset import domain_tools, tool_specs

__all__ = [
    "Domain",
    "World",
    "domain_tools",
    "fold",
    "generate_task",
    "load_common",
    "load_domain",
    "tool_specs",
]
