"""TetrisPlacer: puts each piece where the board looks best afterwards."""

from typing import Any

from gym_llm.envs.games.moves import shown_board, shown_moves
from gym_llm.envs.games.tetris import NAMES
from gym_llm.envs.games.tetris_rules import DOWN, Piece, Well


class TetrisPlacer:
    """Plays `gym_llm.envs.games.tetris` from what it is shown."""

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return the moves that bring the piece to its best place; nothing where no piece is shown."""
        moves = shown_moves(observation)
        try:
            seen = read(observation)
        except ValueError:
            seen = None
        if seen is None or len(moves) != 3:
            return ""
        return " ".join(moves[move] for move in plan(*seen))


def read(observation: str) -> tuple[Well, Piece] | None:
    """Return the board and the falling piece; None when there is none.

    Raises:
        ValueError: the text has no board.
    """
    board = shown_board(observation, NAMES)
    rows = tuple(sum((code == 1) << x for x, code in enumerate(row)) for row in board)
    cells = [(x, y) for y, row in enumerate(board) for x, code in enumerate(row) if code == 2]
    if not cells:
        return None
    # Like the rules, take the right end of the lowest row as the anchor.
    x, y = max(cells, key=lambda cell: (cell[1], cell[0]))
    return Well(len(board[0]), rows), Piece(tuple((u - x, v - y) for u, v in cells), x, y)


def plan(well: Well, piece: Piece) -> list[int]:
    """Return the moves for one piece.

    A piece that has just appeared may be higher than what is seen of it: one move down shows it whole.
    """
    lower = well.moved(piece, DOWN)
    if piece.y == 0 and lower is not None and not well.carries(lower):
        return [DOWN]
    return max(well.placements(piece), key=lambda way: worth(well, *way))[0]


def worth(well: Well, moves: list[int], place: Piece) -> float:
    """Rate a place: full rows, then nearly full rows low in the board, no holes, no tower, few moves."""
    after, cleared = well.settled(place)
    rows = after.rows
    holes = towers = 0
    roof = 0
    for row in rows:
        holes += (roof & ~row).bit_count()
        roof |= row
        towers += roof != 0
    fill = sum((row.bit_count() / well.width) ** 2 for row in rows)
    lost = 100.0 * (not cleared and rows[0] != 0)
    return 50.0 * cleared - lost + 2.0 * fill - 1.5 * holes - 0.5 * towers - 0.1 * len(moves)
