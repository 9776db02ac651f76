"""The rules of Sokoban: a room, moves in it, and the shortest solution."""

import functools
import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from gym_llm.envs.games.sokoban_levels import (
    BOX,
    BOX_ON_TARGET,
    PLAYER,
    PLAYER_ON_TARGET,
    TARGET,
    WALL,
    Board,
)

Boxes = tuple[int, ...]
"""Cells of the boxes, in ascending order."""
Position = tuple[int, Boxes]
"""The player's cell and the boxes."""

UP, DOWN, LEFT, RIGHT = MOVES = (1, 2, 3, 4)


@dataclass(frozen=True)
class Room:
    """What does not move. Cells are numbered by rows, with a margin of wall around the board."""

    width: int
    """Length of a row with its margin."""
    is_open: bytes
    """1 for every cell that is no wall."""
    targets: tuple[int, ...]

    def step(self, move: int) -> int:
        """Return the distance between a cell and its neighbour in the direction of a move."""
        return (-self.width, self.width, -1, 1)[move - 1]

    def after(self, position: Position, move: int) -> Position | None:
        """Return the position after a move; None when it changes nothing."""
        player, boxes = position
        step = self.step(move)
        ahead = player + step
        if not self.is_open[ahead]:
            return None
        if ahead not in boxes:
            return ahead, boxes
        behind = ahead + step
        if not self.is_open[behind] or behind in boxes:
            return None
        return ahead, tuple(sorted(behind if box == ahead else box for box in boxes))

    def covered(self, boxes: Boxes) -> int:
        """Return how many targets have a box."""
        return sum(target in boxes for target in self.targets)

    def is_solved(self, boxes: Boxes) -> bool:
        """Say whether every target has a box."""
        return all(target in boxes for target in self.targets)

    def is_deadlocked(self, boxes: Boxes) -> bool:
        """Say whether so many boxes are stuck in corners that the targets cannot all be covered."""
        return sum(not self._is_cornered(box) for box in boxes) < len(self.targets)

    def _is_cornered(self, box: int) -> bool:
        if box in self.targets:
            return False
        up, down, left, right = (not self.is_open[box + self.step(move)] for move in MOVES)
        return (up or down) and (left or right)

    def codes(self, position: Position) -> list[list[int]]:
        """Return the code of each cell, without the margin."""
        player, boxes = position
        cells = list(self.is_open)
        for target in self.targets:
            cells[target] = TARGET
        for box in boxes:
            cells[box] = BOX_ON_TARGET if box in self.targets else BOX
        cells[player] = PLAYER_ON_TARGET if player in self.targets else PLAYER
        starts = range(self.width, len(cells) - self.width, self.width)
        return [cells[start + 1 : start + self.width - 1] for start in starts]

    def push_distances(self) -> dict[int, int]:
        """Return how many pushes bring a lone box from a cell to the nearest target, where any do."""
        distances = dict.fromkeys(self.targets, 0)
        queue = deque(self.targets)
        while queue:
            cell = queue.popleft()
            for step in map(self.step, MOVES):
                # To be pushed from `came` to `cell`, the player stands behind `came`.
                came = cell + step
                if came not in distances and self.is_open[came] and self.is_open[came + step]:
                    distances[came] = distances[cell] + 1
                    queue.append(came)
        return distances


@functools.lru_cache(maxsize=512)
def read_board(board: Board) -> tuple[Room, Position]:
    """Return the room and the position that a board shows.

    Raises:
        ValueError: not exactly one player, no target, too few boxes, or all targets covered.
    """
    width = len(board[0]) + 2
    margin = [WALL] * width
    cells = [*margin, *(c for row in board for c in (WALL, *row, WALL)), *margin]
    players = [i for i, code in enumerate(cells) if code in (PLAYER, PLAYER_ON_TARGET)]
    boxes = tuple(i for i, code in enumerate(cells) if code in (BOX, BOX_ON_TARGET))
    targets = tuple(i for i, c in enumerate(cells) if c in (TARGET, BOX_ON_TARGET, PLAYER_ON_TARGET))
    if len(players) != 1:
        raise ValueError(f"board: expected one player, got {len(players)}")
    if not 0 < len(targets) <= len(boxes):
        raise ValueError(f"board: {len(targets)} targets and {len(boxes)} boxes cannot be solved")
    room = Room(width, bytes(code != WALL for code in cells), targets)
    if room.is_solved(boxes):
        raise ValueError("board: every target is covered already")
    return room, (players[0], boxes)


def shortest_solution(room: Room, start: Position, max_positions: int = 100_000) -> list[int] | None:
    """Return the fewest moves that solve a room; None when there are none or the search grows too large.

    A* over moves: every box needs at least its own pushes, and a box where none help ends a branch.
    """
    distances, needed = room.push_distances(), len(room.targets)

    def least(boxes: Boxes) -> int | None:
        known = sorted(distances[box] for box in boxes if box in distances)
        return sum(known[:needed]) if len(known) >= needed else None

    came: dict[Position, tuple[Position, int] | None] = {start: None}
    cost = {start: 0}
    queue = [(least(start[1]) or 0, 0, start)]
    while queue and len(came) <= max_positions:
        _, negative_cost, position = heapq.heappop(queue)
        if room.is_solved(position[1]):
            return [*_moves_to(position, came)][::-1]
        if -negative_cost > cost[position]:
            continue
        for move in MOVES:
            after = room.after(position, move)
            steps = 1 - negative_cost
            if after is None or steps >= cost.get(after, steps + 1):
                continue
            rest = least(after[1])
            if rest is not None:
                cost[after], came[after] = steps, (position, move)
                # The deepest of equally promising positions first.
                heapq.heappush(queue, (steps + rest, -steps, after))
    return None


def _moves_to(position: Position, came: dict[Position, tuple[Position, int] | None]) -> Iterator[int]:
    while (step := came[position]) is not None:
        position, move = step
        yield move
