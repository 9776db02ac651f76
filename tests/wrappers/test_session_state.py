"""SessionState: snapshots, forks, differences."""

import pickle

import gymnasium
import pytest
from gymnasium.error import ResetNeeded

from gym_llm.errors import ConfigError
from gym_llm.wrappers import SessionState
from tests.support.envs import CounterEnv, GuessEnv

ADD = '<tool_call>{"name": "add", "arguments": {"amount": 1}}</tool_call>'


def counter() -> SessionState:
    env = SessionState(CounterEnv.make())
    env.reset(seed=0)
    return env


def test_restored_episode_goes_on_from_there() -> None:
    env = counter()
    env.step(ADD)
    state = env.get_state()
    first = env.step(ADD)
    env.step("done")
    env.set_state(state)
    assert repr(env.step(ADD)) == repr(first)


def test_fork_is_independent() -> None:
    env = counter()
    env.step(ADD)
    branch = env.fork()
    branch.step(ADD)
    branch.step(ADD)
    assert env.get_state().episode.state.value == 1
    assert branch.step("done")[1] == 2.0
    assert env.get_state().episode.turn == 1


def test_fork_keeps_the_turn_limit_and_the_random_stream() -> None:
    env = SessionState(GuessEnv.make(max_turns=2))
    env.reset(seed=5)
    env.step("no")
    branch = env.fork()
    assert branch.step("no")[3]
    assert branch.reset()[0] == env.reset()[0]
    assert branch.get_state().episode.state == env.get_state().episode.state


def test_diff_names_what_changed() -> None:
    env = counter()
    before = env.get_state()
    env.step(ADD)
    assert env.diff(before) == [("turn", 0, 1), ("state.value", 0, 1), ("state.log[0]", None, "+1")]
    assert env.diff(before, before) == []


def test_snapshot_pickles_into_another_environment() -> None:
    env = counter()
    env.step(ADD)
    other = SessionState(CounterEnv.make())
    other.reset(seed=9)
    other.set_state(pickle.loads(pickle.dumps(env.get_state())))
    assert repr(other.step(ADD)) == repr(env.step(ADD))


def test_needs_an_episode_and_one_of_our_environments() -> None:
    with pytest.raises(ResetNeeded):
        SessionState(CounterEnv()).get_state()
    with pytest.raises(ConfigError, match="needs a gym_llm TextEnv"):
        SessionState(gymnasium.make("CartPole-v1"))  # type: ignore[arg-type]
