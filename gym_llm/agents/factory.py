"""Agents by name."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gym_llm.agents.base import Agent, AgentFactory, Seat
from gym_llm.agents.baselines import NullAgent, RandomAgent, ReferenceAgent
from gym_llm.errors import ConfigError, UnknownNameError

if TYPE_CHECKING:
    from gym_llm.models import Client


def heuristic_agent(seat: Seat) -> Agent:
    """Return the environment's own rule-based player.

    Raises:
        ConfigError: it has none.
    """
    if seat.env.heuristic is None:
        raise ConfigError(f"{seat.env.id} has no heuristic agent; use random, reference or null")
    module, _, name = seat.env.heuristic.partition(":")
    agent: Agent = getattr(importlib.import_module(module), name)()
    return agent


def baseline_agent(seat: Seat) -> Agent:
    """Return the agent that plays when no model is configured."""
    return AGENTS[seat.env.baseline](seat)


AGENTS: Mapping[str, AgentFactory] = {
    "baseline": baseline_agent,
    "heuristic": heuristic_agent,
    "null": lambda seat: NullAgent(),
    "random": RandomAgent,
    "reference": ReferenceAgent,
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
    client: "Client", params: Mapping[str, Any] | None = None, seeded: bool = False
) -> AgentFactory:
    """Return the factory of chat agents on one client.

    Args:
        client: shared by all episodes.
        params: sampling parameters for every call.
        seeded: send each episode's seed as ``seed``; not every server accepts it.
    """
    from gym_llm.agents.chat import ChatAgent

    def make(seat: Seat) -> Agent:
        extra = {"seed": seat.seed} if seeded else {}
        # Repeats of a task are told apart in a response cache, else all would be the first.
        return ChatAgent(client, {**(params or {}), **extra}, cache_salt=str(seat.repeat))

    return make
