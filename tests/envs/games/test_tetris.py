"""Tetris: the cases of its specification, pieces, search, knobs, rows, pictures."""

import itertools
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import pytest

from gym_llm.envs.games.tetris_rules import (
    SHAPES,
    Piece,
    Well,
    best_play,
    draw_pieces,
    is_solvable,
)
from gym_llm.errors import ConfigError, RowError

LEFT, RIGHT, DOWN = (f"<action>{label}</action>" for label in ("Left", "Right", "Down"))
SINGLES = {"seed": 5, "box_type": 1}


def make(row: dict[str, Any], **kwargs: Any) -> gymnasium.Env[str, str]:
    env = gymnasium.make("gym_llm/Tetris-v0", tasks=[row], **kwargs)
    env.reset(seed=0)
    return env


def play(
    row: dict[str, Any], *actions: str, **kwargs: Any
) -> tuple[list[float], dict[str, Any], list[str]]:
    env = make(row, render_mode="ansi", **kwargs)
    rewards, info = [], {}
    for action in actions:
        _, reward, _, _, info = env.step(action)
        rewards.append(reward)
    return rewards, info, str(env.render()).split("\n")


@pytest.mark.parametrize(
    ("actions", "rewards", "board"),
    [
        pytest.param([], [], "__X_ ____ ____ ____", id="start"),
        pytest.param([LEFT + DOWN * 3], [-0.4], "X___ ____ ____ _#__", id="piece-settles"),
        pytest.param([LEFT + DOWN * 3, DOWN], [-0.4, -0.1], "____ X___ ____ _#__", id="next-piece"),
        pytest.param([LEFT + DOWN * 3, DOWN, "<action>2</action>" * 4], [-0.4, -0.1, -0.4],
                     "_X__ ____ _#__ ##__", id="settles-on-another"),
        pytest.param([DOWN * 3 + LEFT * 3 + DOWN * 3 + RIGHT * 3 + DOWN * 3], [-1.5],
                     "_X__ ____ ____ #_##", id="fifteen-moves"),
        pytest.param(["<action>0</action><action>1</action><action>3</action>"], [-0.2],
                     "__X_ ____ ____ ____", id="unknown-tag-is-skipped"),
        pytest.param([f"<think>{LEFT}</think>{DOWN}"], [-0.1], "____ __X_ ____ ____",
                     id="thoughts-are-not-played"),
        pytest.param(["hello"], [0.0], "__X_ ____ ____ ____", id="no-move"),
        pytest.param(["<ACTION> dOwN </action>"], [-0.1], "____ __X_ ____ ____", id="case-and-blanks"),
    ],
)  # fmt: skip
def test_reward(actions: list[str], rewards: list[float], board: str) -> None:
    paid, _, rows = play(SINGLES, *actions)
    assert paid == pytest.approx(rewards)
    assert rows == board.split()


def test_blocked_move_is_not_effective() -> None:
    row = next(
        {"seed": seed, "dim_x": 2, "dim_y": 2}
        for seed in range(100)
        if draw_pieces(seed, 2, 2, 3)[0].shape == SHAPES["O"]
    )
    rewards, info, _ = play(row, LEFT)
    assert (rewards, info["action_is_effective"]) == ([-0.1], False)
    rewards, info, _ = play(row, DOWN)
    assert (rewards, info["success"]) == ([pytest.approx(19.9)], True)


def test_response_reports_each_move() -> None:
    _, info, _ = play(SINGLES, LEFT * 2 + DOWN * 3)
    assert [action["action_label"] for action in info["actions"]] == ["Left"] * 2 + ["Down"] * 3
    assert info["actions"][-1] == {
        "action_id": 2,
        "action_label": "Down",
        "reward": -0.1,
        "info": {
            "action_is_effective": True,
            "action_is_valid": True,
            "success": False,
            "dropped": True,
        },
    }
    assert (info["num_actions_applied"], info["dropped"]) == (5, True)
    assert info["total_reward"] == pytest.approx(-0.5)


def test_moves_after_the_end_are_not_played() -> None:
    row = {"seed": 18, "box_type": 1, "dim_board": [3, 3]}
    env = make(row)
    reference = DOWN * 5 + DOWN * 2 + DOWN * 40
    _, reward, terminated, _, info = env.step(reference)
    assert terminated
    assert info["num_actions_applied"] == 7
    assert info["verification"].fields == {
        "success": True, "lines": 1, "moves": 7, "pieces": 4, "solvable": True
    }  # fmt: skip
    assert reward == info["rewards"]["score"] == pytest.approx(9.3)


