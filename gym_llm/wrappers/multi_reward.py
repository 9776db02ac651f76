"""MultiReward: the reward as a vector of named components, or another scalar made of them."""

import math
from collections.abc import Mapping
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from gym_llm.errors import ConfigError


class MultiReward(gymnasium.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Make the reward of ``info["rewards"]``.

    Args:
        env: an environment with named rewards (one wrapped in `Verify`, or a game).
        weights: weight of each component; missing names weigh 1.0.
        scalarise: ``"sum"`` of the components, ``"weighted"`` sum, ``"product"`` of the components, or
            None for the vector (float64, one entry a component, in the order of ``reward_names``). With
            None, ``reward_space`` and ``reward_dim`` are set on the unwrapped environment as
            MO-Gymnasium does, so its wrappers work on ours. Before an episode is graded every component
            is 0.

    Raises:
        ConfigError: the environment has no named rewards, or a weight names none of them.
    """

    def __init__(
        self,
        env: gymnasium.Env[str, str],
        weights: Mapping[str, float] | None = None,
        scalarise: Literal["sum", "weighted", "product"] | None = "sum",
    ) -> None:
        if scalarise not in ("sum", "weighted", "product", None):
            raise ConfigError(
                f"scalarise must be 'sum', 'weighted', 'product' or None, got {scalarise!r}"
            )
        RecordConstructorArgs.__init__(
            self, weights=dict(weights) if weights else None, scalarise=scalarise
        )
        gymnasium.Wrapper.__init__(self, env)
        if not env.has_wrapper_attr("reward_names"):
            raise ConfigError("MultiReward needs named rewards: wrap the environment in Verify first")
        self.names: tuple[str, ...] = tuple(env.get_wrapper_attr("reward_names"))
        unknown = set(weights or ()) - set(self.names)
        if unknown:
            raise ConfigError(f"weights name {sorted(unknown)}; the rewards are {list(self.names)}")
        self.weights = np.array([float((weights or {}).get(name, 1.0)) for name in self.names])
        self.scalarise = scalarise
        if scalarise is None:
            core: Any = self.unwrapped
            core.reward_space = gymnasium.spaces.Box(-np.inf, np.inf, (len(self.names),), np.float64)
            core.reward_dim = len(self.names)

    def step(self, action: str) -> tuple[str, Any, bool, bool, dict[str, Any]]:
        """Step; the reward is a float, or the vector."""
        observation, _, terminated, truncated, info = self.env.step(action)
        rewards = info.get("rewards") or {}
        if rewards and tuple(rewards) != self.names:
            raise ConfigError(f"rewards must be {list(self.names)} at every step, got {list(rewards)}")
        vector = np.array([rewards.get(name, 0.0) for name in self.names])
        return observation, self._reward(vector), terminated, truncated, info

    def _reward(self, vector: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
        if self.scalarise is None:
            return vector
        if self.scalarise == "product":
            return float(math.prod(vector.tolist()))
        return float(vector @ self.weights if self.scalarise == "weighted" else vector.sum())
