"""The environments that `vector.py` measures, and their actions: cheap text, waiting text, ids."""

import re
import time
from typing import Any

import gymnasium
import numpy as np

import gym_llm  # noqa: F401  registers the ids
from gym_llm.spaces import Text

_ANSWER = re.compile(r"<answer>(\d+)</answer>")
_PAGE = "".join(f"Item {number}: the lamp in room {number * 7 % 101} is on. " for number in range(400))
_END_PROBABILITY = 0.3
WAIT_MEDIAN_S = 0.010
WAIT_SIGMA = 1.0
GUESSES = ["<think>Not seven.</think><answer>42</answer>", "<answer>7</answer>", "I do not know."]


class CheapTextEnv(gymnasium.Env[str, str]):
    """Guess a number: about 2 us a step for one regular expression, two random numbers and a slice.

    Args:
        chars: characters of an observation.
        has_info: infos with an id, a turn, two rewards and a message instead of empty ones.
    """

    metadata = {"render_modes": []}

    def __init__(self, chars: int = 200, has_info: bool = False) -> None:
        self.observation_space, self.action_space = Text(chars), Text(4096)
        self.chars, self.has_info = chars, has_info
        self.target, self.turn = "0", 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.target, self.turn = str(self.np_random.integers(100)), 0
        return self._page(), self._info(0.0)

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.turn += 1
        found = _ANSWER.search(action)
        reward = float(found is not None and found[1] == self.target)
        has_ended = bool(self.np_random.random() < _END_PROBABILITY)
        return self._page(), reward, has_ended, False, self._info(reward)

    def _page(self) -> str:
        start = int(self.np_random.integers(len(_PAGE) - self.chars))
        return _PAGE[start : start + self.chars]

    def _info(self, reward: float) -> dict[str, Any]:
        if not self.has_info:
            return {}
        return {
            "task_id": "guess-000042",
            "turn": self.turn,
            "rewards": {"correct": reward, "format": 1.0},
            "messages": [{"role": "user", "content": "Another guess, please."}],
        }


class WaitingTextEnv(CheapTextEnv):
    """A cheap environment whose steps wait, as for a tool or a judge; the seed fixes the waits."""

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        time.sleep(self.np_random.lognormal(np.log(WAIT_MEDIAN_S), WAIT_SIGMA))
        return super().step(action)


def registered(env_id: str) -> gymnasium.Env[Any, Any]:
    """Make an id as `gym_llm.vector` does, without Gymnasium's checker."""
    return gymnasium.make(env_id, disable_env_checker=True)


def example_actions(env_id: str) -> list[str]:
    """Return well-formed actions of an id."""
    env = registered(env_id)
    env.reset(seed=0)
    actions: list[str] = list(env.get_wrapper_attr("example_actions")())
    env.close()
    return actions
