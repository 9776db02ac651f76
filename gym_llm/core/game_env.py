"""GameEnv: a game that pays a reward each turn and draws itself."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from gym_llm.core.text_env import TextEnv, Turn
from gym_llm.messages import AssistantMessage, Message
from gym_llm.verification import Verification


class GameEnv(TextEnv):
    """An environment that pays its own rewards.

    The board is shown at reset (after the row's prompt) and after every turn until the end. At the end
    ``info["verification"]`` holds the return as its one component ``score`` and `outcome` as its fields.
    All randomness comes from ``self.np_random``.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 4}  # type: ignore[misc]
    reward_names: ClassVar[tuple[str, ...]] = ("score",)
    key_map: ClassVar[dict[str, str]] = {}
    """Keyboard key to action, for ``gymnasium.utils.play``; the empty action is the no-op."""

    @abstractmethod
    def new_game(self) -> Any:
        """Return the state of a new game for ``self.episode.task``."""

    @abstractmethod
    def observe(self) -> str:
        """Return the text that shows the game to the player."""

    @abstractmethod
    def play(self, message: AssistantMessage) -> Turn:
        """Change the state by the player's turn; `respond` adds the observation."""

    @abstractmethod
    def board(self) -> str:
        """Return the board alone, for ``ansi``."""

    @abstractmethod
    def draw(self) -> NDArray[np.uint8]:
        """Return the board as a picture of shape (height, width, 3)."""

    def outcome(self) -> dict[str, Any]:
        """Return what the end of the game reports beside the return."""
        return {}

    def begin(self, task: Any) -> list[Message]:
        """Set up the game and show it."""
        self.episode.state = self.new_game()
        return [{"role": "user", "content": self.observe()}]

    def respond(self, message: AssistantMessage) -> Turn:
        """Play one turn."""
        turn = self.play(message)
        if not turn.terminated:
            turn.messages.append({"role": "user", "content": self.observe()})
        return turn

    def verification(self) -> Verification:
        """Return the return so far and the outcome."""
        score = float(sum(self.episode.rewards))
        return Verification(score, {"score": score}, self.outcome())

    def get_keys_to_action(self) -> dict[tuple[int, ...], str]:
        """Return the key map in the form of ``gymnasium.utils.play``."""
        return {(ord(key),): action for key, action in self.key_map.items()}

    def render(self) -> Any:
        """Return the board as text or picture, by the render mode."""
        if self.render_mode == "rgb_array":
            return self.draw()
        return self.board() if self.render_mode == "ansi" else None

    def example_actions(self) -> list[str]:
        """Return the actions of the key map."""
        return list(self.key_map.values())
