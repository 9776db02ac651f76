"""RecordRollout: append every finished episode to a JSONL file."""

import json
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from gym_llm.core.text_env import core_of


class RecordRollout(gymnasium.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Write one JSON line for each episode that ends; episodes left in the middle are not written.

    A line has ``task_id``, ``seed`` (None when the reset had none), ``messages`` (the whole transcript),
    ``rewards`` (what each step paid), ``reward`` (their sum), ``terminated``, ``truncated`` and, once
    graded,
    ``verification``.
    """

    def __init__(self, env: gymnasium.Env[str, str], path: str) -> None:
        RecordConstructorArgs.__init__(self, path=str(path))
        gymnasium.Wrapper.__init__(self, env)
        self._core = core_of(env, "RecordRollout")
        self.path = Path(path)
        self._seed: int | None = None
        self._rewards: list[float] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start a new record."""
        self._seed, self._rewards = seed, []
        return self.env.reset(seed=seed, options=options)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Step, and write the record when the episode ends."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._rewards.append(float(reward))
        if terminated or truncated:
            self._write(terminated, truncated, info)
        return observation, float(reward), terminated, truncated, info

    def _write(self, terminated: bool, truncated: bool, info: dict[str, Any]) -> None:
        verification = info.get("verification")
        record = {
            "task_id": self._core.episode.task.id,
            "seed": self._seed,
            "messages": self._core.episode.transcript,
            "rewards": self._rewards,
            "reward": sum(self._rewards),
            "terminated": terminated,
            "truncated": truncated,
            "verification": verification.to_dict() if verification else None,
        }
        line = json.dumps(record, default=str) + "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One write of one whole line: records of several processes do not mix.
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line)
