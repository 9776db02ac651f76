"""Blackjack, Sokoban and Tetris: the recorded game is set up from what the player was shown."""

import dataclasses
import itertools
import re

from gym_llm.envs.games.sokoban import SYMBOLS
from gym_llm.envs.games.sokoban_levels import generate_board
from gym_llm.envs.games.tetris_rules import SHAPES, draw_pieces
from tests.conformance.harness import SHARED, Case, Record, Replay, read_jsonl


def first_board(record: Record) -> list[str]:
    shown = record["row"]["responses_create_params"]["input"][-1]["content"]
    return shown.split("\n\n")[0].split("\n")[1:]


def with_deck(record: Record, replay: Replay) -> Replay:
    """Put the cards in the order in which they were dealt; a dealer's hand not shown ends with a 2."""
    shown = record["row"]["responses_create_params"]["input"][-1]["content"]
    info = record["row"]["info"]
    player = info["player"].strip("[]").split(", ")
    dealer = info.get("dealer", "").strip("[]").split(", ")
    if len(dealer) < 2:
        dealer = [re.findall(r"Dealer shows: (\w+)", shown)[0], "2"]
    deck = [*player[:2], *dealer[:2], *player[2:], *dealer[2:]]
    return dataclasses.replace(replay, row={**replay.row, "deck": deck})


def with_room(record: Record, replay: Replay) -> Replay:
    """Use the seed of the row whose room was shown, so that the generator is replayed too."""
    board = first_board(record)
    for row in read_jsonl(SHARED / "peer_rows" / "grl_sokoban__example.jsonl"):
        codes = generate_board(row["seed"], *row["dim_room"], row["num_boxes"])
        if ["".join(SYMBOLS[code] for code in line) for line in codes] == board:
            return dataclasses.replace(replay, row={**row, **replay.row})
    return dataclasses.replace(replay, row={**replay.row, "board": board})


PIECES = {0: [("O", 3), ("O", 1)], 1: [("-", 2), ("-", 1), ("I", 0)]}
"""Shapes and anchors seen in each record: upstream's depend on more than the row's seed."""


def with_pieces(record: Record, replay: Replay) -> Replay:
    """Find a seed that gives the pieces of the recorded game."""
    wanted = [(SHAPES[name], x) for name, x in PIECES[record["line"]]]
    width, height = len(first_board(record)[0]), len(first_board(record))
    for seed in itertools.count():
        pieces = draw_pieces(seed, width, height, 3)
        if [(piece.shape, piece.x) for piece in pieces[: len(wanted)]] == wanted:
            row = {**replay.row, "seed": seed, "dim_board": [width, height], "box_type": 3}
            return dataclasses.replace(replay, row=row)
    raise AssertionError


CASES = [
    Case("gym_llm/Blackjack-v0", "blackjack", prepare=with_deck),
    Case("gym_llm/Sokoban-v0", "grl_sokoban", prepare=with_room),
    Case("gym_llm/Tetris-v0", "grl_tetris", prepare=with_pieces),
]
