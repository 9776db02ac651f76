"""What board games share: rows that rename cells and moves, the observation, text and picture."""

import functools
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import pydantic
from numpy.typing import NDArray

from gym_llm.core.game_env import GameEnv
from gym_llm.envs.games.drawing import mosaic
from gym_llm.envs.games.moves import checked_labels, checked_symbols, spelled, tag
from gym_llm.tasks import Row


class BoardRow(Row):
    """A row that may rename the cells and the moves; JSON's text keys become numbers."""

    needs_prompt = False
    symbols: ClassVar[dict[int, str]]
    labels: ClassVar[dict[int, str]]
    names: ClassVar[tuple[str, ...]]
    """What the legend calls the codes of the cells."""
    request: ClassVar[str]

    grid_lookup: dict[int, str] = pydantic.Field(default={}, validate_default=True)
    action_lookup: dict[int, str] = pydantic.Field(default={}, validate_default=True)

    @pydantic.field_validator("grid_lookup")
    @classmethod
    def _all_symbols(cls, given: dict[int, str]) -> dict[int, str]:
        return checked_symbols(given, cls.symbols)

    @pydantic.field_validator("action_lookup")
    @classmethod
    def _all_labels(cls, given: dict[int, str]) -> dict[int, str]:
        return checked_labels(given, cls.labels)

    @functools.cached_property
    def spelled(self) -> dict[str, int]:
        """Every way to write a move, in lower case, and the move."""
        return spelled(self.action_lookup)

    @functools.cached_property
    def actions(self) -> list[str]:
        """The actions, in the order of their numbers."""
        return [tag(label) for _, label in sorted(self.action_lookup.items())]

    @functools.cached_property
    def help(self) -> str:
        """The legend and the actions, which end every observation."""
        legend = ", ".join(f"{s} {self.names[code]}" for code, s in sorted(self.grid_lookup.items()))
        return f"Legend: {legend}.\n{self.request}: {' '.join(self.actions)}"


class BoardGameEnv(GameEnv):
    """A game on a board of square cells; its state has ``error``, what was wrong with the last turn."""

    tiles: ClassVar[NDArray[np.uint8]]
    """The picture of each code."""
    no_move: ClassVar = "Your answer had no move; nothing happened."

    def __init__(self, invalid_reward: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.invalid_reward = float(invalid_reward)

    @abstractmethod
    def codes(self) -> list[list[int]]:
        """Return the code of each cell, by rows."""

    def observe(self) -> str:
        """Return the board with legend and actions, after a note on a turn without a move."""
        error = self.episode.state.error
        note = f"{error}\n\n" if error else ""
        return f"{note}Board:\n{self.board()}\n\n{self.episode.task.row.help}"

    def board(self) -> str:
        """Return the board in the row's symbols."""
        symbols = self.episode.task.row.grid_lookup
        return "\n".join("".join([symbols[code] for code in row]) for row in self.codes())

    def draw(self) -> NDArray[np.uint8]:
        """Return the board, a tile for each cell."""
        return mosaic(self.codes(), self.tiles)

    def example_actions(self) -> list[str]:
        """Return every move."""
        actions: list[str] = self.episode.task.row.actions
        return list(actions)
