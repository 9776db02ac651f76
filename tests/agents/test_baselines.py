"""Agents without a model."""

import asyncio

import gymnasium
import pytest

from gym_llm.agents.base import Seat
from gym_llm.agents.factory import AGENTS, agent_factory
from gym_llm.agents.human import HumanAgent
from gym_llm.errors import ConfigError, UnknownNameError


def first_actions(
    name: str, env_id: str = "gym_llm/MCQA-v0", seed: int = 0, count: int = 1
) -> list[str]:
    env = gymnasium.make(env_id)
    observation, info = env.reset(seed=0, options={"task": 1})
    agent = agent_factory(name)(Seat.at(env, seed))
    return [asyncio.run(agent.act(observation, info)) for _ in range(count)]


def test_null_says_nothing() -> None:
    assert first_actions("null") == [""]


def test_reference_plays_the_tasks_own_answer() -> None:
    assert first_actions("reference") == [r"\boxed{C}"]


def test_random_is_seeded_and_plausible() -> None:
    draws = first_actions("random", seed=1, count=30)
    assert draws == first_actions("random", seed=1, count=30)
    assert set(draws) == {rf"\boxed{{{letter}}}" for letter in "ABCD"}


def test_task_without_reference_is_a_clear_error() -> None:
    env = gymnasium.make(
        "gym_llm/MCQA-v0", tasks=[{"question": "?", "options": [{"A": "x"}], "expected_answer": "A"}]
    )
    observation, info = env.reset(seed=0)
    agent = AGENTS["reference"](Seat.at(env))
    with pytest.raises(ConfigError, match="task mcqa-0 has no reference"):
        asyncio.run(agent.act(observation, info))


def test_environment_without_heuristic_says_so() -> None:
    with pytest.raises(ConfigError, match="gym_llm/MCQA-v0 has no heuristic agent"):
        first_actions("heuristic")


def test_unknown_agent_lists_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown agent 'randon'; did you mean random"):
        agent_factory("randon")


def test_a_seat_needs_a_registered_id() -> None:
    with pytest.raises(ConfigError, match="from an id"):
        Seat.at(gymnasium.make("gym_llm/MCQA-v0").unwrapped.__class__())


def test_human_is_asked() -> None:
    agent = HumanAgent(lambda observation: f"I saw {observation}")
    assert asyncio.run(agent.act("it", {})) == "I saw it"