def test_piece_in_the_top_row_loses() -> None:
    rewards, info, rows = play({**SINGLES, "dim_board": [4, 1]}, LEFT)
    assert (rewards, rows) == ([-0.1], ["_#__"])
    assert info["verification"].fields["success"] is False
    assert info["verification"].fields["solvable"] is False


def test_resting_piece_waits_for_its_first_move() -> None:
    # The third piece appears in column 1, on top of the first.
    _, info, rows = play({**SINGLES, "dim_board": [4, 2]}, LEFT + DOWN * 2 + RIGHT)
    assert rows == ["__X_", "##__"]
    assert not info["dropped"]


def test_turn_without_a_move_is_answered_with_a_note() -> None:
    env = make(SINGLES)
    observation, reward, terminated, _, info = env.step("hello")
    assert observation.startswith("Your answer had no move")
    assert (reward, terminated, info["action_is_valid"], info["actions"]) == (0.0, False, False, [])
    assert info["error"]


def test_turn_limit_is_twenty() -> None:
    env = make(SINGLES)
    assert [env.step("hello")[3] for _ in range(20)] == [False] * 19 + [True]


def test_moves_of_a_response_are_capped() -> None:
    assert play(SINGLES, LEFT * 500)[1]["num_actions_applied"] == 64
    assert play(SINGLES, LEFT * 500, max_moves_per_turn=3)[1]["num_actions_applied"] == 3


def test_invalid_reward_is_paid() -> None:
    assert play(SINGLES, "hello", invalid_reward=-1)[0] == [-1.0]


@pytest.mark.parametrize(
    ("row", "size"),
    [
        pytest.param({}, (4, 4), id="default"),
        pytest.param({"dim_board": [6, 5]}, (6, 5), id="dim_board"),
        pytest.param({"dim_board": [6, 5], "dim_x": 3}, (3, 5), id="dim_x-first"),
        pytest.param({"dim_x": 3, "dim_y": 7}, (3, 7), id="dim_x-and-dim_y"),
    ],
)
def test_size_of_the_board(row: dict[str, Any], size: tuple[int, int]) -> None:
    _, _, rows = play(row)
    assert (len(rows[0]), len(rows)) == size


def test_symbols_and_labels_of_a_row_are_used() -> None:
    lookups = {"grid_lookup": {"0": ".", "2": "o"}, "action_lookup": {"2": "South"}}
    _, info, rows = play({**SINGLES, **lookups}, "<action>south</action>")
    assert rows == ["....", "..o.", "....", "...."]
    assert info["actions"][0]["action_label"] == "South"


def test_anchors_of_a_seed() -> None:
    assert [piece.x for piece in draw_pieces(5, 4, 4, 1)[:8]] == [2, 0, 1, 1, 2, 1, 0, 1]


def test_counts_of_shapes_stay_close() -> None:
    shapes = [piece.shape for piece in draw_pieces(1, 30, 30, 3)]
    counts = [shapes.count(SHAPES[name]) for name in "I-O"]
    assert sum(counts) == 901
    assert max(counts) - min(counts) < 20


def test_pieces_lie_inside_the_board() -> None:
    assert all(0 <= x < 3 for piece in draw_pieces(3, 3, 20, 3) for x, _ in piece.cells)


def test_game_without_seed_comes_from_the_reset_seed() -> None:
    env = gymnasium.make("gym_llm/Tetris-v0", tasks=[{}])
    seeds = []
    for seed in (1, 1, 2):
        env.reset(seed=seed)
        seeds.append(env.unwrapped.episode.state.seed)  # type: ignore[attr-defined]
    assert seeds[0] == seeds[1] != seeds[2]


def test_two_rows_at_once_are_worth_waiting_for() -> None:
    pieces = [Piece(SHAPES["O"], 3), Piece(SHAPES["O"], 1)]
    found = best_play(pieces, Well(4, (0, 0, 0, 0)))
    assert (found.is_complete, found.score) == (True, pytest.approx(19.4))
    assert found.moves == (2,) * 6


