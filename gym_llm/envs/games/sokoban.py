"""Sokoban: push the boxes of a room onto the targets, one move a turn."""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import pydantic

from gym_llm.core.text_env import Turn
from gym_llm.envs.games.board_game import BoardGameEnv, BoardRow
from gym_llm.envs.games.drawing import BLACK, tile
from gym_llm.envs.games.moves import spoken, tag, tagged
from gym_llm.envs.games.sokoban_levels import (
    MAX_BOXES,
    MAX_SIDE,
    Board,
    generate_board,
    impossible_size,
)
from gym_llm.envs.games.sokoban_room import Position, Room, read_board, shortest_solution
from gym_llm.messages import AssistantMessage, Message
from gym_llm.scores import Score, number, task_mean
from gym_llm.tasks import RawRow

LABELS = {1: "Up", 2: "Down", 3: "Left", 4: "Right"}
SYMBOLS = dict(enumerate("#_O√XPS"))
NAMES = ("wall", "floor", "target", "box on target", "box", "player", "player on target")
"""What the codes of `sokoban_levels` are called, in their order."""

Side = Annotated[int, pydantic.Field(ge=1, le=MAX_SIDE)]

SIZES = ((5, 5), (6, 6), (7, 7), (8, 8), (4, 6), (6, 4), (5, 6), (6, 5), (5, 7), (7, 5), (6, 7), (7, 6))
BOXES = (1, 1, 1, 1, 1, 2, 2, 3)

RED, BLUE = (220, 40, 40), (60, 110, 255)
TILES = np.stack(
    [
        tile(16, (130, 85, 45)),
        tile(16, BLACK),
        tile(16, BLACK, RED),
        tile(16, (50, 190, 70), RED),
        tile(16, (240, 200, 50)),
        tile(16, BLUE),
        tile(16, BLUE, RED),
    ]
)


class SokobanRow(BoardRow):
    """A room: a ``board``, or arguments of the generator; without a seed the environment draws one."""

    symbols = SYMBOLS
    labels = LABELS
    names = NAMES
    request = "Answer with one move"

    seed: Annotated[int, pydantic.Field(ge=0, lt=2**32)] | None = None
    dim_room: tuple[Side, Side] = (6, 6)
    """Rows and columns, walls included."""
    num_boxes: Annotated[int, pydantic.Field(ge=1, le=MAX_BOXES)] = 1
    search_depth: Annotated[int, pydantic.Field(ge=1, le=1000)] = 100
    board: Annotated[list[str], pydantic.Field(min_length=1, max_length=64)] | None = None
    """A line of symbols for each row of the room."""
    max_steps: Annotated[int, pydantic.Field(ge=1)] = 100
    """Moves before the episode is truncated."""

    @pydantic.model_validator(mode="after")
    def _room_can_exist(self) -> "SokobanRow":
        if self.board is not None:
            boxes = read_board(self.literal)[1][1]
            if len(boxes) > MAX_BOXES:
                raise ValueError(f"board: expected at most {MAX_BOXES} boxes, got {len(boxes)}")
        elif reason := impossible_size(*self.dim_room, self.num_boxes):
            raise ValueError(f"dim_room: {reason}")
        return self

    @functools.cached_property
    def literal(self) -> Board:
        """The codes of ``board``."""
        codes = {symbol: code for code, symbol in self.grid_lookup.items()}
        lines = self.board or []
        if unknown := set("".join(lines)) - set(codes):
            raise ValueError(f"board: expected the symbols {''.join(codes)}, got {min(unknown)!r}")
        if len({len(line) for line in lines}) != 1 or not 1 <= len(lines[0]) <= 64:
            raise ValueError("board: expected lines of one length, at most 64")
        return tuple(tuple(codes[symbol] for symbol in line) for line in lines)

    def default_prompt(self) -> list[Message]:
        """Return the rules."""
        rules = (
            "Solve a Sokoban puzzle. You walk one cell a turn; walking against a box pushes it if no "
            "wall and no other box is behind it. Boxes cannot be pulled. The puzzle is solved when "
            "every target has a box; each move costs a little. In each turn answer with one move in an "
            "<action> tag; you then see the new board."
        )
        return [{"role": "system", "content": rules}]


@dataclass
class Game:
    """The state of an episode."""

    room: Room
    position: Position
    start: Position
    moves: int = 0
    pushes: int = 0
    error: str | None = None
    """What was wrong with the last turn."""


def generate_task(index: int) -> RawRow:
    """Return row ``index``: a seed, a size from 5 x 5 to 8 x 8 or oblong, one to three boxes."""
    rng = np.random.default_rng(index)
    rows, columns = SIZES[rng.integers(len(SIZES))]
    boxes = BOXES[rng.integers(len(BOXES))]
    if boxes >= (rows - 2) * (columns - 2) // 3:  # too cramped for most seeds
        boxes = 1
    return {"seed": int(rng.integers(2**32)), "dim_room": [rows, columns], "num_boxes": boxes}


