"""TetrisPlacer fills rows, from the observation alone."""

import asyncio
from typing import Any

import gymnasium

from gym_llm.agents.tetris import TetrisPlacer, read
from gym_llm.envs.games.tetris_rules import Piece, Well


def play(env: gymnasium.Env[str, str], index: int) -> tuple[float, dict[str, Any]]:
    agent = TetrisPlacer()
    observation, info = env.reset(seed=0, options={"task": index})
    total, ended = 0.0, False
    while not ended:
        action = asyncio.run(agent.act(observation, info))
        observation, reward, terminated, truncated, info = env.step(action)
        total += float(reward)
        ended = terminated or truncated
    return total, info["verification"].fields


def test_most_generated_games_are_won() -> None:
    env = gymnasium.make("gym_llm/Tetris-v0", tasks="generated", disable_env_checker=True)
    games = [play(env, index) for index in range(40)]
    assert sum(fields["success"] for _, fields in games) >= 32
    assert sum(total for total, _ in games) / 40 > 6.0


def test_other_symbols_and_labels_are_read_from_the_observation() -> None:
    row = {
        "seed": 18,
        "box_type": 1,
        "dim_board": [3, 3],
        "grid_lookup": {"0": ".", "2": "o"},
        "action_lookup": {"0": "West", "2": "South"},
    }
    assert play(gymnasium.make("gym_llm/Tetris-v0", tasks=[row]), 0)[1]["success"]


def test_new_piece_is_moved_down_once_to_see_it_whole() -> None:
    env = gymnasium.make("gym_llm/Tetris-v0", tasks=[{"seed": 5}])
    observation, info = env.reset(seed=0)
    assert asyncio.run(TetrisPlacer().act(observation, info)) == "<action>Down</action>"


def test_board_and_piece_are_read() -> None:
    observation = "Board:\n_XX\n_XX\n#__\n\nLegend: _ empty, # settled, X falling.\nAnswer."
    shape = ((-1, -1), (0, -1), (-1, 0), (0, 0))
    assert read(observation) == (Well(3, (0, 0, 1)), Piece(shape, 2, 1))


def test_text_without_a_board_gets_no_move() -> None:
    assert asyncio.run(TetrisPlacer().act("Hello", {})) == ""
