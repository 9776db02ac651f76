"""Agents without a model: bounds for every environment, and plausible noise."""

from typing import Any

import numpy as np

from gym_llm.agents.base import Seat
from gym_llm.errors import ConfigError
from gym_llm.spaces import Text


class NullAgent:
    """Says nothing: what an environment pays for no work at all."""

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the empty action."""
        return ""


class RandomAgent:
    """Draws among the environment's example actions; random text where it has none."""

    def __init__(self, seat: Seat) -> None:
        self._call = seat.call
        self._rng = np.random.default_rng(seat.seed)
        self._space = Text(seed=seat.seed)

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return one of the example actions."""
        actions: list[str] = await self._call("example_actions")
        return actions[int(self._rng.integers(len(actions)))] if actions else self._space.sample()


class ReferenceAgent:
    """Plays the task's own reference: what an environment pays for doing everything right."""

    def __init__(self, seat: Seat) -> None:
        self._call = seat.call
        self._reference: list[str] | None = None
        self._turn = 0

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the reference action of this turn; the last one again after the end.

        Raises:
            ConfigError: the task has no reference.
        """
        if self._reference is None:
            self._reference = await self._call("reference")
        if not self._reference:
            raise ConfigError(f"task {info.get('task_id', '')} has no reference")
        action = self._reference[min(self._turn, len(self._reference) - 1)]
        self._turn += 1
        return action