class SokobanEnv(BoardGameEnv):
    """Push every box of a room onto a target.

    ## Description
    A room of walls, floor, targets and boxes. The player walks up, down, left and right; walking against
    a box pushes it if the cell behind is free. Rooms come from a seed (the rooms of gym-sokoban, all of
    them solvable) or are given as a board.
    ## Observation
    ``str``: the row's prompt or the rules; then, at reset and after each move, the board with a legend
    and the four actions, after a note where the last turn had no move. Symbols: ``#`` wall, ``_`` floor,
    ``O`` target, ``X`` box, ``√`` box on target, ``P`` player, ``S`` player on target. Empty once
    solved.
    ## Action
    ``str``: the assistant's text, ``<think>`` blocks left out. The first ``<action>`` tag with ``up``,
    ``down``, ``left``, ``right`` or a number from 1 to 4 (in this order; any case, blanks allowed)
    counts; without one, the first of these as a word of its own.
    ## Reward
    -0.1 for each move, effective or not; 1.0 more if it covers a target, 1.0 less if it uncovers one;
    10.0 more if all are covered then. A turn without a move pays ``invalid_reward``.
    ``info["rewards"]`` has ``score``, the return. ``info`` of every step: ``action_is_effective`` (the
    player moved), ``action_is_valid``, ``success``, ``action_id``, ``action_label``, ``total_reward``,
    ``deadlock`` (boxes are stuck in corners). ``info["verification"].fields``: ``success``, ``moves``,
    ``pushes``, ``deadlock``, ``optimality_gap`` (moves beyond the fewest; None unless solved and the
    fewest are known).

    Differs from NeMo Gym: thoughts are not played; a turn without a move is answered with a note (an
    HTTP error there); failing seeds are replaced in the same way in every process; impossible sizes are
    refused; ``max_steps`` truncates (it terminates there); the keys of ``action_lookup`` and
    ``grid_lookup`` may be text.
    ## Episode end
    Terminates when every target is covered; truncated after 20 turns, or ``max_steps`` of the row (100).
    A turn without a move counts.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``bare_words`` (bool, default
    True): a move need not be in a tag; False avoids playing "do not go left". ``invalid_reward`` (float,
    default 0.0). ``max_turns`` (int, default 20).
    ## Data and licence
    Rows: ``seed``, ``dim_room`` (rows, columns), ``num_boxes``, ``search_depth``, ``max_steps``,
    ``grid_lookup``, ``action_lookup``; or ``board``, a list of lines. ``tasks="generated"`` has rooms of
    many sizes. The generator follows gym-sokoban (MIT). The bundled rooms are gym_llm's own
    (Apache 2.0).
    ## Version history
    - v0: first version.
    """

    row_model = SokobanRow
    data = "sokoban"
    tiles = TILES
    generate = staticmethod(generate_task)
    max_turns = 20
    key_map: ClassVar = {key: tag(label) for key, label in zip("wsad", LABELS.values(), strict=True)}

    def __init__(self, bare_words: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bare_words = bare_words

    def new_game(self) -> Game:
        """Set up the room."""
        row = self.episode.task.row
        board = row.literal if row.board is not None else self._generated(row)
        room, position = read_board(board)
        return Game(room, position, position)

    def _generated(self, row: SokobanRow) -> Board:
        seed = int(self.np_random.integers(2**32)) if row.seed is None else row.seed
        return generate_board(seed, *row.dim_room, row.num_boxes, row.search_depth)

    def play(self, message: AssistantMessage) -> Turn:
        """Make the move that the text names."""
        game: Game = self.episode.state
        move = self.read_move(spoken(message.content))
        before = game.position
        game.moves += 1
        game.error = None if move else self.no_move
        reward = self.make_move(move) if move else self.invalid_reward
        success = game.room.is_solved(game.position[1])
        info = {
            "action_is_effective": game.position != before,
            "action_is_valid": move is not None,
            "success": success,
            "action_id": move or 0,
            "action_label": self.episode.task.row.action_lookup.get(move, ""),
            "total_reward": float(sum(self.episode.rewards) + reward),
            "deadlock": game.room.is_deadlocked(game.position[1]),
        }
        if game.error:
            info["error"] = game.error
        truncated = not success and game.moves >= self.episode.task.row.max_steps
        return Turn(reward=reward, terminated=success, truncated=truncated, info=info)

    def read_move(self, text: str) -> int | None:
        """Return the move that a text names, by tag or, where allowed, by word."""
        moves = self.episode.task.row.spelled
        tags = (moves[word] for word in tagged(text) if word in moves)
        words = (moves[word] for word in _words(text) if word in moves) if self.bare_words else ()
        return next(tags, None) or next(iter(words), None)

    def make_move(self, move: int) -> float:
        """Move, and return the reward."""
        game: Game = self.episode.state
        after = game.room.after(game.position, move)
        if after is None:
            return -0.1
        boxes, game.position = game.position[1], after
        game.pushes += after[1] != boxes
        gained = game.room.covered(after[1]) - game.room.covered(boxes)
        return -0.1 + gained + 10.0 * game.room.is_solved(after[1])

    def outcome(self) -> dict[str, Any]:
        """Return whether the room is solved, and how."""
        game: Game = self.episode.state
        success = game.room.is_solved(game.position[1])
        fewest = shortest_solution(game.room, game.start, max_positions=20_000) if success else None
        return {
            "success": success,
            "moves": game.moves,
            "pushes": game.pushes,
            "deadlock": game.room.is_deadlocked(game.position[1]),
            "optimality_gap": None if fewest is None else game.moves - len(fewest),
        }

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return the share of solved rooms, moves and pushes, and the moves too many where solved."""
        names = ("moves", "pushes", "deadlock", "optimality_gap")
        solved = {"solve_rate": task_mean(scores, number("success"))}
        return {**solved, **{name: task_mean(scores, number(name)) for name in names}}

    def codes(self) -> list[list[int]]:
        """Return the code of each cell, by rows."""
        game: Game = self.episode.state
        return game.room.codes(game.position)


def _words(text: str) -> Any:
    return (match[0].lower() for match in re.finditer(r"\w+", text))
