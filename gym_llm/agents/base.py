"""What an agent is: it sees observation and info, and answers with an action."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gymnasium

from gym_llm.errors import ConfigError
from gym_llm.registration import EnvInfo, find


class Agent(Protocol):
    """Drives one episode; a new agent is made for every rollout."""

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the action for what ``reset`` or ``step`` returned.

        Raises:
            ModelError: the model behind the agent did not answer.
        """
        ...


@dataclass(frozen=True)
class Seat:
    """Where an agent sits: what it may know of its episode before the first observation."""

    env: EnvInfo
    task: int
    """Index of the task in its set."""
    repeat: int
    seed: int
    """For agents that draw, and for models that take a seed."""
    call: Callable[..., Awaitable[Any]]
    """``await call(name, *args)`` returns an attribute of the environment, called when it can be. The
    environment may live in another process."""

    @classmethod
    def at(cls, env: gymnasium.Env[str, str], seed: int = 0) -> "Seat":
        """Return the seat at an environment of this process, for a loop of one's own.

        Args:
            env: made from an id of gym_llm.
            seed: see the attribute.

        Raises:
            ConfigError: the environment was not made from a registered id.
        """
        if env.spec is None:
            raise ConfigError("a seat needs an environment that gymnasium.make has made from an id")

        async def call(name: str, *args: Any) -> Any:
            value = env.get_wrapper_attr(name)
            return value(*args) if callable(value) else value

        return cls(find(env.spec.id), 0, 0, seed, call)


AgentFactory = Callable[[Seat], Agent]
"""Makes the agent of one episode."""
