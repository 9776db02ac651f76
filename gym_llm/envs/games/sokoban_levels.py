"""Sokoban rooms from a seed: the rooms of gym-sokoban (MIT), which NeMo Gym plays too.

A room is carved by a random walk, gets a player and targets, and is then played backwards from its
solved state, boxes being pulled off their targets; so every room can be solved. Numbers are drawn in
exactly the order of the original, from two private generators, so that equal seeds give equal rooms.
"""

import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gym_llm.errors import ConfigError

WALL, FLOOR, TARGET, BOX_ON_TARGET, BOX, PLAYER, PLAYER_ON_TARGET = range(7)
"""Codes of the cells of a board."""

Board = tuple[tuple[int, ...], ...]

MAX_SIDE = 16
MAX_BOXES = 8
MAX_STATES = 300_000
"""Bound of one backward search, the original's; it also decides which room comes out."""
MAX_SEEDS = 60
"""A seed that fails is replaced this often; a size where all of them fail is as good as impossible."""
MAX_STATES_IN_ALL = 8 * MAX_STATES
"""After this much searching a seed that fails is not replaced any more."""

_DIRECTIONS = [(1, 0), (0, 1), (-1, 0), (0, -1)]
_WALK = [(-1, 0), (1, 0), (0, -1), (0, 1)]
_MASKS = [  # cells around the walker that become floor
    [(0, -1), (0, 0), (0, 1)],
    [(-1, 0), (0, 0), (1, 0)],
    [(0, -1), (0, 0), (1, 0)],
    [(0, -1), (0, 0), (1, -1), (1, 0)],
    [(0, 0), (0, 1), (1, 0)],
]


class NoRoomError(Exception):
    """A seed gives no room in which a box is off its target."""


def impossible_size(rows: int, columns: int, boxes: int) -> str | None:
    """Return why no room of this size exists; None when one may exist.

    >>> impossible_size(4, 4, 1)
    'a box can be pulled only where three cells are in line: one side must be 5 or more, got 4 x 4'
    """
    if min(rows, columns) < 3:
        return f"a room has walls around: both sides must be 3 or more, got {rows} x {columns}"
    if max(rows, columns) < 5:
        return (
            "a box can be pulled only where three cells are in line: one side must be 5 or more, got "
            f"{rows} x {columns}"
        )
    # At the start every target is open, no box is on one, and the player stands beside them.
    needed, inside = 2 * boxes + 1, (rows - 2) * (columns - 2)
    if inside < needed:
        return (
            f"num_boxes {boxes} needs {needed} cells inside the walls, {rows} x {columns} has {inside}"
        )
    return None


@functools.lru_cache(maxsize=512)
def generate_board(seed: int, rows: int, columns: int, boxes: int, search_depth: int = 100) -> Board:
    """Return the board of a seed; cached, because the rollouts of a group share their room.

    Differs from NeMo Gym only for seeds that fail: what follows them is a function of the seed here, and
    differs from process to process there.

    Raises:
        ConfigError: no seed that follows from this one gives a room.
    """
    searched = 0
    for attempt in range(MAX_SEEDS):
        own = seed if attempt == 0 else int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0])
        generator = _Generator(own, rows, columns, boxes, search_depth)
        try:
            return generator.board()
        except NoRoomError:
            searched += generator.searched
            if searched > MAX_STATES_IN_ALL:
                break
    raise ConfigError(f"no room of {rows} x {columns} with {boxes} boxes found for seed {seed}")


@dataclass(frozen=True)
class _Best:
    """The best state of the backward search: its cells and where each target's box is."""

    cells: bytes
    boxes: tuple[int, ...]
    displacement: int


