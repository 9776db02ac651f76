"""Small environments for vectors: deterministic, ending, counting."""

import time
from typing import Any, ClassVar

import gymnasium

from gym_llm.spaces import Text


class Walk(gymnasium.Env[str, str]):
    """Says what happened since the reset; ends after ``length`` steps; draws a digit each step."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi"], "render_fps": 1}  # type: ignore[misc]

    def __init__(self, name: str = "walk", length: int = 3, render_mode: str | None = None) -> None:
        self.observation_space = Text()
        self.action_space = Text()
        self.name, self.length, self.render_mode = name, length, render_mode
        self.resets = 0
        self.bonus = 0.0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.resets += 1
        self.steps = 0
        self.start = (options or {}).get("start", 0)
        return f"{self.name} reset {self._digit()}", {"start": self.start}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        ended = self.steps >= self.length
        observation = f"{self.name} {self.steps} {action} {self._digit()}"
        return observation, self.steps + self.start + self.bonus, ended, False, {"steps": self.steps}

    def render(self) -> str:
        return f"{self.name} at {self.steps}"

    def _digit(self) -> int:
        return int(self.np_random.integers(10))


class Slow(Walk):
    """Sleeps in every step for the seconds that the action says."""

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        time.sleep(float(action or 0))
        return super().step(action)
