"""SokobanSolver: searches for the fewest moves, then makes them."""

from typing import Any

from gym_llm.envs.games.moves import shown_board, shown_moves
from gym_llm.envs.games.sokoban import NAMES
from gym_llm.envs.games.sokoban_room import read_board, shortest_solution


class SokobanSolver:
    """Plays `gym_llm.envs.games.sokoban` from what it is shown.

    Args:
        max_positions: bound of the search; a room that needs more is given up.
    """

    def __init__(self, max_positions: int = 100_000) -> None:
        self.max_positions = max_positions
        self._plan: list[int] | None = None
        """Moves to come, the next one last."""

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the next move of the plan that was made at the first board, or nothing."""
        if self._plan is None:
            self._plan = self._solve(observation)[::-1]
        moves = shown_moves(observation)
        return moves[self._plan.pop() - 1] if self._plan and len(moves) == 4 else ""

    def _solve(self, observation: str) -> list[int]:
        try:
            room, start = read_board(shown_board(observation, NAMES))
        except ValueError:
            return []
        return shortest_solution(room, start, self.max_positions) or []
