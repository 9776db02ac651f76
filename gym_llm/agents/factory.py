"""Agents by name."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from gym_llm.agents.base import Agent
from gym_llm.agents.baselines import NullAgent, RandomAgent, ReferenceAgent
from gym_llm.errors import ConfigError, UnknownNameError
from gym_llm.registration import EnvInfo

AgentFactory = Callable[[gymnasium.Env[str, str], EnvInfo, int], Agent]
"""``factory(env, info, seed)`` makes the agent of one episode."""


def heuristic_agent(env: gymnasium.Env[str, str], info: EnvInfo, seed: int) -> Agent:
    """Return the environment's own rule-based player.

    Raises:
        ConfigError: it has none.
    """
    if info.heuristic is None:
        raise ConfigError(f"{info.id} has no heuristic agent; use random, reference or null")
    module, _, name = info.heuristic.partition(":")
    agent: Agent = getattr(importlib.import_module(module), name)()
    return agent


def baseline_agent(env: gymnasium.Env[str, str], info: EnvInfo, seed: int) -> Agent:
    """Return the agent that plays when no model is configured."""
    return AGENTS[info.baseline](env, info, seed)


AGENTS: Mapping[str, AgentFactory] = {
    "baseline": baseline_agent,
    "heuristic": heuristic_agent,
    "null": lambda env, info, seed: NullAgent(),
    "random": lambda env, info, seed: RandomAgent(env, seed),
    "reference": lambda env, info, seed: ReferenceAgent(env),
}
"""Agents that need no model and no terminal, by name."""


def agent_factory(name: str) -> AgentFactory:
    """Return the factory of a named agent.

    Raises:
        UnknownNameError: no such agent.
    """
    if name not in AGENTS:
        raise UnknownNameError("agent", name, [*AGENTS, "human"])
    return AGENTS[name]


def chat_factory(
    client: Any, params: Mapping[str, Any] | None = None, seeded: bool = False
) -> AgentFactory:
    """Return the factory of chat agents on one client.

    Args:
        client: a `gym_llm.models.client.Client`, shared by all episodes.
        params: sampling parameters for every call.
        seeded: send each episode's seed as ``seed``; not every server accepts it.
    """
    from gym_llm.agents.chat import ChatAgent

    def make(env: gymnasium.Env[str, str], info: EnvInfo, seed: int) -> Agent:
        extra = {"seed": seed} if seeded else {}
        return ChatAgent(client, {**(params or {}), **extra})

    return make