def step_by_step(pieces: Sequence[Piece], empty: Well) -> float:
    """Return the best return by breadth-first search over single moves of the game."""
    best, moves = float("-inf"), 0
    layer = {(0, pieces[0], empty)}
    seen = set(layer)
    while layer:
        moves += 1
        after = set()
        for (number, piece, well), move in itertools.product(layer, (0, 1, 2)):
            moved = well.moved(piece, move) or piece
            if not well.carries(moved):
                after.add((number, moved, well))
                continue
            settled, cleared = well.settled(moved)
            if cleared:
                best = max(best, 10.0 * cleared - 0.1 * moves)
            elif not settled.rows[0]:
                after.add((number + 1, pieces[number + 1], settled))
        layer = after - seen
        seen |= layer
    return best


@pytest.mark.parametrize(("width", "height", "box_type"), [(3, 4, 3), (4, 3, 2), (3, 3, 1), (5, 3, 3)])
def test_search_agrees_with_one_over_single_moves(width: int, height: int, box_type: int) -> None:
    for seed in range(8):
        pieces, empty = draw_pieces(seed, width, height, box_type), Well(width, (0,) * height)
        assert best_play(pieces, empty).score == pytest.approx(step_by_step(pieces, empty))


def test_bundled_returns_are_the_best_possible() -> None:
    for task in gymnasium.make("gym_llm/Tetris-v0").unwrapped.tasks:  # type: ignore[attr-defined]
        row = task.row
        width, height = row.size
        pieces = draw_pieces(row.seed, width, height, row.box_type)
        found = best_play(pieces, Well(width, (0,) * height))
        assert found.is_complete
        assert found.score == pytest.approx(row.reference_return)


def test_search_gives_up_at_its_bound() -> None:
    found = best_play(draw_pieces(1, 8, 8, 1), Well(8, (0,) * 8), max_boards=5)
    assert (found.moves, found.is_complete) == (None, False)
    assert is_solvable(1, 20, 4, 1, max_boards=1) is None


def test_starts_that_cannot_be_won_are_known() -> None:
    answers = [is_solvable(seed, 5, 2, 3) for seed in range(40)]
    assert False in answers
    for seed in range(40):
        exact = best_play(draw_pieces(seed, 5, 2, 3), Well(5, (0, 0)))
        assert exact.is_complete
        assert answers[seed] == (exact.moves is not None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"dim_x": 1}, "dim_x: pieces of box_type 3 need a width of 2", id="too-narrow"),
        pytest.param({"dim_x": 0}, "dim_x: Input should be greater", id="no-width"),
        pytest.param({"dim_board": [4, 33]}, r"dim_board\.1: Input should be less", id="too-high"),
        pytest.param({"seed": "x"}, "seed: Input should be a valid integer", id="seed-is-text"),
        pytest.param({"grid_lookup": {"0": "ab"}}, "grid_lookup: ", id="symbol"),
        pytest.param({"action_lookup": {"5": "Up"}}, "action_lookup: ", id="unknown-number"),
    ],
)
def test_bad_row_is_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        gymnasium.make("gym_llm/Tetris-v0", tasks=[row])


def test_single_cells_fit_a_width_of_one() -> None:
    assert play({"dim_board": [1, 3], "box_type": 1}, DOWN * 2)[0] == [pytest.approx(9.8)]


def test_limit_of_moves_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="max_moves_per_turn must be 1 or more, got 0"):
        gymnasium.make("gym_llm/Tetris-v0", max_moves_per_turn=0)


def test_picture_has_a_tile_for_each_cell() -> None:
    env = make({**SINGLES, "dim_board": [4, 5]}, render_mode="rgb_array")
    env.step(DOWN * 4)
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert (picture.shape, picture.dtype) == ((120, 96, 3), np.uint8)
    cells = picture.reshape(5, 24, 4, 24, 3).transpose(0, 2, 1, 3, 4).reshape(20, -1)
    assert len(np.unique(cells, axis=0)) == 3  # empty, settled, falling


def test_generated_rows_depend_on_their_index() -> None:
    env = gymnasium.make("gym_llm/Tetris-v0", tasks="generated")
    seeds = [env.unwrapped.tasks[index].row.seed for index in range(20)]  # type: ignore[attr-defined]
    assert len(set(seeds)) == 20
    assert env.unwrapped.tasks[7].row.seed == seeds[7]  # type: ignore[attr-defined]
