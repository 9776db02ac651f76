"""TurnLimit: truncates, and the episode is still graded."""

import pytest
from gymnasium.error import ResetNeeded

from gym_llm.errors import ConfigError
from gym_llm.wrappers import TurnLimit
from tests.support.envs import CounterEnv

ADD = '<tool_call>{"name": "add"}</tool_call>'


def test_truncated_episode_is_graded() -> None:
    env = CounterEnv.make(max_turns=3)
    env.reset(seed=0)
    steps = [env.step(ADD) for _ in range(3)]
    assert [s[3] for s in steps] == [False, False, True]
    assert steps[-1][1] == 2.0
    with pytest.raises(ResetNeeded):
        env.step(ADD)


def test_termination_in_the_last_turn_is_no_truncation() -> None:
    env = CounterEnv.make(max_turns=1)
    env.reset(seed=0)
    assert env.step("done")[2:4] == (True, False)


@pytest.mark.parametrize("value", [0, -1, 1.5, "3"])
def test_limit_must_be_a_positive_integer(value: object) -> None:
    with pytest.raises(ConfigError, match="max_turns must be an integer"):
        TurnLimit(CounterEnv(), value)  # type: ignore[arg-type]
