"""Agents without a model: bounds for every environment, and plausible noise."""

from typing import Any

import gymnasium
import numpy as np

from gym_llm.core.text_env import core_of
from gym_llm.errors import ConfigError


class NullAgent:
    """Says nothing: what an environment pays for no work at all."""

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the empty action."""
        return ""


class RandomAgent:
    """Draws among the environment's example actions; random text where it has none."""

    def __init__(self, env: gymnasium.Env[str, str], seed: int) -> None:
        self._core = core_of(env, "the random agent")
        self._rng = np.random.default_rng(seed)
        self._space = type(self._core.action_space)(seed=seed)

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return one of the example actions."""
        actions = self._core.example_actions()
        return actions[int(self._rng.integers(len(actions)))] if actions else self._space.sample()


class ReferenceAgent:
    """Plays the task's own reference: what an environment pays for doing everything right."""

    def __init__(self, env: gymnasium.Env[str, str]) -> None:
        self._core = core_of(env, "the reference agent")

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the reference action of this turn; the last one again after the end.

        Raises:
            ConfigError: the task has no reference.
        """
        episode = self._core.episode
        reference = episode.task.row.reference
        if not reference:
            raise ConfigError(f"task {episode.task.id} has no reference")
        action: str = reference[min(episode.turn, len(reference) - 1)]
        return action
