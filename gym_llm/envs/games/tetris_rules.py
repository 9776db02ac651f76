"""The rules of the small Tetris: pieces from a seed, moves without gravity, full rows; and search."""

import functools
import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

Cell = tuple[int, int]
"""Column and row; row 0 is the top, rows above it are negative."""
Rows = tuple[int, ...]
"""The settled cells: a bit mask for each row, bit x for column x."""

SHAPES: dict[str, tuple[Cell, ...]] = {
    "I": ((0, 0), (0, -1)),
    "-": ((0, 0), (-1, 0)),
    "O": ((0, 0), (-1, 0), (0, -1), (-1, -1)),
    ".": ((0, 0),),
}
"""Cells of a shape, relative to its anchor."""

LEFT, RIGHT, DOWN = MOVES = (0, 1, 2)
_STEPS = ((-1, 0), (1, 0), (0, 1))


def shapes_of(box_type: int) -> str:
    """Return the names of a box type's shapes, in the order of the draw.

    >>> shapes_of(2), shapes_of(3), shapes_of(7)
    ('I-', 'I-O', '.')
    """
    return {2: "I-", 3: "I-O"}.get(box_type, ".")


@dataclass(frozen=True)
class Piece:
    """A falling piece."""

    shape: tuple[Cell, ...]
    x: int
    y: int = 0

    @property
    def cells(self) -> list[Cell]:
        """The cells that the piece takes."""
        return [(self.x + dx, self.y + dy) for dx, dy in self.shape]


@functools.lru_cache(maxsize=512)
def draw_pieces(seed: int, width: int, height: int, box_type: int) -> tuple[Piece, ...]:
    """Return the pieces of a game, one more than can settle before a row is full or the top reached.

    Shapes that came less often are likelier. Differs from NeMo Gym, where the counts go on from a draw
    without a seed: equal seeds give equal pieces here.
    """
    rng = random.Random(seed)
    names = shapes_of(box_type)
    counts = [0] * len(names)
    pieces = []
    for _ in range(width * height + 1):
        weights = [5 + max(counts) - count for count in counts]
        chosen, left = 0, rng.randint(1, sum(weights)) - weights[0]
        while left > 0:
            chosen += 1
            left -= weights[chosen]
        counts[chosen] += 1
        shape = SHAPES[names[chosen]]
        pieces.append(Piece(shape, rng.randint(1 if (-1, 0) in shape else 0, width - 1)))
    return tuple(pieces)


@dataclass(frozen=True)
class Well:
    """The board: its width, and the settled cells."""

    width: int
    rows: Rows

    def _is_taken(self, x: int, y: int) -> bool:
        return y >= len(self.rows) or (y >= 0 and bool(self.rows[y] >> x & 1))

    def moved(self, piece: Piece, move: int) -> Piece | None:
        """Return the piece after a move; None when something is in its way."""
        dx, dy = _STEPS[move]
        after = replace(piece, x=piece.x + dx, y=piece.y + dy)
        free = all(0 <= x < self.width and not self._is_taken(x, y) for x, y in after.cells)
        return after if free else None

    def carries(self, piece: Piece) -> bool:
        """Say whether the piece rests on the floor or on a settled cell."""
        return any(self._is_taken(x, y + 1) for x, y in piece.cells)

    def settled(self, piece: Piece) -> tuple["Well", int]:
        """Return the board with the piece settled and full rows removed, and how many those were."""
        rows = list(self.rows)
        for x, y in piece.cells:
            if y >= 0:
                rows[y] |= 1 << x
        full = (1 << self.width) - 1
        kept = [row for row in rows if row != full]
        cleared = len(rows) - len(kept)
        return Well(self.width, (0,) * cleared + tuple(kept)), cleared

    def codes(self, piece: Piece | None) -> list[list[int]]:
        """Return for each cell 0 for empty, 1 for settled, 2 for falling."""
        codes = [[row >> x & 1 for x in range(self.width)] for row in self.rows]
        for x, y in piece.cells if piece else ():
            if y >= 0:
                codes[y][x] = 2
        return codes

    def placements(self, piece: Piece) -> Iterator[tuple[list[int], Piece]]:
        """Yield every place where a new piece can come to rest, with the fewest moves to it.

        A piece rests as soon as it can, so no way leads through a resting place; only a piece that
        rests where it appears waits for its first move.
        """
        if self.carries(piece):
            yield [DOWN], piece
        seen = {piece}
        ways: list[tuple[list[int], Piece]] = [([], piece)]
        for moves, place in ways:
            for move in MOVES:
                after = self.moved(place, move)
                if after is None or after in seen:
                    continue
                seen.add(after)
                if self.carries(after):
                    yield [*moves, move], after
                else:
                    ways.append(([*moves, move], after))


@dataclass(frozen=True)
class BestPlay:
    """What a search over a whole game found."""

    moves: tuple[int, ...] | None
    """Moves of the greatest return; None when no row can be filled."""
    score: float
    """Their return."""
    is_complete: bool
    """Whether the search saw all that matters; False after ``max_boards``."""


def best_play(pieces: Sequence[Piece], empty: Well, max_boards: int = 20_000) -> BestPlay:
    """Search for the way to full rows that pays most: 10 for each row, less 0.1 for each move.

    Uniform-cost search over boards, by moves. It ends when two rows at once were found (no piece is
    higher than two), when the moves eat up what a second row would pay, or when nothing is left.
    """
    best = BestPlay(None, float("-inf"), False)
    queue: list[tuple[int, int, Rows, tuple[int, ...]]] = [(0, 0, empty.rows, ())]
    seen: set[tuple[int, Rows]] = set()
    while queue:
        cost, number, rows, path = heapq.heappop(queue)
        if 20.0 - 0.1 * cost <= best.score:
            break
        if (number, rows) in seen:
            continue
        seen.add((number, rows))
        if len(seen) > max_boards:
            return best
        well = Well(empty.width, rows)
        for moves, place in well.placements(pieces[number]):
            after, cleared = well.settled(place)
            total = cost + len(moves)
            score = 10.0 * cleared - 0.1 * total
            if cleared and score > best.score:
                best = BestPlay((*path, *moves), score, False)
            elif not cleared and not after.rows[0]:
                heapq.heappush(queue, (total, number + 1, after.rows, (*path, *moves)))
    return replace(best, is_complete=True)


@functools.lru_cache(maxsize=512)
def is_solvable(seed: int, width: int, height: int, box_type: int, max_boards: int = 500) -> bool | None:
    """Say whether a row can be filled at all; None when that many boards do not tell.

    Depth first, the board with the fullest row first.
    """
    pieces = draw_pieces(seed, width, height, box_type)
    stack = [(0, (0,) * height)]
    seen = set(stack)
    for _ in range(max_boards):
        if not stack:
            return False
        number, rows = stack.pop()
        well = Well(width, rows)
        results = [well.settled(place) for _, place in well.placements(pieces[number])]
        if any(cleared for _, cleared in results):
            return True
        going_on = {(number + 1, after.rows) for after, _ in results if not after.rows[0]} - seen
        seen |= going_on
        stack.extend(sorted(going_on, key=lambda node: (max(map(int.bit_count, node[1])), node[1])))
    return None