class _Generator:
    """One run of the generator; cells are numbered by rows."""

    def __init__(self, seed: int, rows: int, columns: int, boxes: int, search_depth: int) -> None:
        self.rows, self.columns, self.boxes, self.search_depth = rows, columns, boxes, search_depth
        self.walker = random.Random(seed)
        self.placer = np.random.RandomState(seed)
        self.searched = 0

    def board(self) -> Board:
        """Return a room with its boxes pulled away and the player a few steps off."""
        for _ in range(4):
            room, targets = self.place(self.topology())
            player = room.index(PLAYER)
            room[player] = FLOOR
            best = self.pull_apart(bytes(room), player, targets)
            if best.displacement > 0:
                break
        else:
            raise NoRoomError
        return self.finished(room, self.walk(room, best))

    def topology(self) -> bytearray:
        """Carve floor along a random walk."""
        walker, (rows, columns) = self.walker, (self.rows, self.columns)
        room = bytearray(rows * columns)
        step = walker.sample(_DIRECTIONS, 1)[0]
        y, x = walker.randint(1, rows - 1), walker.randint(1, columns - 1)
        for _ in range(int(1.7 * (rows + columns))):
            if walker.random() < 0.35:
                step = walker.sample(_DIRECTIONS, 1)[0]
            y = max(min(y + step[0], rows - 2), 1)
            x = max(min(x + step[1], columns - 2), 1)
            for dy, dx in walker.sample(_MASKS, 1)[0]:
                if 0 < y + dy < rows - 1 and 0 < x + dx < columns - 1:
                    room[(y + dy) * columns + x + dx] = FLOOR
        return room

    def place(self, room: bytearray) -> tuple[bytearray, list[int]]:
        """Put the player and the targets on free floor."""
        free = [cell for cell, code in enumerate(room) if code == FLOOR]
        if len(free) <= self.boxes + 1:
            raise NoRoomError
        room[free.pop(self.placer.randint(len(free)))] = PLAYER
        targets = [free.pop(self.placer.randint(len(free))) for _ in range(self.boxes)]
        for target in targets:
            room[target] = TARGET
        return room, targets

    def pull_apart(self, room: bytes, player: int, targets: list[int]) -> _Best:
        """Search backwards, depth first, for the state with most changes of box times distance.

        Only states in which player and boxes leave all targets open count.
        """
        start = room.replace(bytes([TARGET]), bytes([BOX]))
        cells = bytearray(start)
        cells[player] = PLAYER
        start = bytes(cells)
        best, best_score = _Best(start, tuple(targets), 0), -1
        seen: set[bytes] = set()
        steps = (-self.columns, self.columns, -1, 1)
        stack = [(start, player, tuple(targets), 0, -1, self.search_depth - 1)]
        while stack and len(seen) < MAX_STATES:
            state, player, boxes, swaps, last, ttl = stack.pop()
            if ttl <= 0 or state in seen:
                continue
            open_targets = state.count(TARGET) == self.boxes
            displacement = self.displacement(targets, boxes) if open_targets and swaps else 0
            if swaps * displacement > best_score:
                best, best_score = _Best(state, boxes, displacement), swaps * displacement
            seen.add(state)
            for step in steps:
                ahead, behind = player + step, player - step
                if state[ahead] not in (FLOOR, TARGET):
                    continue
                cells = bytearray(state)
                cells[ahead] = PLAYER
                cells[player] = room[player]
                moved, changes, pulled = boxes, swaps, last
                if state[behind] in (BOX_ON_TARGET, BOX):
                    cells[player] = BOX_ON_TARGET
                    cells[behind] = room[behind]
                    pulled = boxes.index(behind)
                    moved = (*boxes[:pulled], player, *boxes[pulled + 1 :])
                    changes += pulled != last
                after = bytes(cells)
                if after not in seen:
                    stack.append((after, ahead, moved, changes, pulled, ttl - 1))
        self.searched += len(seen)
        return best

    def displacement(self, targets: list[int], boxes: tuple[int, ...]) -> int:
        """Return the sum of the Manhattan distances between targets and their boxes."""
        total = 0
        for target, box in zip(targets, boxes, strict=True):
            (y, x), (v, u) = divmod(target, self.columns), divmod(box, self.columns)
            total += abs(y - v) + abs(x - u)
        return total

    def walk(self, room: bytearray, best: _Best) -> bytearray:
        """Move the player up to three steps away, so that the last pull is not given away."""
        state = bytearray(best.cells)
        if self.walker.random() > (0.8 if best.displacement == 1 else 0.5):
            return state
        player = state.index(PLAYER)
        visited = {player}
        for _ in range(3):
            free = [c for c in self.neighbours(player) if state[c] in (FLOOR, TARGET)]
            free = [c for c in free if c not in visited]
            if not free:
                break
            state[player] = room[player]
            player = self.walker.choice(free)
            state[player] = PLAYER
            visited.add(player)
            if self.walker.random() > 0.5:
                break
        return state

    def neighbours(self, cell: int) -> Iterator[int]:
        """Yield the cells above, below, left and right."""
        return (cell + dy * self.columns + dx for dy, dx in _WALK)

    def finished(self, room: bytearray, state: bytearray) -> Board:
        """Return the board in final codes."""
        codes = [_final(code, room[cell] == TARGET) for cell, code in enumerate(state)]
        return tuple(
            tuple(codes[start : start + self.columns]) for start in range(0, len(codes), self.columns)
        )


def _final(code: int, is_target: bool) -> int:
    if code in (BOX_ON_TARGET, BOX):
        return BOX_ON_TARGET if is_target else BOX
    if code == PLAYER:
        return PLAYER_ON_TARGET if is_target else PLAYER
    return code
