"""Sokoban: the cases of its specification, rooms, knobs, rows, pictures."""

from typing import Any

import gymnasium
import numpy as np
import pytest

from gym_llm.errors import ConfigError, RowError

UP, DOWN, LEFT, RIGHT = (f"<action>{label}</action>" for label in ("Up", "Down", "Left", "Right"))
SEED_42, SEED_2 = {"seed": 42}, {"seed": 2}
BOARD = ["#######", "#S_XXO#", "#######"]


def make(row: dict[str, Any], **kwargs: Any) -> gymnasium.Env[str, str]:
    env = gymnasium.make("gym_llm/Sokoban-v0", tasks=[row], **kwargs)
    env.reset(seed=0)
    return env


def play(row: dict[str, Any], *actions: str, **kwargs: Any) -> tuple[list[float], dict[str, Any]]:
    env = make(row, **kwargs)
    rewards, info = [], {}
    for action in actions:
        _, reward, _, _, info = env.step(action)
        rewards.append(reward)
    return rewards, info


@pytest.mark.parametrize(
    ("row", "actions", "rewards", "reported"),
    [
        pytest.param(SEED_42, [RIGHT, RIGHT], [-0.1, 10.9],
                     {"success": True, "action_id": 4, "action_label": "Right", "total_reward": 10.8},
                     id="solved"),
        pytest.param(SEED_2, [UP, LEFT], [-0.1, -0.1],
                     {"action_is_effective": False, "action_is_valid": True, "success": False},
                     id="walking-against-a-wall"),
        pytest.param(SEED_2, ["UP"], [-0.1], {"action_is_effective": True, "action_id": 1},
                     id="bare-word"),
        pytest.param(SEED_2, ["I take 1."], [-0.1], {"action_id": 1}, id="bare-digit"),
        pytest.param(SEED_2, ["<action> 1 </action>"], [-0.1], {"action_id": 1}, id="tagged-digit"),
        pytest.param(SEED_2, [f"down? No: {UP}"], [-0.1], {"action_id": 1}, id="tag-before-words"),
        pytest.param(SEED_2, [f"<action>jump</action>{UP}"], [-0.1], {"action_id": 1},
                     id="unknown-tag-is-skipped"),
        pytest.param(SEED_2, ["step 12, upward"], [0.0], {"action_is_valid": False},
                     id="parts-of-words-are-no-moves"),
        pytest.param(SEED_42, [UP + RIGHT], [-0.1], {"action_id": 1, "action_is_effective": False},
                     id="first-tag-counts"),
        pytest.param(SEED_42, ["north"], [0.0],
                     {"action_is_valid": False, "action_is_effective": False, "action_id": 0,
                      "action_label": "", "success": False, "total_reward": 0.0}, id="no-move"),
        pytest.param(SEED_42, [f"<think>or {LEFT}?</think>{RIGHT}"], [-0.1], {"action_id": 4},
                     id="thoughts-are-not-played"),
        pytest.param({"board": ["######", "#P√_X#", "##O###", "######"]}, [RIGHT], [-1.1],
                     {"action_is_effective": True}, id="target-uncovered"),
        pytest.param({"board": ["#######", "#PXOXO#", "#######"]}, [RIGHT], [0.9],
                     {"success": False}, id="target-covered"),
        pytest.param({"board": ["######", "#PXXO#", "######"]}, [RIGHT], [-0.1],
                     {"action_is_effective": False}, id="two-boxes-cannot-be-pushed"),
        pytest.param({"board": ["#####", "#_X_#", "#_P_#", "#O__#", "#####"]}, [UP], [-0.1],
                     {"deadlock": False, "action_is_effective": False}, id="box-at-a-wall"),
        pytest.param({"board": ["#####", "#___#", "#_XP#", "#O__#", "#####"]}, [LEFT, DOWN, LEFT, UP],
                     [-0.1] * 4, {"deadlock": True}, id="box-in-a-corner"),
    ],
)  # fmt: skip
def test_reward(
    row: dict[str, Any], actions: list[str], rewards: list[float], reported: dict[str, Any]
) -> None:
    paid, info = play(row, *actions)
    assert paid == pytest.approx(rewards)
    got = {name: info[name] for name in reported}
    assert got == {k: pytest.approx(v) if type(v) is float else v for k, v in reported.items()}


def test_end_reports_the_way_to_it() -> None:
    _, info = play(SEED_42, "hm", LEFT, RIGHT, RIGHT)
    assert info["verification"].fields == {
        "success": True, "moves": 4, "pushes": 2, "deadlock": False, "optimality_gap": 2
    }  # fmt: skip
    assert info["rewards"] == {"score": pytest.approx(10.7)}


def test_turn_without_a_move_is_answered_with_a_note_once() -> None:
    env = make(SEED_42)
    observation, _, terminated, truncated, info = env.step("north")
    assert observation.startswith("Your answer had no move")
    assert info["error"] in observation
    assert not terminated
    assert not truncated
    assert env.step(LEFT)[0].startswith("Board:\n######\n#PX_O#\n")


