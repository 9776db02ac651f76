"""TurnLimit: truncate an episode after a number of assistant turns."""

from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from gym_llm.core.text_env import core_of, verification_info
from gym_llm.errors import ConfigError


class TurnLimit(gymnasium.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Set ``truncated`` after ``max_turns`` assistant turns.

    Gymnasium's ``TimeLimit`` keeps a counter of its own; this one reads the episode's, so that an
    episode that was forked or restored keeps its place. Under `Verify` a truncated episode is still
    graded.
    """

    def __init__(self, env: gymnasium.Env[str, str], max_turns: int) -> None:
        if not isinstance(max_turns, int) or max_turns < 1:
            raise ConfigError(f"max_turns must be an integer of 1 or more, got {max_turns!r}")
        RecordConstructorArgs.__init__(self, max_turns=max_turns)
        gymnasium.Wrapper.__init__(self, env)
        self._core = core_of(env, "TurnLimit")
        self.max_turns = max_turns

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Step, and truncate at the limit."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not terminated and self._core.episode.turn >= self.max_turns:
            truncated = self._core.ended = True
            info.update(verification_info(self._core.verification()))
        return observation, float(reward), terminated, truncated, info
