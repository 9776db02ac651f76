"""Small environments for tests of the core: a counter with tools, a guessing game."""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gym_llm.core import GameEnv, Tool, ToolEnv, Turn
from gym_llm.core.tools import ToolError
from gym_llm.messages import AssistantMessage
from gym_llm.tasks import Row, Task
from gym_llm.verification import Episode, Verification


@dataclass
class Counter:
    value: int = 0
    log: list[str] = field(default_factory=list)


def add(state: Counter, amount: Annotated[int, Field(description="how much")] = 1) -> dict[str, int]:
    """Add to the counter.

    More text that is not the description.
    """
    state.value += amount
    state.log.append(f"+{amount}")
    return {"value": state.value}


def refuse(reason: str) -> None:
    """Refuse."""
    raise ToolError(reason)


class CounterRow(Row):
    goal: int = 3
    needs_prompt = False


@dataclass(frozen=True)
class GoalReached:
    """1.0 on the goal; ``close`` says how near it came."""

    scale: float = 1.0
    components = ("goal", "close")

    def __call__(self, task: Task, episode: Episode) -> Verification:
        distance = abs(episode.state.value - task.row.goal)
        rewards = {"goal": float(distance == 0) * self.scale, "close": 1.0 / (1 + distance)}
        return Verification(sum(rewards.values()), rewards)


class CounterEnv(ToolEnv):
    """Bring a counter to its goal."""

    row_model = CounterRow
    data = "counter"
    verifier_class = GoalReached
    max_turns = 4
    toolset = (Tool.from_function(add), Tool.from_function(refuse, extra="forbid"))

    def __init__(self, tasks: Any = ({"goal": 3},), start: int = 0, **kwargs: Any) -> None:
        super().__init__(tasks=tasks, **kwargs)
        self.start = start

    def begin(self, task: Task) -> list[dict[str, Any]]:
        self.episode.state = Counter(self.start)
        return [{"role": "user", "content": f"Count to {task.row.goal}."}]


class GuessEnv(GameEnv):
    """Guess a digit; 1.0 for the right one, -0.1 for a wrong one."""

    row_model = CounterRow
    data = "guess"
    max_turns = 3
    key_map: ClassVar[dict[str, str]] = {str(d): str(d) for d in range(10)}

    def __init__(self, tasks: Any = ({},), **kwargs: Any) -> None:
        super().__init__(tasks=tasks, **kwargs)

    def new_game(self) -> int:
        return int(self.np_random.integers(10))

    def observe(self) -> str:
        return "Guess a digit."

    def play(self, message: AssistantMessage) -> Turn:
        right = message.content == str(self.episode.state)
        return Turn(reward=1.0 if right else -0.1, terminated=right)

    def board(self) -> str:
        return "?"

    def draw(self) -> NDArray[np.uint8]:
        return np.zeros((2, 2, 3), np.uint8)

    def outcome(self) -> dict[str, Any]:
        return {"success": self.episode.rewards[-1:] == [1.0]}
