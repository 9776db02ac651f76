"""SokobanSolver solves rooms in the fewest moves, from the observation alone."""

import asyncio
from typing import Any

import gymnasium
import pytest

from gym_llm.agents.sokoban import SokobanSolver


def play(env: gymnasium.Env[str, str], index: int = 0, **bounds: int) -> tuple[float, dict[str, Any]]:
    agent = SokobanSolver(**bounds)
    observation, info = env.reset(seed=0, options={"task": index})
    total, ended = 0.0, False
    while not ended:
        action = asyncio.run(agent.act(observation, info))
        observation, reward, terminated, truncated, info = env.step(action)
        total += float(reward)
        ended = terminated or truncated
    return total, info["verification"].fields


def test_bundled_rooms_pay_the_most_possible() -> None:
    env = gymnasium.make("gym_llm/Sokoban-v0")
    for task in env.unwrapped.tasks:  # type: ignore[attr-defined]
        total, fields = play(env, task.index)
        assert total == pytest.approx(task.row.reference_return)
        assert fields["optimality_gap"] == 0


def test_generated_rooms_are_solved() -> None:
    env = gymnasium.make("gym_llm/Sokoban-v0", tasks="generated", max_turns=100)
    assert all(play(env, index)[1]["success"] for index in range(40))


def test_other_symbols_and_labels_are_read_from_the_observation() -> None:
    row = {
        "board": ["#####", "#@$.#", "#####"],
        "grid_lookup": {"1": "-", "2": ".", "4": "$", "5": "@"},
        "action_lookup": {"4": "East"},
    }
    assert play(gymnasium.make("gym_llm/Sokoban-v0", tasks=[row]))[0] == pytest.approx(10.9)


def test_room_beyond_the_bound_is_given_up() -> None:
    env = gymnasium.make("gym_llm/Sokoban-v0", tasks=[{"seed": 42}])
    assert play(env, max_positions=0)[0] == 0.0


def test_text_without_a_board_gets_no_move() -> None:
    assert asyncio.run(SokobanSolver().act("Hello", {})) == ""
