"""Tetris: steer pieces on a small board until a row is full, several moves a turn."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, ClassVar

import numpy as np
import pydantic

from gym_llm.core.text_env import Turn
from gym_llm.envs.games.board_game import BoardGameEnv, BoardRow
from gym_llm.envs.games.drawing import BLACK, tile
from gym_llm.envs.games.moves import spoken, tag, tagged
from gym_llm.envs.games.tetris_rules import Piece, Well, draw_pieces, is_solvable, shapes_of
from gym_llm.errors import ConfigError
from gym_llm.messages import AssistantMessage, Message
from gym_llm.scores import Score, number, task_mean
from gym_llm.tasks import RawRow

LABELS = {0: "Left", 1: "Right", 2: "Down"}
SYMBOLS = dict(enumerate("_#X"))
NAMES = ("empty", "settled", "falling")

GREY = (70, 70, 70)
TILES = np.stack(
    [tile(24, BLACK, (25, 25, 25)), tile(24, (120, 130, 150), GREY), tile(24, (250, 190, 40), GREY)]
)

Side = Annotated[int, pydantic.Field(ge=1, le=32)]


class TetrisRow(BoardRow):
    """Size and pieces of a game; without a seed the environment draws one."""

    symbols = SYMBOLS
    labels = LABELS
    names = NAMES
    request = "Answer with one or more moves, played in order"

    seed: Annotated[int, pydantic.Field(ge=0, lt=2**63)] | None = None
    box_type: int = 3
    """2: upright and lying pairs; 3: also squares of four; anything else: single cells."""
    dim_x: Side | None = None
    """Width; by default the first of ``dim_board``, then 4."""
    dim_y: Side | None = None
    """Height; by default the second of ``dim_board``, then 4."""
    dim_board: tuple[Side, Side] = (4, 4)

    @pydantic.model_validator(mode="after")
    def _pieces_fit(self) -> "TetrisRow":
        if self.size[0] == 1 and "-" in shapes_of(self.box_type):
            raise ValueError(
                f"dim_x: pieces of box_type {self.box_type} need a width of 2 or more, got 1"
            )
        return self

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.dim_x or self.dim_board[0], self.dim_y or self.dim_board[1]

    def default_prompt(self) -> list[Message]:
        """Return the rules."""
        rules = (
            "Play a small Tetris: fill one row of the board completely. Pieces appear at the top, where "
            "a part may stick out above the board, and cannot be turned. They do not fall of their own: "
            "every move shifts the piece one cell left, right or down, and costs a little. A piece that "
            "lies on the floor or on another piece after a move settles, and the next one appears. The "
            "game is won when a row is full (two rows at once pay twice), and lost when a piece settles "
            "in the top row. In each turn answer with one or more moves in <action> tags."
        )
        return [{"role": "system", "content": rules}]


@dataclass
class Game:
    """The state of an episode."""

    seed: int
    well: Well
    piece: Piece
    settled: int = 0
    """Pieces that have come to rest."""
    moves: int = 0
    lines: int = 0
    is_over: bool = False
    error: str | None = None
    """What was wrong with the last turn."""


def generate_task(index: int) -> RawRow:
    """Return row ``index``: a seed, a board of 4 to 8 columns and rows, and a box type from 1 to 3."""
    rng = np.random.default_rng(index)
    width, height, box_type = (int(rng.integers(*bounds)) for bounds in ((4, 9), (4, 9), (1, 4)))
    seed = int(rng.integers(2**32))
    while is_solvable(seed, width, height, box_type) is False:
        seed = int(rng.integers(2**32))
    return {"seed": seed, "dim_board": [width, height], "box_type": box_type}


class TetrisEnv(BoardGameEnv):
    """Steer falling pieces on a small board until a row is full.

    ## Description
    Pieces of one, two or four cells appear at the top of a small board, one after the other, and cannot
    be turned. There is no gravity: each move takes the piece one cell left, right or down, or does
    nothing if something is in the way. A piece that then rests on the floor or on a settled cell
    settles, also after a sideways move. The seed of the row fixes the pieces.
    ## Observation
    ``str``: the row's prompt or the rules; then, at reset and after each turn, the board with a legend
    and the three actions, after a note where the last turn had no move. Symbols: ``_`` empty, ``#``
    settled, ``X`` falling. Cells above the board are not shown. Empty at the end.
    ## Action
    ``str``: the assistant's text, ``<think>`` blocks left out. Every ``<action>`` tag with ``left``,
    ``right``, ``down`` or their numbers 0, 1, 2 (any case, blanks allowed) is played in order until the
    game is over; other tags are skipped.
    ## Reward
    -0.1 for each move and 10.0 for each row that it fills; the reward of a turn is the sum. A turn
    without a move pays ``invalid_reward``. ``info["rewards"]`` has ``score``, the return. ``info`` of
    every step: ``action_is_effective`` (the last move shifted its piece), ``action_is_valid``,
    ``success`` (it filled a row), ``dropped`` (its piece settled), ``total_reward``,
    ``num_actions_applied``, ``actions`` (a dict with ``action_id``, ``action_label``, ``reward`` and
    ``info`` for each move). ``info["verification"].fields``: ``success``, ``lines``, ``moves``,
    ``pieces`` (that settled), ``solvable`` (whether the pieces can fill a row; None when not known).

    Differs from NeMo Gym: thoughts are not played; a turn without a move is answered with a note (an
    HTTP error there); equal seeds give equal pieces in every process; ``dim_board`` counts (ignored
    there); ``action_is_effective`` compares a piece with itself, not with the next one; moves have a
    limit; ``grid_lookup`` counts, and it and ``action_lookup`` may have text keys.
    ## Episode end
    Terminates when a row is filled or a piece settles in the top row; truncated after 20 turns.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``invalid_reward`` (float,
    default 0.0). ``max_moves_per_turn`` (int, default 64): what follows in a turn is not played.
    ``max_turns`` (int, default 20).
    ## Data and licence
    Rows: ``seed``, ``box_type``, ``dim_x`` and ``dim_y`` or ``dim_board`` (width, height),
    ``grid_lookup``, ``action_lookup``. ``tasks="generated"`` has games of many sizes, without those that
    are known to be lost from the start. The bundled games are gym_llm's own (Apache 2.0);
    ``reference_return`` is the most that their pieces can pay, found by a search over all boards.
    ## Version history
    - v0: first version.
    """

    row_model = TetrisRow
    data = "tetris"
    tiles = TILES
    generate = staticmethod(generate_task)
    max_turns = 20
    key_map: ClassVar = {key: tag(label) for key, label in zip("ads", LABELS.values(), strict=True)}

    def __init__(self, max_moves_per_turn: int = 64, **kwargs: Any) -> None:
        if max_moves_per_turn < 1:
            raise ConfigError(f"max_moves_per_turn must be 1 or more, got {max_moves_per_turn!r}")
        super().__init__(**kwargs)
        self.max_moves_per_turn = max_moves_per_turn

    def new_game(self) -> Game:
        """Empty the board and let the first piece appear."""
        row = self.episode.task.row
        seed = int(self.np_random.integers(2**32)) if row.seed is None else row.seed
        width, height = row.size
        return Game(seed, Well(width, (0,) * height), draw_pieces(seed, width, height, row.box_type)[0])

    def play(self, message: AssistantMessage) -> Turn:
        """Make the moves of the text, one after the other."""
        game: Game = self.episode.state
        spelled = self.episode.task.row.spelled
        moves = (spelled[word] for word in tagged(spoken(message.content)) if word in spelled)
        actions = []
        for move in islice(moves, self.max_moves_per_turn):
            actions.append(self.make_move(move))
            if game.is_over:
                break
        reward = sum(action["reward"] for action in actions) if actions else self.invalid_reward
        last = {"action_is_effective": False, "success": False, "dropped": False}
        info = {
            **(actions[-1]["info"] if actions else last),
            "action_is_valid": bool(actions),
            "total_reward": float(sum(self.episode.rewards) + reward),
            "num_actions_applied": len(actions),
            "actions": actions,
        }
        game.error = None if actions else self.no_move
        if game.error:
            info["error"] = game.error
        return Turn(reward=float(reward), terminated=game.is_over, info=info)

    def make_move(self, move: int) -> dict[str, Any]:
        """Play one step of the game, and return what is reported of it."""
        game: Game = self.episode.state
        after = game.well.moved(game.piece, move)
        game.piece = after or game.piece
        game.moves += 1
        dropped = game.well.carries(game.piece)
        cleared = self._settle() if dropped else 0
        return {
            "action_id": move,
            "action_label": self.episode.task.row.action_lookup[move],
            "reward": 10.0 * cleared - 0.1,
            "info": {
                "action_is_effective": after is not None,
                "action_is_valid": True,
                "success": cleared > 0,
                "dropped": dropped,
            },
        }

    def _settle(self) -> int:
        game: Game = self.episode.state
        row = self.episode.task.row
        game.well, cleared = game.well.settled(game.piece)
        game.lines += cleared
        game.settled += 1
        game.is_over = cleared > 0 or game.well.rows[0] != 0
        if not game.is_over:
            game.piece = draw_pieces(game.seed, *row.size, row.box_type)[game.settled]
        return cleared

    def outcome(self) -> dict[str, Any]:
        """Return whether a row was filled, and how."""
        game: Game = self.episode.state
        row = self.episode.task.row
        return {
            "success": game.lines > 0,
            "lines": game.lines,
            "moves": game.moves,
            "pieces": game.settled,
            "solvable": game.lines > 0 or is_solvable(game.seed, *row.size, row.box_type),
        }

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return how often a row is filled, and rows, moves and pieces a game."""
        names = ("lines", "moves", "pieces")
        won = {"success_rate": task_mean(scores, number("success"))}
        return {**won, **{name: task_mean(scores, number(name)) for name in names}}

    def codes(self) -> list[list[int]]:
        """Return the code of each cell, by rows."""
        game: Game = self.episode.state
        return game.well.codes(None if game.is_over else game.piece)