def test_max_steps_truncates_and_is_graded() -> None:
    env = make({**SEED_42, "max_steps": 2})
    env.step("north")
    observation, reward, terminated, truncated, info = env.step(LEFT)
    assert (reward, terminated, truncated) == (-0.1, False, True)
    assert info["verification"].fields["moves"] == 2
    assert "Board:" in observation


def test_turn_limit_is_twenty() -> None:
    env = make(SEED_42)
    ends = [env.step(LEFT)[3] for _ in range(20)]
    assert ends == [False] * 19 + [True]


def test_bare_words_can_be_switched_off() -> None:
    _, info = play(SEED_42, "do not go left", bare_words=False)
    assert not info["action_is_valid"]


def test_invalid_reward_is_paid() -> None:
    assert play(SEED_42, "north", invalid_reward=-0.5)[0] == [-0.5]


def test_symbols_and_labels_of_a_row_are_used() -> None:
    env = make(
        {
            "board": ["#####", "#@$.#", "#####"],
            "grid_lookup": {"1": "-", "2": ".", "4": "$", "5": "@"},
            "action_lookup": {"4": "East"},
        },
        render_mode="ansi",
    )
    assert env.render() == "#####\n#@$.#\n#####"
    _, reward, terminated, _, info = env.step("<action>east</action>")
    assert (reward, terminated, info["action_label"]) == (pytest.approx(10.9), True, "East")


def test_board_without_walls_around_ends_at_its_edge() -> None:
    rewards, _ = play({"board": ["PXO"]}, LEFT, RIGHT)
    assert rewards == pytest.approx([-0.1, 10.9])


def test_room_without_seed_comes_from_the_reset_seed() -> None:
    env = gymnasium.make("gym_llm/Sokoban-v0", tasks=[{}])
    rooms = [env.reset(seed=seed)[0] for seed in range(8)]
    assert rooms == [env.reset(seed=seed)[0] for seed in range(8)]
    assert len(set(rooms)) > 5


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"dim_room": [4, 4]}, "dim_room: a box can be pulled only", id="four-by-four"),
        pytest.param({"dim_room": [2, 9]}, "dim_room: a room has walls", id="no-inside"),
        pytest.param({"dim_room": [5, 5], "num_boxes": 5}, "num_boxes 5 needs 11 cells", id="crowded"),
        pytest.param({"dim_room": [6, 17]}, r"dim_room\.1: Input should be less", id="too-wide"),
        pytest.param({"num_boxes": 0}, "num_boxes: Input should be greater", id="no-box"),
        pytest.param({"seed": 2**32}, "seed: Input should be less", id="seed-too-large"),
        pytest.param({"board": ["#P#", "#"]}, "board: expected lines of one length", id="ragged"),
        pytest.param({"board": ["PX?"]}, "board: expected the symbols .* got '\\?'", id="symbol"),
        pytest.param({"board": ["XO"]}, "board: expected one player, got 0", id="no-player"),
        pytest.param({"board": ["PXOO"]}, "board: 2 targets and 1 boxes", id="too-few-boxes"),
        pytest.param({"board": ["P√_"]}, "board: every target is covered", id="solved-already"),
        pytest.param({"board": ["PO" + "X" * 9]}, "board: expected at most 8 boxes", id="many-boxes"),
        pytest.param({"grid_lookup": {"9": "x"}}, "grid_lookup: ", id="unknown-code"),
        pytest.param({"action_lookup": {"1": "Down"}}, "action_lookup: ", id="equal-labels"),
    ],
)  # fmt: skip
def test_bad_row_is_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        gymnasium.make("gym_llm/Sokoban-v0", tasks=[row])


def test_size_where_every_seed_fails_is_an_error_at_reset() -> None:
    env = gymnasium.make("gym_llm/Sokoban-v0", tasks=[{"seed": 1, "dim_room": [5, 5], "num_boxes": 4}])
    with pytest.raises(ConfigError, match="no room of 5 x 5 with 4 boxes"):
        env.reset(seed=0)


def test_picture_has_a_tile_for_each_cell() -> None:
    env = make({"board": BOARD}, render_mode="rgb_array")
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    assert (picture.shape, picture.dtype) == ((48, 112, 3), np.uint8)
    tiles = {picture[16:32, x * 16 : x * 16 + 16].tobytes() for x in range(6)}
    assert len(tiles) == 5  # wall, player on target, floor twice, box, target


def test_a_megabyte_of_text_is_read_at_once() -> None:
    rewards, _ = play(SEED_42, "<action>" * 50_000 + "a" * 300_000 + "b " * 150_000)
    assert rewards == [0.0]


def test_generated_rows_are_possible_and_depend_on_their_index() -> None:
    env = gymnasium.make("gym_llm/Sokoban-v0", tasks="generated")
    rooms = [env.reset(seed=0, options={"task": index})[0] for index in range(60)]
    assert len(set(rooms)) == 60
    assert env.reset(seed=9, options={"task": 7})[0] == rooms[7]
